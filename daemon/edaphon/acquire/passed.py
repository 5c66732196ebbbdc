"""What stands in a followed file and is no text: it is passed by, and declared with its hash.

Runs of NUL bytes, such as the holes of sparse files; bytes in which next to no line is text; and
the rest of a line that is longer than a piece may be. None of it can hold a row. A piece without
data keeps the place behind it in the journal.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from errno import ENXIO
from typing import BinaryIO, NamedTuple

from edaphon.acquire.followed import read_at
from edaphon_drivers.payloads import Piece

__all__ = ["PASS_BYTES", "Passed", "Region", "holds_text", "nul_end", "region"]

PASS_BYTES = 1 << 22  # of a long line, at once
_CHUNK_BYTES = 1 << 20
_LEAST_BYTES = 1 << 15  # less is kept, whatever it is
_LEAST_TEXT = 0.01  # of the bytes, in lines without a control character
_TEXT_LINE = re.compile(rb"^[^\x00-\x08\n\x0e-\x1f]+$", re.MULTILINE)
_SAMPLE_BYTES = 64


class Passed(NamedTuple):
    """The bytes of a file from `start` to the offset of the piece that stands for them."""

    start: int
    piece: Piece
    why: str


class Region(NamedTuple):
    """What a region of a file holds: its SHA-256, its first bytes, and how much is in holes."""

    sha256: str
    sample: bytes
    hole_bytes: int


def holds_text(data: bytes, mark: bytes) -> bool:
    """Whether some of the lines may be rows; a few bytes, and UTF-16, are not judged."""
    if mark or len(data) < _LEAST_BYTES:
        return True
    text = sum(len(found.group()) for found in _TEXT_LINE.finditer(data))
    return text >= _LEAST_TEXT * len(data)


def nul_end(file: BinaryIO, start: int, size: int) -> int:
    """Where the NUL bytes from `start` on end; holes are not read."""
    at = start
    while at < size:
        at = min(size, _data_from(file, at, size))
        chunk = read_at(file, at, min(_CHUNK_BYTES, size - at))
        nuls = len(chunk) - len(chunk.lstrip(b"\0"))
        at += nuls
        if nuls < len(chunk) or not chunk:
            break
    return at


def region(file: BinaryIO, start: int, end: int) -> Region:
    """Holes are hashed as the words `hole of N bytes`, all else as it is."""
    digest, holes, sample = hashlib.sha256(), 0, b""
    for at, chunk in _chunks(file, start, end):
        if isinstance(chunk, int):
            holes += chunk
            digest.update(b"hole of %d bytes" % chunk)
        else:
            sample = sample or (chunk[:_SAMPLE_BYTES] if at == start else b"")
            digest.update(chunk)
    return Region(digest.hexdigest(), sample, holes)


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes | int]]:
    """(place, bytes), or (place, length) of a hole."""
    at = start
    while at < end:
        behind = min(end, _data_from(file, at, end))
        if behind > at:
            yield at, behind - at
        chunk = read_at(file, behind, min(_CHUNK_BYTES, end - behind))
        if chunk:
            yield behind, chunk
        elif behind < end:  # the file was cut meanwhile
            return
        at = behind + len(chunk)


def _data_from(file: BinaryIO, at: int, size: int) -> int:
    """Where the next bytes are that were written; `at` on a file system that knows no holes."""
    try:
        return os.lseek(file.fileno(), at, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == ENXIO else at
