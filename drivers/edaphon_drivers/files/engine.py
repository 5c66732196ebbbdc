"""Followed files: how far a growing file is whole, and the readings of each piece of it."""

from collections.abc import Callable, Iterator

from edaphon_drivers.ascii.engine import ReadLine, line_reader
from edaphon_drivers.faults import Fault, Refused
from edaphon_drivers.files.clock import LONG_AGO_NS
from edaphon_drivers.files.cutting import Cut, Rest, cut_json, cut_lines
from edaphon_drivers.files.li8200 import read_li8200
from edaphon_drivers.files.lines import (
    FIRST,
    Account,
    Context,
    LineCounts,
    RefusedLine,
    Slice,
    split_piece,
)
from edaphon_drivers.files.sheet import like_error, read_layout
from edaphon_drivers.files.tables import read_lines
from edaphon_drivers.readings import Piece
from edaphon_drivers.sheets import Sheet, load_sheet

_MANY_CELLS = 5  # what stands above the rows are pairs: Model, SN, Software Version


def read_pushed(piece: Piece, sheet: Sheet, context: Context) -> Iterator[Slice]:
    """A line that the instrument's own sheet does not know is a header; a bad one is refused."""
    if error := like_error(sheet):
        raise Refused("a sheet without errors", error, sheet.model)
    split = split_piece(piece)
    read = line_reader(load_sheet(sheet.frame["like"]))
    for at in range(len(split.above.texts)):
        _read(read, split.above.bytes_of(at))
    account = Account(context, headers=split.counted)
    first = (piece.line if piece.copy else 1) + split.counted
    for at, line in enumerate(split.own.texts):
        if piece.unended and at == len(split.own.texts) - 1:
            yield account.cut()
        if not line or line.isspace():
            account.blank += 1
        elif reason := _no_row(read, split.own.bytes_of(at), sheet, account):
            account.refused.append(RefusedLine(first + at, reason, split.own.start_of(at)))
        if account.is_full:
            yield account.cut()
    yield account.cut()


def _no_row(read: Callable[[bytes], ReadLine], line: bytes, sheet: Sheet, account: Account) -> str:
    """Enters one line into the account; why it is refused, "" for one that is not."""
    found = _read(read, line)
    if isinstance(found, Fault):
        return f"expected {found.expected}"
    if not found.counts:
        if line.count(b"\t") >= _MANY_CELLS and not line.startswith(b"DATA"):
            return "expected a line that begins as those of the instrument do"
        account.headers += 1
        return ""
    if found.readings and (found.time_ns is None or found.time_ns < LONG_AGO_NS):
        return "expected the time of the instrument's clock, got none or one before 1973"
    account.rows += 1
    account.readings += (r for r in found.readings if r.output in sheet.outputs)
    return ""


def _read(read: Callable[[bytes], ReadLine], line: bytes) -> ReadLine | Fault:
    try:
        return read(line)
    except Fault as fault:
        return fault


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
        yield from read_pushed(piece, sheet, context)
    elif layout.form == "li8200":
        yield from read_li8200(piece, layout, sheet, context)
    else:
        yield from read_lines(piece, layout, sheet, context)
