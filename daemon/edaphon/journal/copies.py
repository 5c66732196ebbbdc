"""The second copy of the entries that all others are read by, and the last place committed.

A record that is damaged costs its own value; a damaged fact, calibration, configuration or clock
would change the meaning of thousands. Those are kept twice: in the journal and as a line each in
`journal.copies`, `number CRC JSON`, with the CRC of the journal's own row, written after its
commit. A line of entry 0 of a file says that this file was begun. `journal.reached` holds the last
place that was committed, up to which the copies are complete.
"""

import base64
import contextlib
import os
import struct
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import orjson

from edaphon.journal.entry import Entry, Item, Kind, Purpose, entry_crc, reach
from edaphon.model import EntryId

COPIED = frozenset(
    {Kind.FACT, Kind.CALIBRATION, Kind.MARK, Kind.CONFIGURATION, Kind.CLOCK, Kind.LOST}
)
NOT_COPIED = frozenset(Kind) - COPIED - {Kind.NOTE}
NOTED = b'"what":"release"'  # of notes those that say what was released
_NAME = "journal.copies"


@dataclass(frozen=True)
class Copies:
    """What the copy file holds; `bad` are its damaged lines, `doubtful` the places they name."""

    entries: dict[EntryId, Entry] = field(default_factory=dict)
    files: frozenset[int] = frozenset()  # that were begun
    doubtful: frozenset[EntryId] = frozenset()
    bad: tuple[bytes, ...] = ()
    whole: bool = False  # the file is there, and has no damaged line

    @cached_property
    def places(self) -> list[EntryId]:
        return sorted(self.entries)

    @cached_property
    def copied_files(self) -> frozenset[int]:
        return frozenset(place.file for place in self.entries)

    def within(self, first: EntryId, last: EntryId) -> list[Item]:
        """The copies from one place to another, in order."""
        begin, end = bisect_left(self.places, first), bisect_right(self.places, last)
        return [(place, self.entries[place]) for place in self.places[begin:end]]

    def last(self, kind: Kind) -> Item | None:
        """The copy of that kind that was entered last."""
        place = next((p for p in reversed(self.places) if self.entries[p].kind == kind), None)
        return (place, self.entries[place]) if place is not None else None

    def of_kind(self, kind: Kind) -> Iterator[Item]:
        return ((p, self.entries[p]) for p in self.places if self.entries[p].kind == kind)


def is_copied(entry: Entry) -> bool:
    """Whether an entry is kept twice."""
    return entry.kind in COPIED or (entry.kind == Kind.NOTE and NOTED in entry.payload)


def copies_version(folder: Path) -> object:
    """Another one after each change of the copy file."""
    try:
        about = (folder / _NAME).stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns


def copies_in(folder: Path) -> Copies:
    """What the copy file of a journal folder holds; nothing where it can't be read."""
    try:
        data = (folder / _NAME).read_bytes()
    except OSError:
        return Copies()
    lines = data.split(b"\n")[:-1]  # behind the last line end there is at most a torn line
    entries: dict[EntryId, Entry] = {}
    files: set[int] = set()
    doubtful: set[EntryId] = set()
    bad: list[bytes] = []
    for line in lines:
        item = _item_of(line)
        if item is None:
            bad.append(line)
            doubtful.update(_places_named(line))
        elif item[0].n:
            entries[item[0]] = item[1]
        else:
            files.add(item[0].file)
    _replace_lost(entries)
    gone = frozenset(doubtful - entries.keys())
    return Copies(entries, frozenset(files), gone, tuple(bad), not bad)


def _replace_lost(entries: dict[EntryId, Entry]) -> None:
    """What was entered again for lost entries is read in their places."""
    for entry in [each for each in entries.values() if each.kind == Kind.LOST]:
        # A CRC proves no writer: words of another replace nothing, and the loss stays open.
        with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError):
            table = orjson.loads(entry.payload)
            other = entries.get(EntryId.of(table.get("by", 0)))
            if other is not None:
                for number in table["without"]:
                    entries.setdefault(EntryId.of(number), other)


class CopyFile:
    """The writing side, used by the journal's one writer. No error of it fails a commit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _NAME
        self.waiting: list[bytes] = []
        self.healed = False  # copies of all before have been looked for

    def add(self, items: Iterable[Item]) -> None:
        """Lines for these entries, now or, where the disk refuses, with the next ones."""
        self.waiting += [_line_of(*item) for item in items]
        if not self.waiting:
            return
        with (
            contextlib.suppress(OSError),
            self._path.open("r+b" if self._path.exists() else "w+b") as file,
        ):
            file.seek(file.read().rfind(b"\n") + 1)
            file.truncate()
            file.write(b"".join(self.waiting))
            file.flush()
            os.fdatasync(file.fileno())
            self.waiting.clear()

    def begin(self, number: int, opened_ns: int) -> None:
        """A journal file of that number was begun."""
        self.add([begun_line(number, opened_ns)])

    def commit(self, first: EntryId, entries: list[Entry]) -> None:
        """These entries stand in the journal."""
        self.add(
            (EntryId(first.file, first.n + k), entry)
            for k, entry in enumerate(entries)
            if is_copied(entry)
        )
        if self.healed and not self.waiting:
            reach(self._folder, EntryId(first.file, first.n + len(entries) - 1))

    def write_again(self, copies: Copies, items: Iterable[Item]) -> None:
        """The whole file, healed; of damaged lines those that nothing heals stay."""
        entries = {**copies.entries, **dict(items)}
        begun = [begun_line(number) for number in copies.files]
        lines = [_line_of(*item) for item in (*begun, *sorted(entries.items()))]
        healed = entries.keys()
        lines += [line + b"\n" for line in copies.bad if not _places_named(line) & healed]
        new = self._path.with_name(_NAME + ".new")
        with contextlib.suppress(OSError):
            with new.open("wb") as file:
                file.write(b"".join(lines))
                file.flush()
                os.fsync(file.fileno())
            if self._path.is_dir():
                self._path.rename(self._path.with_name(f"{_NAME}.damaged-{os.getpid()}"))
            new.rename(self._path)


def begun_line(number: int, opened_ns: int = 0) -> Item:
    """That a journal file was begun, as an entry of place 0 in it."""
    return EntryId(number, 0), Entry(Kind.NOTE, opened_ns, 0, "", "", b"")


def _line_of(place: EntryId, entry: Entry) -> bytes:
    fields = entry._asdict()
    payload = base64.b64encode(fields.pop("payload")).decode()
    table = {"place": place.number, **fields, "payload": payload}
    text = orjson.dumps(table)
    return b"%d %08x %b\n" % (place.number, entry_crc(*place, entry), text)


_PLAIN = [name for name in Entry._fields if name not in {"kind", "payload", "purpose"}]


def _item_of(line: bytes) -> Item | None:
    """What a line holds, keys of newer software apart; None for what was not written so."""
    try:
        number, crc, text = line.split(b" ", 2)
        table = orjson.loads(text)
        place = EntryId.of(int(number))
        same = table.pop("place") == place.number
        payload = base64.b64decode(table.pop("payload"), validate=True)
        kind, purpose = Kind(table.pop("kind")), Purpose(table.pop("purpose"))
        known = {name: table[name] for name in _PLAIN}
        entry = Entry(kind=kind, payload=payload, purpose=purpose, **known)
        same = same and entry_crc(*place, entry) == int(crc, 16)
        return (place, entry) if same else None
    except (ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None


def _places_named(line: bytes) -> set[EntryId]:
    """The places that a damaged line may be about."""
    found = set()
    with contextlib.suppress(ValueError):
        found.add(int(line.split(b" ", 1)[0]))
    with contextlib.suppress(ValueError, KeyError, TypeError, IndexError):
        found.add(int(orjson.loads(line.split(b" ", 2)[2])["place"]))
    return {EntryId.of(number) for number in found if 0 < number < 2**64}


_ORIGIN_NAME = "origin.json"
_SERIAL = "proc/device-tree/serial-number"  # of a Raspberry Pi and its like
_NETWORK = "sys/class/net"
_PERMANENT, _LOCAL_BIT = "0", 0x02
_NAMED = 12


class Origin(NamedTuple):
    """`journal` is the id in force, `machine` the marks of the machine that it is used on.

    `named` is the part of the id in names that are given after the journal, "" where a version
    began it that knew no machines and gave them without.
    """

    journal: str
    machine: tuple[str, ...]
    named: str

    def write(self, folder: Path) -> None:
        """Durable, or as it was before; raises OSError."""
        if _read(folder) == self:
            return
        part = folder / f"{_ORIGIN_NAME}.new"
        with part.open("wb") as file:
            file.write(orjson.dumps(self._asdict()))
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / _ORIGIN_NAME)


def origin_of(folder: Path, known: str | None, machine: tuple[str, ...]) -> Origin:
    """The origin of a journal folder on this machine; `known` is the id in its newest file.

    Another machine is one that shares no mark with the first; one without marks is never another.
    """
    stated = _read(folder)
    if stated is None and known is not None:
        return Origin(known, machine, "")
    another = stated is not None and stated.machine and machine
    if stated is None or (another and not set(stated.machine) & set(machine)):
        id = uuid.uuid4().hex
        return Origin(id, machine, id[:_NAMED])
    return stated._replace(machine=machine or stated.machine)


def machine_marks(root: Path = Path("/")) -> tuple[str, ...]:
    """Marks of this machine that are no files of its card; empty where it has none."""
    marks = []
    with contextlib.suppress(OSError):
        serial = (root / _SERIAL).read_bytes().strip(b"\0 \n").decode("ascii", "replace")
        if serial.strip("0"):
            marks.append(f"serial {serial}")
    for card in sorted((root / _NETWORK).glob("*/device")):
        with contextlib.suppress(OSError, ValueError):
            address = (card.parent / "address").read_text("ascii").strip()
            kind = (card.parent / "addr_assign_type").read_text("ascii").strip()
            if kind == _PERMANENT and not int(address[:2], 16) & _LOCAL_BIT:
                marks.append(f"address {address}")
    return tuple(marks)


def _read(folder: Path) -> Origin | None:
    try:
        table = orjson.loads((folder / _ORIGIN_NAME).read_bytes())
        origin = Origin(**{**table, "machine": tuple(table["machine"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return origin if isinstance(origin.journal, str) and origin.journal else None


def acknowledged_places(copies: Copies) -> set[EntryId]:
    """Lost entries of meaning that were entered again, or that a person gives up."""
    tables = [orjson.loads(entry.payload) for _, entry in copies.of_kind(Kind.LOST)]
    return {EntryId.of(n) for table in tables for n in table.get("without", ())}
