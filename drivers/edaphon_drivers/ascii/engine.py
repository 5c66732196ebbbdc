"""The ASCII engine as the service uses it: instruments declared by their sheet alone."""

from collections.abc import Mapping

from edaphon_drivers.ascii.decode import Said, said_lines
from edaphon_drivers.ascii.decode import decode_exchange as decode_exchange
from edaphon_drivers.ascii.decode import decode_stream as decode_stream
from edaphon_drivers.ascii.frames import frame_of
from edaphon_drivers.ascii.identity import decode_identity as decode_identity
from edaphon_drivers.ascii.talk import identify as identify
from edaphon_drivers.ascii.talk import measure as measure
from edaphon_drivers.ascii.troubles import sheet_troubles as sheet_troubles
from edaphon_drivers.faults import Fault
from edaphon_drivers.sheets import Sheet

_LONGEST_ADDRESS = 16


def address_trouble(address: str) -> str:
    """ "" for an address; many instruments have none."""
    if len(address) <= _LONGEST_ADDRESS and all("!" <= c <= "~" for c in address):
        return ""
    return f"up to {_LONGEST_ADDRESS} letters or digits without blanks, or nothing at all"


def line_end(sheet: Sheet) -> bytes:
    """What ends each line of a stream; lines are kept with it."""
    return frame_of(sheet).end


def start_commands(sheet: Sheet) -> tuple[bytes, ...]:
    """What must be sent to make the instrument stream; mostly nothing."""
    return frame_of(sheet).start


def line_texts(data: bytes, sheet: Sheet) -> tuple[Mapping[str, str], int | None]:
    """The named texts of the first good line and the time it says [UTC ns]; raises a Fault."""
    frame = frame_of(sheet)
    fault: Fault | None = None
    for said in said_lines(frame, b"", data):
        if isinstance(said, Said) and said.counts:
            return said.texts, said.time_ns
        if isinstance(said, Fault):
            fault = fault or said
    if fault:
        raise fault
    return {}, None
