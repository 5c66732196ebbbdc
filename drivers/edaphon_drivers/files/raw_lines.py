"""How the bytes of a file are lines: byte order marks, line ends, and the text of a line.

A line ends at LF (a CR before it belongs to the end), or at CR where the bytes hold a CR and no LF.
The last line may have no end. UTF-16 is read where its byte order mark stands at the start of the
file, in units of two bytes; any other text is UTF-8, or Latin-1 where it is not UTF-8. NUL bytes
end no line.
"""

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["line_end", "mark_of", "split_lines", "text_of_line"]

_CODECS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_Text = TypeVar("_Text", str, bytes)


def mark_of(start: bytes) -> bytes:
    """The byte order mark of UTF-16 at the start of a file or of a piece's header, else b""."""
    return start[:2] if start[:2] in _CODECS else b""


def split_lines(data: bytes, mark: bytes = b"") -> list[bytes]:
    """The lines with their ends; `data` is without the mark, which says how it is encoded."""
    if not mark:
        return _split(data, b"\n", b"\r")
    even = len(data) // 2 * 2
    codec = _CODECS[mark]
    text = data[:even].decode(codec, "surrogatepass")
    lines = [line.encode(codec, "surrogatepass") for line in _split(text, "\n", "\r")]
    if even == len(data):
        return lines
    if lines and not line_end(lines, mark)[1]:
        lines[-1] += data[even:]
        return lines
    return [*lines, data[even:]]


def line_end(lines: Sequence[bytes], mark: bytes = b"") -> tuple[str, bool]:
    """(LF, CR or "": what ends these lines of `split_lines`, whether the last one has its end)."""
    first, last = (_last_character(lines[at], mark) if lines else "" for at in (0, -1))
    feed = first if first in {"\n", "\r"} else ""
    return feed, bool(feed) and last == feed


def text_of_line(line: bytes, mark: bytes = b"") -> str:
    """The text of a line without its end and without a byte order mark."""
    if mark:
        text = line.decode(_CODECS[mark], "replace")
    else:
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = line.decode("latin-1").removeprefix("\xef\xbb\xbf")
    return text.rstrip("\r\n")


def _last_character(line: bytes, mark: bytes) -> str:
    """ "" where half a unit stands at the end."""
    if not mark:
        return line[-1:].decode("latin-1")
    return "" if len(line) % 2 else line[-2:].decode(_CODECS[mark], "replace")


def _split(data: _Text, feed: _Text, carriage: _Text) -> list[_Text]:
    end = carriage if carriage in data and feed not in data else feed
    parts = data.split(end)
    last = parts.pop()
    return [part + end for part in parts] + ([last] if last else [])
