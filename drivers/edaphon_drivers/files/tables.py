"""The pieces of line files: each row by the header above it, and what an .81x says at the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edaphon_drivers.files.clock import NoTime, date_row, why_no_time
from edaphon_drivers.files.cutting import header_at, is_message, is_tail, parse_header
from edaphon_drivers.files.lines import (
    Account,
    Context,
    PieceLines,
    RefusedLine,
    Slice,
    split_piece,
)
from edaphon_drivers.files.rows import (
    Header,
    NoRow,
    RowPlan,
    cells_of,
    fitted,
    is_above_rows,
    is_line_of_names,
    make_plan,
    reading_of,
    readings_of,
)
from edaphon_drivers.files.sheet import FileFrame, read_layout
from edaphon_drivers.readings import Piece
from edaphon_drivers.sheets import Sheet, per_sheet

_SECOND_NS = 1_000_000_000


def read_lines(piece: Piece, layout: FileFrame, sheet: Sheet, context: Context) -> Iterator[Slice]:
    """The slices of a piece of a line file; at least one."""
    split = split_piece(piece)
    account = Account(context, headers=split.counted)
    reader = _begun(split, layout, sheet, account)
    first = (piece.line if piece.copy else 1) + split.counted
    texts, at = split.own.texts, 0
    while at < len(texts):
        if piece.unended and at == len(texts) - 1:
            yield account.cut()
        headed = header_at(texts, at, layout, bool(split.above.texts))
        if headed > 0:
            reader.new_header(texts[at : at + headed])
            account.headers += headed
        elif reason := reader.no_row(texts[at]):
            account.refused.append(RefusedLine(first + at, reason, split.own.start_of(at)))
        at += max(headed, 1)
        if account.is_full:
            yield account.cut()
    yield account.cut()


def _begun(split: PieceLines, layout: FileFrame, sheet: Sheet, account: Account) -> "_TableReader":
    """A reader that knows the header above the piece, or the sheet's own order of columns."""
    reader = _TableReader(layout, sheet, account)
    if layout.reads_without_names:
        reader.head(())
    above, at = split.above.texts, 0
    while at < len(above):
        headed = header_at(above, at, layout)
        if headed > 0:
            reader.head(above[at : at + headed])
        at += max(headed, 1)
    if split.counted:
        reader.new_observation()
    reader.fresh = bool(account.context.fresh)
    if split.fresh:
        reader.set_fresh(True)
    return reader


@dataclass(slots=True)
class _TableReader:
    """Goes through the lines of one piece; `fresh`: no row came yet below a header."""

    layout: FileFrame
    sheet: Sheet
    account: Account
    fresh: bool = False
    plan: RowPlan | None = None
    names: tuple[str, ...] = ()
    by_row: bool = True

    def __post_init__(self) -> None:
        self.by_row = self.layout.clock.by_row

    def head(self, lines: Sequence[str]) -> None:
        self.names, self.plan = _explained(tuple(lines), self.sheet)

    def new_header(self, lines: Sequence[str]) -> None:
        """A header among the lines of the piece."""
        self.head(lines)
        self.set_fresh(True)
        self.new_observation()

    def set_fresh(self, fresh: bool) -> None:
        """Whether the first row below a header is still to come."""
        if fresh is not self.account.context.fresh:
            self.account.context = self.account.context._replace(fresh=fresh)
        self.fresh = fresh

    def new_observation(self) -> None:
        """What an .81x says below its rows belongs to the rows under the same header."""
        if self.layout.form == "li81x":
            self._note_observation(None, None)

    def no_row(self, line: str) -> str:
        """Enters one line into the account; why it is refused, "" for one that is not."""
        account, layout = self.account, self.layout
        if not line or line.isspace():
            account.blank += 1
        elif layout.comment and line.startswith(layout.comment):
            account.headers += 1
        elif layout.form == "li81x" and (is_tail(line, layout) or is_message(line, layout)):
            account.headers += 1
            self._tail(line)
        else:
            return self._no_row(line, cells_of(line, layout))
        return ""

    def _no_row(self, line: str, cells: list[str]) -> str:
        plan, account = self.plan, self.account
        try:
            if plan is None or not cells or "\x00" in line:
                raise NoRow(_why_not(line, cells))
            if len(cells) != plan.most or plan.least != plan.most or not cells[0]:
                if not any(cells):
                    account.blank += 1
                    return ""
                cells = self._fitted(cells, plan)
            self._row(cells, plan)
            self._note_width(cells, plan)
        except (NoRow, NoTime) as why:
            if plan is None or "\x00" in line or not self._is_header(cells, plan):
                return str(why)
            account.headers += 1
        return ""

    def _row(self, cells: Sequence[str], plan: RowPlan) -> None:
        account, layout = self.account, self.layout
        if not plan.only or all(cells[at] in allowed for at, allowed in plan.only):
            for at, denied in plan.refuse:
                if cells[at] in denied:
                    raise NoRow(f"expected a good row, got {cells[at]!r} in cell {at + 1}")
            time_ns = self._time_ns([cells[at] for at in plan.time], cells, plan)
            account.readings += readings_of(cells, plan, layout, time_ns)
        account.rows += 1
        self.set_fresh(False)

    def _time_ns(self, texts: Sequence[str], cells: Sequence[str], plan: RowPlan) -> int:
        clock, account = self.layout.clock, self.account
        if self.by_row:
            time_ns = clock.read(texts)
            if time_ns is None:
                raise NoTime(why_no_time(texts, clock))
            return time_ns
        at = plan.elapsed
        counts = at is not None and all(cells[n] in allowed for n, allowed in plan.elapsed_tests)
        elapsed = cells[at] if counts and at is not None else None
        time_ns, account.context = date_row(texts, elapsed, clock, account.context)
        return time_ns

    def _fitted(self, cells: list[str], plan: RowPlan) -> list[str]:
        """Numbered columns have the width of the first row, or of names above it.

        A comma between digits looks like one between cells, so that in a file of commas a first
        row ends with its last column.
        """
        width = self.account.context.width
        if plan.most:
            return fitted(cells, plan.least, plan.most)
        if width is not None:  # a row may end with a separator or not
            return fitted(cells, max(plan.used, width - 1), width)
        most = plan.used if self.layout.separator == "," else max(plan.used, len(cells))
        return fitted(cells, plan.used, most)

    def _is_header(self, cells: Sequence[str], plan: RowPlan) -> bool:
        """A line of units or names above the rows; of names anywhere, if the sheet needs none."""
        if self.fresh and is_above_rows(cells, plan):
            found = True
        else:
            found = not self.names and is_line_of_names(cells, plan, self.layout)
        if found:
            self._note_width(cells, plan)
        return found

    def _note_observation(self, begun_ns: int | None, ended_ns: int | None) -> None:
        context = self.account.context
        self.account.context = context._replace(begun_ns=begun_ns, ended_ns=ended_ns)

    def _note_width(self, cells: Sequence[str], plan: RowPlan) -> None:
        """The first row, or a line of names, says how many cells a row has where no key does."""
        if not plan.most and self.account.context.width is None:
            self.account.context = self.account.context._replace(width=len(cells))

    def _tail(self, line: str) -> None:
        """Type 4 says the range of each column: of Etime, how long the observation took [s]."""
        cells, context = cells_of(line, self.layout) or [""], self.account.context
        if cells[0] in {"3", "4"} and "Etime" in self.names and "Date" in self.names:
            self._observation(cells[0], dict(zip(self.names, cells, strict=False)))
            return
        if context.ended_ns is None or len(cells) < 2:
            return
        for column in self.layout.footer:
            if column.name == cells[0].removesuffix(":"):
                output = self.sheet.outputs[column.output]
                self.account.readings.append(
                    reading_of(output, cells[1], self.layout, context.ended_ns, context.begun_ns)
                )

    def _observation(self, kind: str, row: dict[str, str]) -> None:
        try:
            end_ns, _ = date_row(
                [row.get("Date", "")], None, self.layout.clock, self.account.context
            )
        except NoTime:
            self._note_observation(None, None)
            return
        span = row.get("Etime", "")
        whole = span.replace(".", "", 1).isdecimal() and span.isascii() and len(span) < 9
        begun_ns = self.account.context.begun_ns
        if kind == "4" and whole:
            begun_ns = end_ns - round(float(span) * _SECOND_NS)
        self._note_observation(begun_ns, end_ns)


def _why_not(line: str, cells: Sequence[str]) -> str:
    if "\x00" in line:
        return "expected a row, got NUL bytes, as a power cut leaves them"
    if not cells:
        return "expected a row, got quotes or a length that no row has"
    return "expected a header with the columns of the sheet above this line, got none"


@per_sheet
def _explained(lines: tuple[str, ...], sheet: Sheet) -> tuple[tuple[str, ...], RowPlan | None]:
    """The names in a header and the plan of the rows below it; without lines the sheet's order.

    Each piece brings the header of its file again.
    """
    layout = read_layout(sheet)
    header = parse_header(lines, layout) if lines else Header()
    return header.names, make_plan(header, layout, sheet)
