"""Followed files: how far a growing file is whole, and the readings of each piece of it."""

from collections.abc import Iterator

from edaphon_drivers.faults import Garbled, Refused
from edaphon_drivers.files.cutting import Cut as Cut
from edaphon_drivers.files.cutting import Rest as Rest
from edaphon_drivers.files.cutting import cut_json, cut_lines
from edaphon_drivers.files.frame import completed as completed
from edaphon_drivers.files.frame import read_layout
from edaphon_drivers.files.heard import read_heard
from edaphon_drivers.files.li8200 import read_li8200
from edaphon_drivers.files.lines import FIRST, Context, LineCounts, Slice
from edaphon_drivers.files.tables import read_lines
from edaphon_drivers.files.troubles import frame_troubles
from edaphon_drivers.payloads import Piece
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet


def cut(
    data: bytes,
    sheet: Sheet,
    rest: Rest,
    headed: bool = False,
    mark: bytes | None = None,
    before: str = "",
) -> Cut:
    """How much of `data`, from the last cut to the end of the file, is whole.

    `headed`: a header was cut before, so that what comes may be rows alone. `mark` is that of a
    UTF-16 file, None where the data begin the file; `before` is the character that ended the line
    before, "" there. Call it again with what remains until it says
    0. Raises Refused for a sheet with errors.
    """
    layout = read_layout(sheet)
    if layout.form == "li8200":
        return cut_json(data, rest)
    return cut_lines(data, layout, rest, headed, mark, before)


def is_one_record(sheet: Sheet) -> bool:
    """Whether a file is read as a whole, so that one that has grown is read again."""
    return read_layout(sheet).form == "li8200"


def needs_header(sheet: Sheet) -> bool:
    """Whether rows are rows only below a header."""
    layout = read_layout(sheet)
    return layout.form in {"table", "toa5", "li81x"} and not layout.reads_without_names


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


def read_piece(piece: Piece, sheet: Sheet, context: Context = FIRST) -> Iterator[Slice]:
    """The piece in slices of bounded size, each with the account of its lines; at least one.

    `context` is that of the last slice of the piece before it under the same name. Raises Refused
    where the sheet does not say what is needed; a line that is no row is refused in its slice.
    A last line without its end is a slice of its own: a piece that repeats it (`Follows.AGAIN`)
    goes on with the context of the slice before.
    """
    if piece.copy and not piece.lines:
        yield Slice((), LineCounts(), (), context)  # of a line that was counted, or NUL bytes
        return
    layout = read_layout(sheet)
    if not layout.zone_known:
        raise Refused("utc_offset or zone of this file; it says none", piece.name)
    if layout.form == "heard":
        yield from read_heard(piece, sheet, context)
    elif layout.form == "li8200":
        yield from read_li8200(piece, layout, sheet, context)
    else:
        yield from read_lines(piece, layout, sheet, context)


def sheet_troubles(sheet: Sheet) -> Iterator[str]:
    """What is wrong, or not yet stated by the owner (see `completed`)."""
    yield from frame_troubles(sheet)
