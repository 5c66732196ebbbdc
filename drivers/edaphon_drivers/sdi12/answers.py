"""Readings of answers that a person holds without the commands: lines copied from a terminal."""

import re
from collections.abc import Iterator
from itertools import accumulate

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import Reading
from edaphon_drivers.reported import reported
from edaphon_drivers.sdi12.packets import is_packet, parse_packet
from edaphon_drivers.sdi12.parse import parse_relayed
from edaphon_drivers.sheets import Sheet

_ECHO = re.compile(rb"[0-9A-Za-z?](?:[A-Z][ -~]*?)?!")
# A service request, or atttn and its longer forms: the answer that only announces values.
_NO_VALUES = re.compile(rb"[0-9A-Za-z](?:[0-9]{4,6})?")


def decode_answers(data: bytes, sheet: Sheet) -> tuple[Reading, ...]:
    """The values as those of the sheet's command that gives so many, else of all in their order.

    Commands that a terminal echoed, announcements and service requests are passed over; CRCs are
    taken off. Raises Garbled.
    """
    values = tuple(_values(data))
    whole = [command for command in sheet.commands if len(command.outputs) == len(values)]
    commands = whole[:1] or sheet.commands
    ends = tuple(accumulate(len(command.outputs) for command in commands))
    fewer = bool(sheet.frame.get("fewer", False)) and 0 < len(values) < ends[-1]
    if len(values) not in ends and not fewer:
        counts = " or ".join(map(str, ends))
        raise Garbled(f"{counts} values of {sheet.model}, such as 0+1.60+25.7", data)
    names = [name for command in commands for name in command.outputs]
    pairs = zip(names, values, strict=False)
    return tuple(reported(sheet.outputs[name], value) for name, value in pairs if name != "-")


def _values(data: bytes) -> Iterator[float]:
    if is_packet(data):
        yield from parse_packet(data[:1].decode("latin-1"), data)
        return
    address = ""
    for line in data.splitlines():
        said = line.strip()
        while echo := _ECHO.match(said):
            said = said[echo.end() :].strip()
        if not said or _NO_VALUES.fullmatch(said):
            continue
        of, values = parse_relayed(said)
        if of != (address or of):
            raise Garbled(f"answers of one probe, of address {address}", line)
        address = of
        yield from values
