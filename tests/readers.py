"""Readers of a piece or of a line alone, which tests need and the service does not."""

from collections.abc import Mapping

from edaphon_drivers.ascii.engine import ReadLine, answer_lines
from edaphon_drivers.ascii.sheet import frame_of
from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.files.engine import read_piece
from edaphon_drivers.files.lines import split_piece
from edaphon_drivers.readings import Piece, Reading
from edaphon_drivers.sheets import Sheet


def decode_piece(piece: Piece, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of a piece read alone; a bad row gives none and spoils no other.

    Its data may begin with its header or not. Raises Garbled where nothing in it is a record and a
    line is refused, and Refused where the sheet does not say what is needed, such as the zone.
    """
    readings: list[Reading] = []
    rows, refused = 0, None
    for part in read_piece(piece, sheet):
        readings += part.readings
        rows += part.counts.rows
        refused = refused or next(iter(part.refused), None)
    if refused and not rows and not readings:
        raise Garbled(f"a row of {sheet.title} ({refused.reason})", refused.text, piece.name)
    return tuple(readings)


def lines_of_piece(piece: Piece) -> int:
    """How many lines the account of a piece holds: those of its data, and a header before them."""
    split = split_piece(piece)
    return split.counted + len(split.own.texts)


def line_texts(data: bytes, sheet: Sheet) -> tuple[Mapping[str, str], int | None]:
    """The named texts of the first good line and the time it says [UTC ns]; raises a Fault."""
    frame = frame_of(sheet)
    fault: Fault | None = None
    for line in answer_lines(frame, b"", data):
        if isinstance(line, ReadLine) and line.counts:
            return line.texts, line.time_ns
        if isinstance(line, Fault):
            fault = fault or line
    if fault:
        raise fault
    return {}, None
