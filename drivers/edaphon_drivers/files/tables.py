"""The pieces of line files: each row by the header above it, and what an .81x says at the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.forms import header_at, is_tail, parse_header
from edaphon_drivers.files.frame import Layout
from edaphon_drivers.files.rows import (
    Header,
    Plan,
    cells_of,
    make_plan,
    read_row,
    reading_of,
    text_of,
)
from edaphon_drivers.payloads import Piece
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet

__all__ = ["decode_lines", "joined"]


@dataclass(slots=True)
class _Reader:
    """Goes through the lines of one piece; `bad` is the first line that was no row."""

    layout: Layout
    sheet: Sheet
    plan: Plan | None = None
    readings: list[Reading] = field(default_factory=list)
    rows: int = 0
    bad: str = ""
    names: tuple[str, ...] = ()
    end_ns: int | None = None
    start_ns: int | None = None

    def head(self, lines: Sequence[str]) -> None:
        self.names, self.plan = _explained(tuple(lines), self.layout, self.sheet)
        self.end_ns = self.start_ns = None

    def line(self, line: str) -> None:
        if not line.strip() or (self.layout.comment and line.startswith(self.layout.comment)):
            return
        if is_tail(line, self.layout):
            self._tail(line)
            return
        found = read_row(cells_of(line, self.layout), self.plan, self.layout) if self.plan else None
        if found is None:
            self.bad = self.bad or line
        else:
            self.rows += 1
            self.readings += found

    def _tail(self, line: str) -> None:
        """Type 4 says the range of each column: of Etime, how long the observation took [s]."""
        cells = cells_of(line, self.layout) or [""]
        if cells[0] in {"3", "4"} and "Etime" in self.names and "Date" in self.names:
            self._observation(cells[0], dict(zip(self.names, cells, strict=False)))
            return
        if self.end_ns is None or len(cells) < 2:
            return
        for column in self.layout.footer:
            if column.name == cells[0].removesuffix(":"):
                output = self.sheet.outputs[column.output]
                self.readings.append(
                    reading_of(output, cells[1], self.layout, self.end_ns, self.start_ns)
                )

    def _observation(self, kind: str, row: dict[str, str]) -> None:
        self.end_ns = self.layout.clock.read([row.get("Date", "")])
        span = row.get("Etime", "")
        whole = span.replace(".", "", 1).isdecimal() and span.isascii() and len(span) < 9
        if kind == "4" and self.end_ns is not None and whole:
            self.start_ns = self.end_ns - round(float(span) * 1_000_000_000)


def decode_lines(piece: Piece, layout: Layout, sheet: Sheet) -> tuple[Reading, ...]:
    """Raises Garbled where no line is a row and some line is not even empty."""
    reader = _Reader(layout, sheet)
    if layout.order or not any(isinstance(c, str) for c in layout.clock.columns):
        reader.head(())
    text = text_of(joined(piece))
    lines = [line.rstrip("\r") for line in text.split("\n")]
    at = 0
    while at < len(lines):
        headed = header_at(lines, at, layout)
        if headed > 0:
            reader.head(lines[at : at + headed])
        else:
            reader.line(lines[at])
        at += max(headed, 1)
    if reader.bad and not reader.rows and not reader.readings:
        raise Garbled(f"a row of {sheet.title}", reader.bad, piece.name)
    return tuple(reader.readings)


_Explained = tuple[tuple[str, ...], Plan | None]
# Each piece brings the header of its file again; the sheet is held for the sake of its id.
_plans: dict[tuple[int, tuple[str, ...]], tuple[Sheet, _Explained]] = {}
_MOST_PLANS = 256


def _explained(lines: tuple[str, ...], layout: Layout, sheet: Sheet) -> _Explained:
    """The names in a header and the plan of the rows below it; without lines the sheet's order."""
    known = _plans.get((id(sheet), lines))
    if known is None:
        in_order = Header(layout.order, full=layout.separator is None and bool(layout.order))
        header = parse_header(lines, layout) if lines else in_order
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        found = header.names, make_plan(header, layout, sheet)
        known = _plans[id(sheet), lines] = sheet, found
    return known[1]


def joined(piece: Piece) -> bytes:
    """Header and rows as they stood in the file, whether or not the data begin with the header."""
    return piece.data if piece.data.startswith(piece.header) else piece.header + piece.data
