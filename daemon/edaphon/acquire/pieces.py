"""The next piece of a followed file from a place on: whole records, lines counted, header added."""

from dataclasses import replace
from typing import BinaryIO

from edaphon.acquire.followed import LARGEST_PIECE_BYTES, START, Place, read_at
from edaphon.acquire.passed import PASS_BYTES, Passed, holds_text, nul_end
from edaphon_drivers.files import engine as files
from edaphon_drivers.files.cutting import Cut, Rest
from edaphon_drivers.files.lines import last_character, line_end, mark_of, split_lines
from edaphon_drivers.payloads import Follows, Piece
from edaphon_drivers.sheets import Sheet

__all__ = ["next_piece", "reading_place"]

SLICE_BYTES = 1 << 18
NULS = Cut(0, 0)  # there is nothing else in a slice


def reading_place(place: Place, size: int, sheet: Sheet) -> Place | None:
    """Where a file of that size is read on, None where nothing new can stand in it.

    A file that is one record is read as a whole again; a last line, or a header, without its end
    is repeated.
    """
    if size == place.offset:
        return None
    if place.offset and not place.inside and files.is_one_record(sheet):
        return replace(START, follows=Follows.CHANGED)
    return place.before_unended() if place.unended else place


def next_piece(
    file: BinaryIO, name: str, place: Place, copy: int, size: int, rest: Rest, sheet: Sheet
) -> Piece | Passed | None:
    """None while nothing more of the first `size` bytes is whole."""
    data, cut = _read(file, place, size, rest, sheet)
    if cut is NULS:
        end = nul_end(file, place.offset, size)
        end -= (end - place.offset) % len(mark_of(place.header) or b"1")
        # At the end of a file they are room that a program took ahead.
        return _passed(place, name, copy, end, "NUL bytes") if end < size else None
    if not cut.whole:
        return None
    end = place.offset + cut.whole
    if place.inside:
        why = "the rest of a line that is too long"
        return _passed(place, name, copy, end, why, cut.last_bytes > 0)
    mark = mark_of(data) if not place.offset else mark_of(place.header)
    header = data[: cut.header_bytes]
    if not header and not files.is_one_record(sheet) and not holds_text(data[: cut.whole], mark):
        return _passed(place, name, copy, end, "no text")
    if header and place.offset:
        header = mark + header
    return Piece(
        name,
        place.offset + cut.header_bytes,
        header or place.header,
        data[cut.header_bytes : cut.whole],
        place.line,
        cut.lines,
        copy,
        place.follows,
        cut.header_lines > 0,
        cut.last_bytes > 0,
    )


def _passed(
    place: Place, name: str, copy: int, end: int, why: str, unended: bool = False
) -> Passed:
    """A piece without data keeps the place; `unended`: it lies within a line that goes on."""
    line, header = place.line, place.header
    piece = Piece(name, end, header, b"", line, 0, copy, place.follows, False, unended)
    return Passed(place.offset, piece, why)


def _read(file: BinaryIO, place: Place, size: int, rest: Rest, sheet: Sheet) -> tuple[bytes, Cut]:
    """Bytes from the place on, and how many of them are whole records."""
    mark = mark_of(place.header) if place.offset else None
    headed = len(place.header) > len(mark or b"")
    before = _character_before(file, place.offset, mark or b"")
    length = PASS_BYTES if place.inside else SLICE_BYTES
    while True:
        data = read_at(file, place.offset, min(length, size - place.offset))
        last = place.offset + len(data) >= size or len(data) < length
        if place.inside:
            return data, _rest_of_long(data, mark or b"", rest if last else Rest.ENDED, sheet)
        if len(data) == SLICE_BYTES and not data.strip(b"\0"):
            return data, NULS
        cut = files.cut(data, sheet, rest if last else Rest.GROWING, headed, mark, before)
        if cut.whole or last:
            return data, cut
        if length >= LARGEST_PIECE_BYTES:
            return data, _long(data, place)
        length *= 2


def _character_before(file: BinaryIO, offset: int, mark: bytes) -> str:
    """The one that ended the line before, "" at the start of a file."""
    size = len(mark) or 1
    if offset <= len(mark):
        return ""
    return last_character(read_at(file, offset - size, size), mark)


def _long(data: bytes, place: Place) -> Cut:
    """No record is so long: its start is kept as it is, its line counted once."""
    mark = b"" if place.offset else mark_of(data)
    lines = split_lines(data[len(mark) :], mark or mark_of(place.header))
    return Cut(len(mark), len(data), len(lines), 0, len(lines[-1]))


def _rest_of_long(data: bytes, mark: bytes, rest: Rest, sheet: Sheet) -> Cut:
    """What goes on with a line that was counted: up to its end."""
    if not files.is_one_record(sheet):
        first = split_lines(data, mark)[:1]
        if line_end(first, mark) == ("\n", True):
            return Cut(0, len(first[0]))
    return Cut(0, len(data), last_bytes=len(data)) if rest >= Rest.RESTED else Cut(0, 0)
