"""Files that a person hands to a file source once, such as those of earlier years."""

from pathlib import Path

from edaphon_drivers.faults import Fault
from edaphon_drivers.files import engine as files
from edaphon_drivers.files.cutting import Rest
from edaphon_drivers.files.lines import RefusedLine
from edaphon_drivers.outside import open_file
from edaphon_drivers.payloads import Piece
from edaphon_drivers.sheets import Sheet

LOOK_BYTES = 65_536
_LARGEST_RECORD_BYTES = 1 << 23
_REFUSED_SHOWN = 3


def why_no_rows(file: Path, sheet: Sheet) -> str | None:
    """None where the beginning of a file holds a row; else its first lines with what they lack."""
    with open_file(file, file.parent) as opened:
        one_record = files.is_one_record(sheet)
        data = opened.read(_LARGEST_RECORD_BYTES if one_record else LOOK_BYTES)
    header: bytes = b""
    while data:
        cut = files.cut(data, sheet, Rest.ENDED, bool(header))
        if not cut.whole:
            break
        header = data[: cut.header_bytes] or header
        piece = Piece(str(file), 0, header, data[cut.header_bytes : cut.whole])
        found = _first_refusal(piece, sheet)
        if found is None:
            return None
        if found:
            return found
        data = data[cut.whole :]
    return ""


def _first_refusal(piece: Piece, sheet: Sheet) -> str | None:
    """None where the piece holds a row; else the first lines that are none, "" for no lines."""
    refused: list[RefusedLine] = []
    try:
        for part in files.read_piece(piece, sheet):
            if part.readings or part.counts.rows:
                return None
            refused += part.refused[: _REFUSED_SHOWN - len(refused)]
    except Fault as fault:
        return f": {fault}"
    return "".join(f"\n  line {r.line}: {r.reason}: {_printable(r.text)}" for r in refused)


def _printable(data: bytes) -> str:
    """Bytes that a terminal would act on are shown as \\xNN."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
