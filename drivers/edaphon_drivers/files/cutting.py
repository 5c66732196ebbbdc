"""How a growing file falls into header, whole records and tail, and how far it can be kept now."""

from collections.abc import Sequence
from enum import IntEnum
from itertools import combinations
from typing import NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.clock import LONG_AGO_NS
from edaphon_drivers.files.li8200 import parse_json
from edaphon_drivers.files.lines import line_end, mark_of, split_lines, text_of_line
from edaphon_drivers.files.rows import Header, cells_of
from edaphon_drivers.files.sheet import FileFrame

INCOMPLETE = -1
_PREAMBLE = 30  # lines above the line of names
_LOOK_AT = 16  # cells of a line
_TOA5_LINES = 4
_KEYS = 120  # lines of an .81x header
_TOA5_KEYS = ("file", "station", "model", "serial", "system", "program", "signature", "table")


def header_at(lines: Sequence[str], at: int, layout: FileFrame, inside: bool = False) -> int:
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


def parse_header(lines: Sequence[str], layout: FileFrame) -> Header:
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


def is_message(line: str, layout: FileFrame) -> bool:
    """Whether an .81x writes words between its rows, such as "Chamber close not detected"."""
    return layout.form == "li81x" and "\t" not in line and line[:1].isalpha()


def is_tail(line: str, layout: FileFrame) -> bool:
    """Whether a line belongs to what an .81x writes below the rows of an observation."""
    if layout.form != "li81x":
        return False
    first = line.partition("\t")[0]
    return first in {"2", "3", "4"} or first.endswith(":")


def _to_names(lines: Sequence[str], at: int, layout: FileFrame, inside: bool) -> int:
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


def _names(line: str, wanted: Sequence[str], layout: FileFrame) -> bool:
    if wanted[0] not in line:
        return False
    return set(wanted) <= set(cells_of(_bare(line, layout), layout))


def _is_row(line: str, layout: FileFrame) -> bool:
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


def _is_time(texts: Sequence[str], layout: FileFrame) -> bool:
    """A small number is no count since 1970."""
    return (layout.clock.read(texts) or 0) > LONG_AGO_NS


def _bare(line: str, layout: FileFrame) -> str:
    bare = line.lstrip("\ufeff")
    mark = next((mark for mark in layout.comment if bare.startswith(mark)), "")
    return bare.removeprefix(mark)


def _begins_toa5(line: str) -> bool:
    return line.lstrip("\ufeff").startswith(('"TOA5"', "TOA5,"))


def _to_rows_toa5(lines: Sequence[str], at: int, layout: FileFrame) -> int:
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


PIECE_BYTES = 65536
_NAMED = {"table", "heard"}  # a line of names is recognised wherever it comes


class Rest(IntEnum):
    """How sure it is that the last line grows no more."""

    GROWING = 0
    RESTED = 1  # unchanged for a while: lines with an end are whole, an .81x has written its tail
    ENDED = 2  # unchanged for long, or another file follows: the last line counts without its end
    GONE = 3  # nobody can write to it any more under this name: whatever is there is taken


class Cut(NamedTuple):
    """What can be journalled of the bytes that were given.

    The first `header_bytes` are a header: it explains all that follows, in this piece and in later
    ones, until another cut gives one. At the start of a UTF-16 file they hold its byte order mark.
    0 says that the last header holds on; before the first, b"". The first `whole` bytes, header
    included, are whole records with `lines` lines; 0 says wait. `last_bytes` is the length of a
    last line that has no end, 0 where the last line has one.
    """

    header_bytes: int
    whole: int
    lines: int = 0
    header_lines: int = 0
    last_bytes: int = 0


_WAIT = Cut(0, 0)


def cut_json(data: bytes, rest: Rest = Rest.GROWING) -> Cut:
    """The whole file as soon as it parses."""
    try:
        parse_json(data)
    except Garbled:
        if rest < Rest.GONE or not data:
            return _WAIT
    return Cut(0, len(data), len(split_lines(data)))


def cut_lines(
    data: bytes,
    layout: FileFrame,
    rest: Rest,
    headed: bool = False,
    mark: bytes | None = None,
    before: str = "",
) -> Cut:
    """Up to the next header, or PIECE_BYTES; what an .81x says below its rows stays together.

    `headed`: a header was cut before. `mark` is that of a UTF-16 file, None at the start of a file.
    `before` is the character before the data, "" at the start.
    """
    begins = mark_of(data) if mark is None else b""
    mark, rows = begins or mark or b"", data[len(begins) :]
    size = PIECE_BYTES
    found = _WAIT
    while not found.whole:
        more = size < len(rows)
        lines = _lines(rows[:size], more, Rest.GROWING if more else rest, mark, before)
        found = _cut_window(*lines, Rest.GROWING if more else rest, layout, headed, mark)
        if not more:
            break
        size *= 2  # a line, or a header, that is longer than a piece
    if not found.whole:
        return found
    header, whole = found.header_bytes + len(begins), found.whole + len(begins)
    return found._replace(header_bytes=header, whole=whole)


def _cut_window(
    raw: list[bytes], last_bytes: int, rest: Rest, layout: FileFrame, headed: bool, mark: bytes
) -> Cut:
    if not raw:
        return _WAIT
    lines = [text_of_line(line, mark) for line in raw]
    header = header_at(lines, 0, layout, headed)
    if header == INCOMPLETE:
        if rest < Rest.ENDED or (rest < Rest.GONE and layout.form not in _NAMED):
            return _WAIT
        header = 0
    if last_bytes and header == len(raw) and rest < Rest.GONE:
        return _WAIT  # the names may go on
    end, closed = _next_header(lines, header, layout)
    if not closed and rest < Rest.RESTED:
        end = next((n for n in range(header, end) if is_tail(lines[n], layout)), end)
    if end == header and not closed and rest < Rest.ENDED:
        return _WAIT
    header_bytes, whole = sum(map(len, raw[:header])), sum(map(len, raw[:end]))
    return Cut(header_bytes, whole, end, header, last_bytes if end == len(raw) else 0)


def _lines(
    window: bytes, more: bool, rest: Rest, mark: bytes, before: str
) -> tuple[list[bytes], int]:
    """(the lines that count as whole, the length of a last one that has no end).

    CR alone ends the last line only once the file rests: its LF may be on the way.
    """
    raw = split_lines(window, mark, before)
    if not raw:
        return [], 0
    feed, ended = line_end(raw, mark, before)
    if feed == "\r" and (more or rest < Rest.RESTED):
        return raw[:-1], 0
    if ended:
        return raw, 0
    last = raw.pop() if rest == Rest.GONE or mark else raw.pop().rstrip(b"\0")
    if rest < Rest.ENDED or not last:
        return raw, 0
    return [*raw, last], len(last)


def _next_header(lines: list[str], start: int, layout: FileFrame) -> tuple[int, bool]:
    """(line where another header begins, True), or (number of lines, False)."""
    for n in range(max(start, 1), len(lines)):
        if header_at(lines, n, layout):
            return n, True
    return len(lines), False
