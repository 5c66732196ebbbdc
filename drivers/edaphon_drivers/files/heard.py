"""Files that hold the very lines an instrument sends (LI-78xx .data): read by its ASCII sheet.

frame.like names that sheet; its checks (CHK) and its own times hold for the file as well.
"""

from collections.abc import Callable, Iterator

from edaphon_drivers.ascii.decode import Said, line_reader
from edaphon_drivers.faults import Fault, Refused
from edaphon_drivers.files.account import Account
from edaphon_drivers.files.clock import LONG_AGO_NS
from edaphon_drivers.files.lines import Context, RefusedLine, Slice
from edaphon_drivers.files.text import split_piece
from edaphon_drivers.payloads import Piece
from edaphon_drivers.sheets import Sheet, UnknownModel, load_sheet

_MANY_CELLS = 5  # what stands above the rows are pairs: Model, SN, Software Version


def read_heard(piece: Piece, sheet: Sheet, context: Context) -> Iterator[Slice]:
    """A line that the instrument's own sheet does not know is a header; a bad one is refused."""
    if trouble := like_trouble(sheet):
        raise Refused(f"a sheet without troubles ({trouble})", sheet.model)
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


def _no_row(read: Callable[[bytes], Said], line: bytes, sheet: Sheet, account: Account) -> str:
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


def _read(read: Callable[[bytes], Said], line: bytes) -> Said | Fault:
    try:
        return read(line)
    except Fault as fault:
        return fault


def like_trouble(sheet: Sheet) -> str:
    """What is wrong with frame.like; "" for a heard ASCII sheet with its own times."""
    like = sheet.frame.get("like")
    try:
        heard = load_sheet(like) if isinstance(like, str) else None
    except UnknownModel:
        heard = None
    if heard is None or heard.engine != "ascii" or "time" not in heard.frame:
        return f"frame.like names an ASCII sheet whose lines say their time, not {like!r}"
    return ""
