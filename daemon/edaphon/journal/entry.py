"""Entries, and the files of a journal that hold them as rows. This format is frozen."""

import contextlib
import fcntl
import os
import re
import sqlite3
import struct
import threading
import zlib
from collections import deque
from collections.abc import Mapping
from enum import IntEnum
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from edaphon import databases
from edaphon.model import EntryId


class Kind(IntEnum):
    RECORD = 1
    GAP = 2
    CLOCK = 3
    IDENTITY = 4
    FACT = 5
    CALIBRATION = 6
    CONFIGURATION = 7
    MARK = 8
    NOTE = 9
    LOST = 10
    JOB = 11
    ALERT = 12


class Purpose(IntEnum):
    ROUTINE = 1
    TEST = 2
    SCAN = 3
    CALIBRATION = 4
    VISIT = 5
    TYPED = 6
    FILE = 7


class Entry(NamedTuple):
    """What happened, as it came.

    `received_ns` is UTC by the logger's clock, right or wrong; `mono_ns` counts within `boot`.
    `slot_ns` is the UTC instant a scheduled source was due, by the same clock; None elsewhere.
    `source` is the path the bytes came from ("sdi12/a", a broker's name), "" for the service.
    """

    kind: Kind
    received_ns: int
    mono_ns: int
    boot: str
    source: str
    payload: bytes
    slot_ns: int | None = None
    purpose: Purpose = Purpose.ROUTINE


_FIXED = struct.Struct("<IIBqq?qB")


def entry_crc(file: int, n: int, entry: Entry) -> int:
    """CRC-32 over every column and the entry's own place, so a row moved or changed shows."""
    slot = entry.slot_ns
    head = _FIXED.pack(
        file,
        n,
        entry.kind,
        entry.received_ns,
        entry.mono_ns,
        slot is not None,
        slot or 0,
        entry.purpose,
    )
    names = f"{entry.boot}\0{entry.source}\0".encode("utf-8", "surrogateescape")
    return zlib.crc32(entry.payload, zlib.crc32(head + names))


APPLICATION_ID = 0x65646170  # "edap", so that file(1) and we know our own
VERSION = 1

# No index but the integer key: a second one costs ten times the bytes written. `mid` is no part
# of the entry: it is the MQTT packet identifier of a delivery that may come a second time.
SCHEMA = {
    "header": "CREATE TABLE header (journal TEXT NOT NULL, file INTEGER NOT NULL,"
    " opened_ns INTEGER NOT NULL, last_n INTEGER) STRICT",
    "name": "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
    "entry": "CREATE TABLE entry (n INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " received_ns INTEGER NOT NULL, mono_ns INTEGER NOT NULL, boot INTEGER NOT NULL,"
    " source INTEGER NOT NULL, slot_ns INTEGER, purpose INTEGER NOT NULL,"
    " payload BLOB NOT NULL, crc INTEGER NOT NULL, mid INTEGER) STRICT",
}
_INSERT = "INSERT INTO entry VALUES "
_PLACES = "(?,?,?,?,?,?,?,?,?,?,?)"
# Python's sqlite3 gives the interpreter away and takes it back for each step; with a busy
# reader thread that costs far more than the row. So one step takes many rows.
_ROWS_PER_STEP = (100, 10, 1)

_KINDS = {int(kind): kind for kind in Kind}
_PURPOSES = {int(purpose): purpose for purpose in Purpose}
_SEALED_MODE = 0o222  # none of these bits is set on a closed file

# In the order of the table, which is checked whenever a file is opened to be written.
Row = tuple[int, int, int, int, int, int, int | None, int, bytes, int, int | None]


class Header(NamedTuple):
    """`last_n` is None while the file is still written to."""

    journal: str
    file: int
    opened_ns: int
    last_n: int | None


def row_of(
    file: int, n: int, entry: Entry, names: Mapping[str, int], mid: int | None = None
) -> Row:
    return (
        n,
        entry.kind,
        entry.received_ns,
        entry.mono_ns,
        names[entry.boot],
        names[entry.source],
        entry.slot_ns,
        entry.purpose,
        entry.payload,
        entry_crc(file, n, entry),
        mid,
    )


def insert(connection: sqlite3.Connection, rows: list[Row]) -> None:
    at = 0
    for n in _ROWS_PER_STEP:
        while len(rows) - at >= n:
            words = list(chain.from_iterable(rows[at : at + n]))
            connection.execute(_INSERT + ",".join([_PLACES] * n), words)
            at += n


def entry_of(file: int, row: Row, names: Mapping[int, str]) -> Entry | None:
    """The entry that a row holds; None when the row is not what was written."""
    n, kind, received_ns, mono_ns, boot, source, slot_ns, purpose, payload, crc, _ = row
    try:
        entry = Entry(
            _KINDS[kind],
            received_ns,
            mono_ns,
            names[boot],
            names[source],
            payload,
            slot_ns,
            _PURPOSES[purpose],
        )
        return entry if entry_crc(file, n, entry) == crc else None
    except (KeyError, TypeError, ValueError, AttributeError, struct.error):
        return None  # damage can put any type into any column


def read_names(connection: sqlite3.Connection) -> dict[int, str]:
    return dict(connection.execute("SELECT id, text FROM name"))


def read_header(connection: sqlite3.Connection) -> Header | None:
    row = connection.execute("SELECT journal, file, opened_ns, last_n FROM header").fetchone()
    return None if row is None else Header(*row)


def connect_reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing; a closed file is read without locks or side files."""
    mode = path.stat().st_mode  # FileNotFoundError instead of SQLite's "unable to open"
    wal = path.with_name(path.name + "-wal")
    if mode & _SEALED_MODE or wal.exists():
        connection = databases.connect_reading(path)
    else:
        connection = databases.connect(path, "immutable=1")
    connection.text_factory = any_text
    return connection


def any_text(data: bytes) -> str:
    # Damaged text must fail its CRC, not raise while it is fetched.
    return data.decode("utf-8", "surrogateescape")


FILE_NAME = re.compile(r"journal-(\d{6,})\.sqlite")


LARGEST_NUMBER = 2**31 - 1  # a place in the journal has 31 bits for it


def file_path(folder: Path, number: int) -> Path:
    return folder / f"journal-{number:06d}.sqlite"


def file_numbers(folder: Path) -> list[int]:
    """The numbers of all files that are there to be read, in order."""
    found = (FILE_NAME.fullmatch(name) for name in os.listdir(folder))
    numbers = (int(match[1]) for match in found if match)
    return sorted(number for number in numbers if 0 < number <= LARGEST_NUMBER)


def number_of(path: Path) -> int:
    """The number in a journal file's name, set aside or not; raises ValueError without one."""
    match = FILE_NAME.match(path.name)
    if match is None:
        raise ValueError(f"expected a name like journal-000001.sqlite, got {path.name}")
    return int(match[1])


def is_sealed(path: Path) -> bool:
    return not path.stat().st_mode & 0o222


ENTRY_BYTES = 300  # what an entry without payload takes in memory, roughly


class _Batch(NamedTuple):
    first: EntryId
    last: EntryId
    entries: list[Entry]
    size_bytes: int


class Ring:
    """One run of entries without a hole, the newest at its end."""

    def __init__(self, largest_bytes: int = 8_000_000) -> None:
        self._largest_bytes = largest_bytes
        self._batches: deque[_Batch] = deque()
        self._bytes = 0
        self._behind = EntryId(0, 0)  # the place before the run
        self._lock = threading.Lock()

    def add(self, first: EntryId, entries: list[Entry]) -> None:
        """Entries with the numbers from `first` on."""
        size = sum(len(entry.payload) + ENTRY_BYTES for entry in entries)
        last = EntryId(first.file, first.n + len(entries) - 1)
        with self._lock:
            if not self._goes_on(first):
                self._batches.clear()
                self._bytes, self._behind = 0, EntryId(first.file, first.n - 1)
            self._batches.append(_Batch(first, last, entries, size))
            self._bytes += size
            while self._bytes > self._largest_bytes and len(self._batches) > 1:
                old = self._batches.popleft()
                self._bytes, self._behind = self._bytes - old.size_bytes, old.last

    def after(
        self, sequence: EntryId | None, limit: int, largest_bytes: int
    ) -> list[tuple[EntryId, Entry]] | None:
        """As JournalReader.after; None when what is behind `sequence` is not, or no more, here."""
        fresh: list[_Batch] = []
        with self._lock:
            if not self._covers(sequence):
                return None
            for batch in reversed(self._batches):
                if sequence is not None and batch.last <= sequence:
                    break
                fresh.append(batch)
        found: list[tuple[EntryId, Entry]] = []
        for first, _, entries, _ in reversed(fresh):
            skip = sequence.n - first.n + 1 if sequence and sequence.file == first.file else 0
            start = max(0, skip)
            chosen = entries[start : start + limit - len(found)]
            for n, entry in enumerate(chosen, first.n + start):
                found.append((EntryId(first.file, n), entry))
                largest_bytes -= len(entry.payload)
                if largest_bytes <= 0:
                    return found
            if len(found) == limit:
                break
        return found

    def _goes_on(self, first: EntryId) -> bool:
        """Whether nothing was committed between the run and `first` that never came here."""
        if not self._batches:
            return False
        last = self._batches[-1].last
        return first == (last.file, last.n + 1) or (first.file > last.file and first.n == 1)

    def _covers(self, sequence: EntryId | None) -> bool:
        return bool(self._batches) and (sequence or EntryId(0, 0)) >= self._behind


START = EntryId(0, 0)


_THERE = re.compile(FILE_NAME.pattern + r"(\.damaged-\d+)?")


class Damaged(Exception):
    """A file is not the whole journal file that it was; the text says what was found."""


class JournalTooNew(Exception):
    """A newer edaphon wrote this journal."""


class JournalBusy(Exception):
    """Another process already writes this journal."""


def stray_files(folder: Path) -> list[Path]:
    """Those named like a journal file, with a number that none can have."""
    named = sorted(name for name in os.listdir(folder) if FILE_NAME.fullmatch(name))
    return [folder / name for name in named if not 0 < number_of(folder / name) <= LARGEST_NUMBER]


def next_number(folder: Path) -> int:
    """A number that no file here has had, set-aside ones included."""
    return max(numbers_ever(folder), default=0) + 1


def numbers_ever(folder: Path) -> set[int]:
    """The numbers of all files here, set-aside ones and logs without their file included."""
    found = (FILE_NAME.match(name) for name in os.listdir(folder))
    numbers = (int(match[1]) for match in found if match)
    return {number for number in numbers if number < LARGEST_NUMBER}


def numbers_there(folder: Path) -> set[int]:
    """The numbers of all files that are there, set-aside ones included."""
    found = (_THERE.fullmatch(name) for name in os.listdir(folder))
    return {int(match[1]) for match in found if match}


def take_lock(folder: Path) -> int:
    """The writer's lock, as an open file; raises JournalBusy. The kernel frees it at exit."""
    lock = os.open(folder / "journal.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise JournalBusy(
            f"the journal in {folder} is being written by process {holder}; "
            "ask that one, or stop it first (systemctl stop edaphon)"
        ) from None
    with contextlib.suppress(OSError):  # on a full disk the lock holds without a name on it
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
