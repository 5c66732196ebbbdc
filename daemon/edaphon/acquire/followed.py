"""How far a followed file was read, and by what it is known again: digests of all that was read."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, BinaryIO, NamedTuple

from edaphon_drivers.files.lines import mark_of, split_lines
from edaphon_drivers.payloads import Follows, Piece

__all__ = [
    "LARGEST_PIECE_BYTES",
    "START",
    "Block",
    "FileView",
    "Place",
    "Stat",
    "begins_alike",
    "checked",
    "read_at",
]

LARGEST_PIECE_BYTES = 1 << 23  # one JSON file of a season; more is no record of an instrument
_BLOCK_BYTES = 1 << 18
_DIGEST_BYTES = 8


class Stat(NamedTuple):
    """What the system says of a file without opening it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Stat":
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def is_file_of(self, other: "Stat | None") -> bool:
        """Whether both name one file; another answer may come from a file system without inodes."""
        return other is not None and self[:2] == other[:2]


class FileView(NamedTuple):
    """A followed file for people.

    `size` and `offset` are bytes; `taken_ns` is the wall time when a last line without its end is
    taken, None where that was or nothing waits; `gone`: no file has this name now.
    """

    name: str
    copy: int
    lines: int
    offset: int
    size: int
    taken_ns: int | None
    gone: bool


class Block(NamedTuple):
    """Bytes that were read, from the end of the block before; an unknown digest is ""."""

    end: int
    digest: str

    @classmethod
    def of(cls, end: int, data: bytes) -> "Block":
        return cls(end, blake2b(data, digest_size=_DIGEST_BYTES).hexdigest())


@dataclass(frozen=True, slots=True)
class Place:
    """How far a copy of a file was read, and what is needed to go on and to know it again.

    `header` explains what comes next; `line` is the number of the next line. `follows` is what the
    next piece will say. `unended`: so many lines, those of the last block, are read again: the last
    one, or all of a header, had no end. `inside`: the offset
    lies within a line longer than LARGEST_PIECE_BYTES. `stat` is as of the last look.
    """

    offset: int = 0
    header: bytes = b""
    line: int = 1
    copy: int = 0
    follows: Follows = Follows.BEGINS
    blocks: tuple[Block, ...] = ()
    unended: int = 0
    inside: bool = False
    stat: Stat | None = None

    def behind(self, piece: Piece) -> "Place":
        """The place after a piece that goes on from this one, or repeats its last line."""
        own = _own_header(piece)
        start, end = piece.offset - len(own), piece.offset + len(piece.data)
        body = own + piece.data
        long = piece.lines == 0 or len(body) >= LARGEST_PIECE_BYTES
        kept = tuple(block for block in self.blocks if block.end <= start)
        if start > (kept[-1].end if kept else 0):
            kept += (Block(start, ""),)
        unended = piece.unended and not long
        again = 1 if piece.data else piece.lines
        return Place(
            offset=end,
            header=piece.header,
            line=piece.line + piece.lines,
            copy=piece.copy,
            follows=Follows.ON,
            blocks=kept + _blocks(start, body, piece, unended),
            unended=again if unended else 0,
            inside=piece.unended and long,
            stat=self.stat,
        )

    def is_before(self, piece: Piece) -> bool:
        """Whether a piece goes on with this copy, and was not counted in yet."""
        return self.copy == piece.copy and piece.offset + len(piece.data) > self.offset

    def before_unended(self) -> "Place":
        """Where the last line, or a header, which had no end, is read again."""
        start = self.blocks[-2].end if len(self.blocks) > 1 else 0
        follows = Follows.AGAIN if self.follows is Follows.ON else self.follows
        header, line = self.header if start else b"", self.line - self.unended
        return replace(self, offset=start, header=header, line=line, follows=follows, unended=0)

    def to_json(self) -> list[Any]:
        return [
            self.offset,
            self.header.decode("latin-1"),
            self.line,
            self.copy,
            int(self.follows),
            [list(block) for block in self.blocks],
            self.unended,
            self.inside,
            self.stat and list(self.stat),
        ]

    @classmethod
    def of_json(cls, row: Sequence[Any]) -> "Place":
        offset, header, line, copy, follows, blocks, unended, inside, stat = row
        return cls(
            offset,
            header.encode("latin-1"),
            line,
            copy,
            Follows(follows),
            tuple(Block(*block) for block in blocks),
            int(unended),
            inside,
            Stat(*stat) if stat else None,
        )


START = Place()


def _own_header(piece: Piece) -> bytes:
    """The bytes of the file directly before the data that the piece covers too."""
    mark = mark_of(piece.header)
    if piece.offset == len(piece.header) and (piece.headed or piece.header == mark):
        return piece.header  # at the start of the file
    return piece.header[len(mark) :] if piece.headed else b""


def _blocks(start: int, body: bytes, piece: Piece, unended: bool) -> tuple[Block, ...]:
    """One block, and one more for a last line without an end; a header is one whole."""
    end = start + len(body)
    if not unended:
        return (Block.of(end, body),) if body else ()
    last = len(_last_line(piece)) if piece.data else len(body)
    whole = body[: len(body) - last]
    first = (Block.of(end - last, whole),) if whole else ()
    return (*first, Block.of(end, body[len(body) - last :]))


def _last_line(piece: Piece) -> bytes:
    """That of a piece that ends with a line without an end, of which it may be all."""
    mark = mark_of(piece.header)
    above = split_lines(piece.header.removeprefix(mark), mark) if piece.headed else ()
    if piece.lines - len(above) == 1:
        return piece.data
    return split_lines(piece.data, mark)[-1]


def read_at(file: BinaryIO, at: int, length: int) -> bytes:
    """The bytes there, as the file is now; fewer only at its end."""
    parts = []
    while length > 0 and (part := os.pread(file.fileno(), length, at)):
        parts.append(part)
        at, length = at + len(part), length - len(part)
    return b"".join(parts)


def begins_alike(file: BinaryIO, blocks: Sequence[Block]) -> bool:
    """Whether the first block and the last _BLOCK_BYTES that were read still stand in a file."""
    ends = [0, *(block.end for block in blocks)]
    chosen = {0} if blocks else set()
    for at in reversed(range(len(blocks))):
        chosen.add(at)
        if ends[-1] - ends[at] >= _BLOCK_BYTES:
            break
    return all(_stands(file, ends[at], blocks[at]) is not None for at in chosen)


def checked(file: BinaryIO, blocks: Sequence[Block]) -> tuple[Block, ...] | None:
    """None unless all that was read still stands in a file; else the blocks, small ones joined."""
    joined: list[Block] = []
    start = 0
    for group in _groups(blocks):
        parts = []
        for block in group:
            if (data := _stands(file, start, block)) is None:
                return None
            parts.append(data)
            start = block.end
        joined.append(group[0] if len(group) == 1 else Block.of(start, b"".join(parts)))
    return tuple(joined)


def _groups(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Runs of at most _BLOCK_BYTES; the last block is apart: it may be a line without an end."""
    group: list[Block] = []
    start = end = 0
    for at, block in enumerate(blocks):
        last = at == len(blocks) - 1
        if group and (last or not block.digest or block.end - start > _BLOCK_BYTES):
            yield group
            group, start = [], end
        group.append(block)
        end = block.end
        if not block.digest:
            yield group
            group, start = [], end
    if group:
        yield group


def _stands(file: BinaryIO, start: int, block: Block) -> bytes | None:
    """The bytes of a block, b"" of an unknown one; None where others stand."""
    if not block.digest:
        return b""
    data = read_at(file, start, block.end - start)
    if len(data) != block.end - start or Block.of(block.end, data) != block:
        return None
    return data
