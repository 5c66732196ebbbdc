"""Where the header of a file stands and what it says: tables with a line of names, TOA5, .81x."""

from collections.abc import Sequence
from itertools import combinations

from edaphon_drivers.files.clock import LONG_AGO_NS
from edaphon_drivers.files.frame import Layout
from edaphon_drivers.files.rows import Header, cells_of

INCOMPLETE = -1
_PREAMBLE = 30  # lines above the line of names
_LOOK_AT = 16  # cells of a line
_TOA5_LINES = 4
_KEYS = 120  # lines of an .81x header
_TOA5_KEYS = ("file", "station", "model", "serial", "system", "program", "signature", "table")


def header_at(lines: Sequence[str], at: int, layout: Layout, inside: bool = False) -> int:
    """How many lines from `at` are a header; 0 for none, INCOMPLETE while its end is missing.

    `inside`: the lines are from the middle of a file, so nothing can stand above a line of names.
    """
    line = lines[at]
    if layout.form == "toa5":
        if not _begins_toa5(line):
            return 0
        return _to_rows_toa5(lines, at, layout)
    if layout.form == "li81x":
        return _to_names_81x(lines, at) if line.lstrip("\ufeff").startswith("LI-8100:") else 0
    return _to_names(lines, at, layout, inside or at > 0)


def parse_header(lines: Sequence[str], layout: Layout) -> Header:
    """What a header says; its last line may lack cells, and one that is broken off says nothing."""
    if layout.form == "toa5":
        if len(lines) < _TOA5_LINES:
            return Header()
        first, names, units, processing = (tuple(cells_of(line, layout)) for line in lines)
        keys = dict(zip(_TOA5_KEYS, first, strict=False))
        return Header(_trimmed(names), units, processing, keys)
    names = _trimmed(cells_of(_bare(lines[-1], layout), layout))
    if layout.form != "li81x":
        return Header(names)
    parted = [line.partition(":") for line in lines[:-1]]
    return Header(names, keys={key.strip(): value.strip() for key, _, value in parted})


def _trimmed(names: Sequence[str]) -> tuple[str, ...]:
    """Without the empty names that separators at the end of a line leave."""
    last = max((at for at, name in enumerate(names) if name), default=-1)
    return tuple(names[: last + 1])


def is_message(line: str, layout: Layout) -> bool:
    """Whether an .81x writes words between its rows, such as "Chamber close not detected"."""
    return layout.form == "li81x" and "\t" not in line and line[:1].isalpha()


def is_tail(line: str, layout: Layout) -> bool:
    """Whether a line belongs to what an .81x writes below the rows of an observation."""
    if layout.form != "li81x":
        return False
    first = line.partition("\t")[0]
    return first in {"2", "3", "4"} or first.endswith(":")


def _to_names(lines: Sequence[str], at: int, layout: Layout, inside: bool) -> int:
    """A line with the names of the time's columns; at the beginning also all that stands above."""
    wanted = layout.clock.names
    if not wanted:
        return 0
    if inside:
        return int(_names(lines[at], wanted, layout))
    for n, line in enumerate(lines[:_PREAMBLE]):
        if _names(line, wanted, layout):
            return n + 1
        if _is_row(line, layout):
            return 0
    return INCOMPLETE if len(lines) < _PREAMBLE else 0


def _names(line: str, wanted: Sequence[str], layout: Layout) -> bool:
    if wanted[0] not in line:
        return False
    return set(wanted) <= set(cells_of(_bare(line, layout), layout))


def _is_row(line: str, layout: Layout) -> bool:
    """Whether a line holds a time: where the order of the sheet has it, else anywhere."""
    cells = cells_of(line, layout)
    columns = layout.clock.columns
    places = [layout.order.index(c) for c in columns if c in layout.order]
    if len(places) == len(columns):
        return len(cells) > max(places) and _is_time([cells[at] for at in places], layout)
    few = cells[:_LOOK_AT]
    if len(columns) == 2:
        return any(_is_time(pair, layout) for pair in combinations(few, 2))
    runs = (few[at : at + len(columns)] for at in range(len(few) - len(columns) + 1))
    return any(_is_time(run, layout) for run in runs)


def _is_time(texts: Sequence[str], layout: Layout) -> bool:
    """A small number is no count since 1970."""
    return (layout.clock.read(texts) or 0) > LONG_AGO_NS


def _bare(line: str, layout: Layout) -> str:
    bare = line.lstrip("\ufeff")
    mark = next((mark for mark in layout.comment if bare.startswith(mark)), "")
    return bare.removeprefix(mark)


def _begins_toa5(line: str) -> bool:
    return line.lstrip("\ufeff").startswith(('"TOA5"', "TOA5,"))


def _to_rows_toa5(lines: Sequence[str], at: int, layout: Layout) -> int:
    """Four lines; fewer where it is broken off before its rows, or before another header."""
    for n, line in enumerate(lines[at + 1 : at + _TOA5_LINES], 1):
        if _begins_toa5(line) or _is_row(line, layout):
            return n
    return _TOA5_LINES if at + _TOA5_LINES <= len(lines) else INCOMPLETE


def _to_names_81x(lines: Sequence[str], at: int) -> int:
    for n, line in enumerate(lines[at : at + _KEYS]):
        if line.startswith("Type\t"):
            return n + 1
        if n and line.startswith("LI-8100:"):
            return n  # broken off before its rows
    return INCOMPLETE if len(lines) - at < _KEYS else _KEYS
