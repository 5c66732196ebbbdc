"""The lines of a piece: their encoding, what ends them, and the bytes of each as they came."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from edaphon_drivers.files.lines import TEXT_BYTES
from edaphon_drivers.payloads import Piece

__all__ = ["Lines", "PieceLines", "decoded_line", "lines_of_piece", "split_piece"]

_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_BOM = "\ufeff"
_UTF_8_BOM = codecs.BOM_UTF8
# A power cut leaves NUL bytes, DOS programs Ctrl-Z at the end, printers form feeds, joined files a
# byte order mark in the middle: none of them belongs to the row beside it.
_EDGES = "\x00\x0c\x1a\r\ufeff"


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


def lines_of_piece(piece: Piece) -> int:
    """How many lines the account of a piece holds: those of its data, and a header before them."""
    split = split_piece(piece)
    return split.counted + len(split.own.texts)


def split_piece(piece: Piece) -> PieceLines:
    """A line ends at LF or CRLF, at CR in text without LF; the last one may have no end.

    UTF-16 is known by its mark at the beginning of the header, or of a file without one.
    """
    header = b"" if not piece.copy and piece.data.startswith(piece.header) else piece.header
    beginning = piece.header or (b"" if piece.offset else piece.data)
    encoding = _UTF_16.get(beginning[:2])
    above, own = _as_utf_8(header, encoding), _as_utf_8(piece.data, encoding)
    headed = piece.headed if piece.copy else bool(header) and piece.offset == len(header)
    end = _end(above + own if headed else own)
    above_lines = _lines(above.removeprefix(_UTF_8_BOM), end if headed else _end(above))
    return PieceLines(
        above=above_lines,
        own=_lines(own, end),
        counted=len(above_lines.texts) if headed else 0,
        fresh=headed or piece.offset == 0 or header != piece.header,
    )


def _end(data: bytes) -> bytes:
    return b"\r" if b"\r" in data and b"\n" not in data else b"\n"


def decoded_line(line: bytes) -> str:
    """UTF-8 where it is, else Latin-1."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _as_utf_8(data: bytes, encoding: str | None) -> bytes:
    return data.decode(encoding, "replace").encode() if encoding else data


def _lines(data: bytes, end: bytes) -> Lines:
    try:
        texts = data.decode().split(end.decode())
    except UnicodeDecodeError:  # one odd line spoils no other
        texts = [decoded_line(line) for line in data.split(end)]
    if not texts[-1]:
        texts.pop()
    if any(byte in data for byte in (b"\x00", b"\x0c", b"\x1a", _UTF_8_BOM)):
        texts = [_cleaned(text) for text in texts]
    elif b"\r" in data and end == b"\n":
        texts = [text.rstrip("\r") for text in texts]
    return Lines(texts, data, end)


def _cleaned(text: str) -> str:
    """Without what stands at its edges; a line of NUL bytes alone stays one NUL."""
    bare = text.strip(_EDGES)
    return bare if bare or "\x00" not in text else "\x00"
