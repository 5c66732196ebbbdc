"""How far each followed file was read, and by what it is known again: kept over restarts."""

import hashlib
import os
import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from edaphon.journal import Entry, EntryId, Journal, Kind, StateFile
from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.lines import mark_of, split_lines
from edaphon_drivers.outside import open_file
from edaphon_drivers.readings import Follows, Piece, unpack_piece

LARGEST_PIECE_BYTES = 1 << 23  # one JSON file of a season; more is no record of an instrument
_BLOCK_BYTES = 1 << 18
_DIGEST_BYTES = 8
_BATCH_ENTRIES = 4000
_MOST_FORMER = 32
_MOST_LOSSES = 20
_CHUNK_BYTES = 1 << 18
_BEGINNINGS = {Follows.BEGINS, Follows.CHANGED}
_OTHER = "other"  # a digest that no bytes have


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
class FilePlace:
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

    def behind(self, piece: Piece) -> "FilePlace":
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
        return FilePlace(
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

    def before_unended(self) -> "FilePlace":
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
    def of_json(cls, row: Sequence[Any]) -> "FilePlace":
        offset, header, line, copy, follows, blocks, unended, inside, stat = row
        place = cls(offset, header.encode("latin-1"), line, copy, Follows(follows))
        known = tuple(Block(*block) for block in blocks)
        at = Stat(*stat) if stat else None
        return replace(place, blocks=known, unended=int(unended), inside=inside, stat=at)


START = FilePlace()


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
    """Whether the first block and the last _BLOCK_BYTES that were read are still in a file."""
    ends = [0, *(block.end for block in blocks)]
    chosen = {0} if blocks else set()
    for at in reversed(range(len(blocks))):
        chosen.add(at)
        if ends[-1] - ends[at] >= _BLOCK_BYTES:
            break
    return all(_found_block(file, ends[at], blocks[at]) is not None for at in chosen)


def checked(file: BinaryIO, blocks: Sequence[Block]) -> tuple[Block, ...] | None:
    """None unless all that was read is still in a file; else the blocks, small ones joined."""
    joined: list[Block] = []
    start = 0
    for group in _groups(blocks):
        parts = []
        for block in group:
            if (data := _found_block(file, start, block)) is None:
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


def _found_block(file: BinaryIO, start: int, block: Block) -> bytes | None:
    """The bytes of a block, b"" of an unknown one; None where there are others."""
    if not block.digest:
        return b""
    data = read_at(file, start, block.end - start)
    if len(data) != block.end - start or Block.of(block.end, data) != block:
        return None
    return data


class FileLoss(NamedTuple):
    """Bytes of a file that were possibly not read; `behind` is where reading ended."""

    time_ns: int
    file: str
    behind: int
    at_least: int
    words: str

    def payload(self) -> bytes:
        """A note of the journal."""
        return orjson.dumps({"not_read": self._asdict()}, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def of_payload(cls, payload: bytes) -> "FileLoss | None":
        """None for another kind of note."""
        try:
            table = orjson.loads(payload)
            return cls(**table["not_read"])
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(slots=True)
class KnownFiles:
    """The place of each file by the name under which it is followed.

    `copies` counts the copies begun under each name. `former` are places of copies that no longer
    have their name: the file may turn up under another one.
    """

    places: dict[str, FilePlace] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    former: list[tuple[str, FilePlace]] = field(default_factory=list)
    losses: list[FileLoss] = field(default_factory=list)  # the latest
    lost: int = 0  # of all losses ever

    def place(self, name: str) -> FilePlace:
        return self.places.get(name, START)

    def copy_now(self) -> "KnownFiles":
        """What is known now; places never change, so that holding them is enough."""
        own = dict(self.places), dict(self.copies), list(self.former), list(self.losses)
        return KnownFiles(*own, self.lost)

    def copy_of(self, name: str, place: FilePlace) -> int:
        """The copy that a piece from this place on belongs to."""
        if place.follows in _BEGINNINGS:
            return self.copies.get(name, 0) + 1
        return place.copy

    def begin(self, name: str, follows: Follows) -> None:
        """What has the name from now on is read from its start."""
        self.retire(name)
        self.places[name] = replace(START, follows=follows)

    def elsewhere(self, gone: Container[str]) -> Iterator[tuple[str | int, str, FilePlace]]:
        """(where it is kept, name, place) of files that may turn up under another name.

        `gone` are the names that are no more. The newest come first.
        """
        for at in reversed(range(len(self.former))):
            yield at, *self.former[at]
        for name in reversed(self.places):
            if name in gone and self.places[name].offset:
                yield name, name, self.places[name]

    def adopt(self, name: str, where: str | int) -> None:
        """A file of `elsewhere` is found under this name: it is read on there."""
        place = self._pop(where)
        self.places[name] = replace(place, follows=Follows.BEGINS, copy=0)

    def learn(self, piece: Piece) -> None:
        """A piece was journalled; one that is known already changes nothing."""
        known = self.places.get(piece.name)
        if piece.follows in _BEGINNINGS:
            if piece.copy <= self.copies.get(piece.name, 0):
                return
            self.places[piece.name] = self._beginning(piece).behind(piece)
            self.copies[piece.name] = piece.copy
        elif known is None or known.is_before(piece):
            self.places[piece.name] = (known or START).behind(piece)
            self.copies[piece.name] = max(piece.copy, self.copies.get(piece.name, 0))

    def lose(self, loss: FileLoss) -> None:
        if loss not in self.losses:
            self.losses = [*self.losses, loss][-_MOST_LOSSES:]
            self.lost += 1

    def _beginning(self, piece: Piece) -> FilePlace:
        """The place from which a copy begins: within a file that was followed by another name."""
        known = self.place(piece.name)
        if piece.name in self.places and known.follows in _BEGINNINGS:
            return known
        self.retire(piece.name)
        if piece.line <= 1:
            return START
        for where, _, place in self.elsewhere(frozenset(self.places)):
            if piece.line in {place.line, place.line - place.unended}:
                return self._pop(where)
        return START

    def _pop(self, where: str | int) -> FilePlace:
        return self.former.pop(where)[1] if isinstance(where, int) else self.places.pop(where)

    def retire(self, name: str) -> None:
        """What stood under the name is known by its content alone from now on."""
        place = self.places.pop(name, START)
        if place.offset:
            self.former = [*self.former, (name, place)][-_MOST_FORMER:]

    def to_json(self) -> dict[str, Any]:
        return {
            "places": {name: place.to_json() for name, place in self.places.items()},
            "copies": dict(self.copies),
            "former": [[name, place.to_json()] for name, place in self.former],
            "losses": [list(loss) for loss in self.losses],
            "lost": self.lost,
        }

    @classmethod
    def of_json(cls, table: Mapping[str, Any]) -> "KnownFiles":
        return cls(
            {name: FilePlace.of_json(row) for name, row in table["places"].items()},
            dict(table["copies"]),
            [(name, FilePlace.of_json(row)) for name, row in table["former"]],
            [FileLoss(*row) for row in table["losses"]],
            table.get("lost", len(table["losses"])),
        )


class _Old(NamedTuple):
    """A place as version 1 kept it: the file was known by a digest of its first bytes."""

    offset: int
    header: bytes
    head: str | None  # None: it was not looked at


def load_known(path: str, key: str, journal: Journal, state: StateFile) -> KnownFiles:
    """What the state file says, brought up to date from the pieces behind the saved place."""
    saved: Any = state.get(key)
    if saved is None:  # a new source: nothing of it can be in the journal
        state.put(key, {"place": list(journal.last or (0, 0)), "known": KnownFiles().to_json()})
        return KnownFiles()
    old: dict[str, _Old] = {}
    if isinstance(saved, list):
        place, known = saved[0], KnownFiles()
        for name, (offset, header, head) in saved[1].items():
            old[name] = _Old(offset, header.encode("latin-1"), head)
    else:
        place, known = saved["place"], KnownFiles.of_json(saved["known"])
    for entry in _entries_behind(EntryId(*place), path, journal):
        _learn(known, old, entry)
    for name in list(old):
        _take_over(known, old, name)
    return known


def _learn(known: KnownFiles, old: dict[str, _Old], entry: Entry) -> None:
    if entry.kind == Kind.NOTE:
        if loss := FileLoss.of_payload(entry.payload):
            known.lose(loss)
        return
    try:
        piece = unpack_piece(entry.payload)
    except Garbled:
        return
    if piece.copy:
        _take_over(known, old, piece.name)
        known.learn(piece)
    else:
        old[piece.name] = _Old(piece.offset + len(piece.data), piece.header, None)


def _entries_behind(place: EntryId, path: str, journal: Journal) -> Iterator[Entry]:
    while batch := journal.after(place, _BATCH_ENTRIES):
        for _, entry in batch:
            if entry.source == path and entry.kind in {Kind.RECORD, Kind.NOTE}:
                yield entry
        place = batch[-1][0]


def _take_over(known: KnownFiles, old: dict[str, _Old], name: str) -> None:
    """A place of version 1 as one of today; what is in the file now shows what was read."""
    one = old.pop(name, None)
    if one is None or not one.offset:
        return
    known.copies[name] = 1
    try:
        with open_file(name, Path(name).parent) as file:
            known.places[name] = _read_so_far(file, one)
    except OSError:
        known.places[name] = _place_of(one, (Block(one.offset, ""),), 1)


def _read_so_far(file: BinaryIO, one: _Old) -> FilePlace:
    begin = read_at(file, 0, min(256, one.offset))
    head = hashlib.sha256(begin).hexdigest()[:16]
    if one.head not in {None, head} or mark_of(begin):  # UTF-16 was not understood: read again
        return _place_of(one, (Block(one.offset, _OTHER),), 1)
    blocks, lines, data, at = [], 0, b"", 0
    while at < one.offset:
        data = read_at(file, at, min(_CHUNK_BYTES, one.offset - at))
        if not data:
            return _place_of(one, (Block(one.offset, _OTHER),), 1)
        at, lines = at + len(data), lines + data.count(b"\n")
        blocks.append(Block.of(at, data))
    last = data[data.rfind(b"\n") + 1 :]
    if not last or len(last) == len(data):
        return _place_of(one, tuple(blocks), lines + 1)
    parts = (Block.of(at - len(last), data[: -len(last)]), Block.of(at, last))
    return replace(_place_of(one, (*blocks[:-1], *parts), lines + 2), unended=1)


def _place_of(one: _Old, blocks: tuple[Block, ...], line: int) -> FilePlace:
    return FilePlace(one.offset, one.header, line, 1, Follows.ON, blocks)


class ImportProgress(NamedTuple):
    """How many bytes of a file were handed to the journal, and how many of these are derived."""

    file: str
    size_bytes: int
    taken_bytes: int
    derived_bytes: int
    done: bool


class Imports:
    """The files of one source besides those that it follows; the list is kept over a restart."""

    def __init__(self, path: str, state: StateFile) -> None:
        self._key, self._state = f"imports {path}", state
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Those that are taken already stay: a person may add to a file, or ask how far it is."""
        return list(self._state.get(self._key, []))

    def add(self, name: str) -> None:
        with self._lock:
            self._state.put(self._key, list(dict.fromkeys([*self.names, name])))

    def remove(self, name: str) -> None:
        with self._lock:
            self._state.put(self._key, [one for one in self.names if one != name])
