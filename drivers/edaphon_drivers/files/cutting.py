"""How far a growing file can be journalled now: whole records only, each piece with its header."""

from typing import NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.forms import INCOMPLETE, header_at, is_tail
from edaphon_drivers.files.frame import Layout
from edaphon_drivers.files.li8200 import parse_json
from edaphon_drivers.files.rows import text_of

__all__ = ["PIECE_BYTES", "Cut", "cut_json", "cut_lines"]

PIECE_BYTES = 65536
_NAMED = {"table", "heard"}  # a line of names is recognised wherever it comes


class Cut(NamedTuple):
    """What can be journalled of the bytes that were given.

    The first `header_bytes` are a header: it explains all that follows, in this piece and in later
    ones, until another cut gives one. 0 says that the last header holds on; before the first, b"".
    The first `whole` bytes, header included, are whole records; 0 says wait.
    """

    header_bytes: int
    whole: int


_WAIT = Cut(0, 0)


def cut_json(data: bytes) -> Cut:
    """The whole file as soon as it parses."""
    try:
        parse_json(data)
    except Garbled:
        return _WAIT
    return Cut(0, len(data))


def cut_lines(data: bytes, layout: Layout, ended: bool, headed_before: bool = False) -> Cut:
    """Up to the next header, or PIECE_BYTES; what an .81x says below its rows stays together."""
    window = data[:PIECE_BYTES]
    complete = ended and len(window) == len(data)
    raw = _split(window)
    if raw and not raw[-1].endswith(b"\n") and not complete:
        raw.pop()
    if not raw:
        return Cut(0, len(window)) if len(data) > len(window) else _WAIT
    lines = [text_of(line).rstrip("\r\n") for line in raw]
    headed = header_at(lines, 0, layout, headed_before)
    if headed == INCOMPLETE and not (complete and layout.form in _NAMED):
        return _WAIT
    headed = max(headed, 0)
    end, closed = _next_header(lines, headed, layout)
    if not closed and not complete:
        end = next((n for n in range(headed, end) if is_tail(lines[n], layout)), end)
        if end == headed:
            return _WAIT
    return Cut(sum(map(len, raw[:headed])), sum(map(len, raw[:end])))


def _split(window: bytes) -> list[bytes]:
    """At line feeds alone: a carriage return may stand inside a line."""
    parts = window.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]


def _next_header(lines: list[str], start: int, layout: Layout) -> tuple[int, bool]:
    """(line where another header begins, True), or (number of lines, False)."""
    for n in range(max(start, 1), len(lines)):
        if header_at(lines, n, layout):
            return n, True
    return len(lines), False
