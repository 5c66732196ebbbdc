"""The lines of files and of their pieces: encodings, line ends, texts, and the account of each.

A line ends at LF or CRLF, at CR where the bytes hold a CR and no LF; the last one may have no end.
What ended the line before decides where the bytes alone don't: LF stays LF, and a CR with nothing
behind it is an end only below lines that ended so, for its LF may be on the way.
UTF-16 is read where its byte order mark is at the start of the file, in units of two bytes; any
other text is UTF-8, or Latin-1 where it is not UTF-8. NUL bytes end no line. The account says of
each line what it is: a row, a header, blank, or refused with its reason.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edaphon_drivers.readings import Piece, Reading

TEXT_BYTES = 80


class RefusedLine(NamedTuple):
    """A line that is no row; `line` is its number in the file, or in the piece of version 1."""

    line: int
    reason: str
    text: bytes  # its first TEXT_BYTES bytes


class LineCounts(NamedTuple):
    """How many lines were what.

    Rows that `only` leaves out are rows. Headers are also comments, lines of names or units above
    the rows, and what an .81x writes between and below its rows. A line of separators is blank.
    """

    rows: int = 0
    headers: int = 0
    blank: int = 0
    refused: int = 0

    @property
    def lines(self) -> int:
        return sum(self)


class Context(NamedTuple):
    """What the lines before decide about the next one; `FIRST` at the start of a file.

    `stamp` is the text of the last row's time and `same` how many rows in a row had it; `local_ns`
    is that time as the file says it, `later` whether it was the second pass of a doubled hour, and
    `year` the year of a file that says none. `width` is how many cells a row has where neither
    names nor sheet say it. `begun_ns` is where elapsed time was 0, or an observation of an .81x
    began, `ended_ns` where that ended [UTC]. `fresh`: no row came yet below the last header, None
    where no line says it.
    """

    stamp: str = ""
    same: int = 0
    local_ns: int | None = None
    later: bool = False
    year: int | None = None
    width: int | None = None
    begun_ns: int | None = None
    ended_ns: int | None = None
    fresh: bool | None = None

    def to_json(self) -> list[Any]:
        return list(self)

    @classmethod
    def of_json(cls, row: list[Any]) -> "Context":
        return cls(*row)


FIRST = Context()


class Slice(NamedTuple):
    """The next lines of a piece: what they say, what they are, and the context of what follows.

    `refused` holds each refused line, so as many as `counts.refused`.
    """

    readings: tuple[Reading, ...]
    counts: LineCounts
    refused: tuple[RefusedLine, ...]
    context: Context


SLICE_READINGS = 4000


@dataclass(slots=True)
class Account:
    """What the lines of the next slice say and are; `context` is that of the line after them."""

    context: Context
    readings: list[Reading] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)
    rows: int = 0
    headers: int = 0
    blank: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.readings) + len(self.refused) >= SLICE_READINGS

    def cut(self) -> Slice:
        """What was collected since the last cut."""
        counts = LineCounts(self.rows, self.headers, self.blank, len(self.refused))
        found = Slice(tuple(self.readings), counts, tuple(self.refused), self.context)
        self.readings, self.refused = [], []
        self.rows = self.headers = self.blank = 0
        return found


_CODECS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF_8_BOM = codecs.BOM_UTF8
# A power cut leaves NUL bytes, DOS programs Ctrl-Z at the end, printers form feeds, joined files a
# byte order mark in the middle: none of them belongs to the row where it stands.
_EDGES = "\x00\x0c\x1a\r\ufeff"


def mark_of(start: bytes) -> bytes:
    """The byte order mark of UTF-16 at the start of a file or of a piece's header, else b""."""
    return start[:2] if start[:2] in _CODECS else b""


def split_lines(data: bytes, mark: bytes = b"", before: str = "") -> list[bytes]:
    """The lines with their ends; `data` is without the mark, which says how it is encoded.

    `before` is the character that ended the line before, "" at the start of a file.
    """
    if not mark:
        return _split(data, before)
    even = len(data) // 2 * 2
    text = data[:even].decode(_CODECS[mark], "surrogatepass").encode("utf-8", "surrogatepass")
    lines = [
        line.decode("utf-8", "surrogatepass").encode(_CODECS[mark], "surrogatepass")
        for line in _split(text, before)
    ]
    if even == len(data):
        return lines
    if lines and not line_end(lines, mark, before)[1]:
        lines[-1] += data[even:]
        return lines
    return [*lines, data[even:]]


def line_end(lines: Sequence[bytes], mark: bytes = b"", before: str = "") -> tuple[str, bool]:
    """(LF, CR or "": what ends these lines of `split_lines`, whether the last one has its end)."""
    first, last = (last_character(lines[at], mark) if lines else "" for at in (0, -1))
    feed = first if first in {"\n", "\r"} else ""
    if feed == "\r" and len(lines) == 1 and before != "\r":
        feed = ""
    return feed, bool(feed) and last == feed


def last_character(data: bytes, mark: bytes = b"") -> str:
    """That of a line, or of what was read; "" where half a unit stands at the end."""
    if not mark:
        return data[-1:].decode("latin-1")
    return "" if len(data) % 2 else data[-2:].decode(_CODECS[mark], "replace")


def text_of_line(line: bytes, mark: bytes = b"") -> str:
    """The text of a line without its end and what stands at its edges."""
    return _cleaned(_decoded(_as_utf_8(line, mark)).removesuffix("\n"))


@dataclass(slots=True)
class Lines:
    """Texts without their ends, and the bytes that they were (those of UTF-16 as UTF-8)."""

    texts: Sequence[str]
    data: bytes
    end: bytes
    _parts: Sequence[bytes] = ()

    def start_of(self, at: int) -> bytes:
        """The first bytes of a line; parted only where a line is refused."""
        self._parts = self._parts or self.data.split(self.end)
        return self._parts[at].rstrip(b"\r")[:TEXT_BYTES]

    def bytes_of(self, at: int) -> bytes:
        """A line without what stands at its edges."""
        self._parts = self._parts or self.data.split(self.end)
        return self._parts[at].removeprefix(_UTF_8_BOM).strip(b"\x00\x0c\x1a\r\n")


@dataclass(frozen=True, slots=True)
class PieceLines:
    """The lines above a piece and its own; `counted` of those above belong to its account.

    `fresh`: the first row of the file, or below a header, is still to come.
    """

    above: Lines
    own: Lines
    counted: int
    fresh: bool


def split_piece(piece: Piece) -> PieceLines:
    """The lines of a piece and of the header that explains it.

    UTF-16 is known by its mark at the beginning of the header, or of a file without one.
    """
    header = b"" if not piece.copy and piece.data.startswith(piece.header) else piece.header
    mark = mark_of(piece.header or (b"" if piece.offset else piece.data))
    above, own = _as_utf_8(header, mark), _as_utf_8(piece.data, mark)
    headed = piece.headed if piece.copy else bool(header) and piece.offset == len(header)
    end = b"\n" if piece.copy and piece.lines == 1 else _end(above + own if headed else own)
    above_lines = _lines(above.removeprefix(_UTF_8_BOM), end if headed else _end(above))
    counted = len(above_lines.texts) if headed else 0
    if piece.copy and piece.lines - counted == 1:
        end = b"\n"  # a CR in a line of a file whose lines end at LF
    return PieceLines(
        above=above_lines,
        own=_lines(own, end),
        counted=counted,
        fresh=headed or piece.offset == len(mark if header else b"") or header != piece.header,
    )


def _end(data: bytes) -> bytes:
    return b"\r" if b"\r" in data and b"\n" not in data else b"\n"


def _split(data: bytes, before: str) -> list[bytes]:
    end = b"\n" if before == "\n" else _end(data)
    *parts, last = data.split(end)
    return [part + end for part in parts] + ([last] if last else [])


def _as_utf_8(data: bytes, mark: bytes) -> bytes:
    return data.decode(_CODECS[mark], "replace").encode() if mark else data


def _lines(data: bytes, end: bytes) -> Lines:
    """All at once where it is UTF-8; one odd line spoils no other."""
    try:
        texts = data.decode().split(end.decode())
    except UnicodeDecodeError:
        texts = [_decoded(line) for line in data.split(end)]
    if not texts[-1]:
        texts.pop()
    if any(byte in data for byte in (b"\x00", b"\x0c", b"\x1a", _UTF_8_BOM)):
        texts = [_cleaned(text) for text in texts]
    elif b"\r" in data and end == b"\n":
        texts = [text.strip("\r") for text in texts]
    return Lines(texts, data, end)


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.removeprefix(_UTF_8_BOM).decode("latin-1")


def _cleaned(text: str) -> str:
    """Without what stands at its edges; a line of NUL bytes alone stays one NUL."""
    bare = text.strip(_EDGES)
    return bare if bare or "\x00" not in text else "\x00"
