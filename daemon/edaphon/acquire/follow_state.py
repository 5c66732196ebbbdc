"""What a follower knows of all its files, kept over restarts and brought up to date by pieces."""

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from edaphon.acquire.followed import START, Block, Place, read_at
from edaphon.journal import Entry, Journal, Kind, StateFile
from edaphon.model import EntryId
from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.lines import mark_of
from edaphon_drivers.outside import open_file
from edaphon_drivers.payloads import Follows, Piece, unpack_piece

__all__ = ["Known", "Loss", "load_known"]

_BATCH = 4000
_MOST_FORMER = 32
_MOST_LOSSES = 20
_CHUNK_BYTES = 1 << 18
_BEGINNINGS = {Follows.BEGINS, Follows.CHANGED}
_OTHER = "other"  # a digest that no bytes have


class Loss(NamedTuple):
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
    def of_payload(cls, payload: bytes) -> "Loss | None":
        """None for another kind of note."""
        try:
            table = orjson.loads(payload)
            return cls(**table["not_read"])
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(slots=True)
class Known:
    """The place of each file by the name under which it is followed.

    `copies` counts the copies begun under each name. `former` are places of copies that no longer
    stand under their name: the file may turn up under another one.
    """

    places: dict[str, Place] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    former: list[tuple[str, Place]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)  # the latest
    lost: int = 0  # of all losses ever

    def place(self, name: str) -> Place:
        return self.places.get(name, START)

    def copy_now(self) -> "Known":
        """What is known now; places never change, so that holding them is enough."""
        return Known(
            dict(self.places), dict(self.copies), list(self.former), list(self.losses), self.lost
        )

    def copy_of(self, name: str, place: Place) -> int:
        """The copy that a piece from this place on belongs to."""
        if place.follows in _BEGINNINGS:
            return self.copies.get(name, 0) + 1
        return place.copy

    def begin(self, name: str, follows: Follows) -> None:
        """What stands under the name from now on is read from its start."""
        self.retire(name)
        self.places[name] = replace(START, follows=follows)

    def elsewhere(self, gone: Container[str]) -> Iterator[tuple[str | int, str, Place]]:
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

    def lose(self, loss: Loss) -> None:
        if loss not in self.losses:
            self.losses = [*self.losses, loss][-_MOST_LOSSES:]
            self.lost += 1

    def _beginning(self, piece: Piece) -> Place:
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

    def _pop(self, where: str | int) -> Place:
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
    def of_json(cls, table: Mapping[str, Any]) -> "Known":
        return cls(
            {name: Place.of_json(row) for name, row in table["places"].items()},
            dict(table["copies"]),
            [(name, Place.of_json(row)) for name, row in table["former"]],
            [Loss(*row) for row in table["losses"]],
            table.get("lost", len(table["losses"])),
        )


class _Old(NamedTuple):
    """A place as version 1 kept it: the file was known by a digest of its first bytes."""

    offset: int
    header: bytes
    head: str | None  # None: it was not looked at


def load_known(path: str, key: str, journal: Journal, state: StateFile) -> Known:
    """What the state file says, brought up to date from the pieces behind the saved place."""
    saved: Any = state.get(key)
    if saved is None:  # a new source: nothing of it can be in the journal
        state.put(key, {"place": list(journal.last or (0, 0)), "known": Known().to_json()})
        return Known()
    old: dict[str, _Old] = {}
    if isinstance(saved, list):
        place, known = saved[0], Known()
        for name, (offset, header, head) in saved[1].items():
            old[name] = _Old(offset, header.encode("latin-1"), head)
    else:
        place, known = saved["place"], Known.of_json(saved["known"])
    for entry in _entries_behind(EntryId(*place), path, journal):
        _learn(known, old, entry)
    for name in list(old):
        _take_over(known, old, name)
    return known


def _learn(known: Known, old: dict[str, _Old], entry: Entry) -> None:
    if entry.kind == Kind.NOTE:
        if loss := Loss.of_payload(entry.payload):
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
    while batch := journal.after(place, _BATCH):
        for _, entry in batch:
            if entry.source == path and entry.kind in {Kind.RECORD, Kind.NOTE}:
                yield entry
        place = batch[-1][0]


def _take_over(known: Known, old: dict[str, _Old], name: str) -> None:
    """A place of version 1 as one of today; what stands in the file now tells what was read."""
    one = old.pop(name, None)
    if one is None or not one.offset:
        return
    known.copies[name] = 1
    try:
        with open_file(name, Path(name).parent) as file:
            known.places[name] = _read_so_far(file, one)
    except OSError:
        known.places[name] = _place_of(one, (Block(one.offset, ""),), 1)


def _read_so_far(file: BinaryIO, one: _Old) -> Place:
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


def _place_of(one: _Old, blocks: tuple[Block, ...], line: int) -> Place:
    return Place(one.offset, one.header, line, 1, Follows.ON, blocks)
