"""How far a growing file can be journalled now: whole records only, each piece with its header."""

from enum import IntEnum
from typing import NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.forms import INCOMPLETE, header_at, is_tail
from edaphon_drivers.files.frame import Layout
from edaphon_drivers.files.li8200 import parse_json
from edaphon_drivers.files.text import line_end, mark_of, split_lines, text_of_line

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
    layout: Layout,
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
    raw: list[bytes], last_bytes: int, rest: Rest, layout: Layout, headed: bool, mark: bytes
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


def _next_header(lines: list[str], start: int, layout: Layout) -> tuple[int, bool]:
    """(line where another header begins, True), or (number of lines, False)."""
    for n in range(max(start, 1), len(lines)):
        if header_at(lines, n, layout):
            return n, True
    return len(lines), False
