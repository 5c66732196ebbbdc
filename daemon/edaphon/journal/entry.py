"""Entries, and the files of a journal that hold them as rows. This format is frozen."""

import contextlib
import fcntl
import os
import re
import sqlite3
import struct
import zlib
from collections.abc import Callable, Mapping
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


Item = tuple[EntryId, Entry]  # with its place in the journal
_FIXED = struct.Struct("<IIBqq?qB")


def entry_crc(file: int, n: int, entry: Entry) -> int:
    """CRC-32 over every column and the entry's own place, so a row moved or changed shows."""
    kind, received_ns, mono_ns, boot, source, payload, slot_ns, purpose = entry
    has_slot = slot_ns is not None
    head = _FIXED.pack(file, n, kind, received_ns, mono_ns, has_slot, slot_ns or 0, purpose)
    names = f"{boot}\0{source}\0".encode("utf-8", "surrogateescape")
    return zlib.crc32(payload, zlib.crc32(head + names))


START = EntryId(0, 0)
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
    kind, received_ns, mono_ns, boot, source, payload, slot_ns, purpose = entry
    who, crc = (names[boot], names[source]), entry_crc(file, n, entry)
    return n, kind, received_ns, mono_ns, *who, slot_ns, purpose, payload, crc, mid


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
        who, known = (names[boot], names[source]), _PURPOSES[purpose]
        entry = Entry(_KINDS[kind], received_ns, mono_ns, *who, payload, slot_ns, known)
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
_THERE = re.compile(FILE_NAME.pattern + r"(\.damaged-\d+)?")
LARGEST_NUMBER = 2**31 - 1  # a place in the journal has 31 bits for it


def file_path(folder: Path, number: int) -> Path:
    return folder / f"journal-{number:06d}.sqlite"


def file_numbers(folder: Path) -> list[int]:
    """The numbers of all files that are there to be read, in order."""
    numbers = _numbers(folder, FILE_NAME.fullmatch)
    return sorted(number for number in numbers if 0 < number <= LARGEST_NUMBER)


def numbers_ever(folder: Path) -> set[int]:
    """The numbers of all files here, set-aside ones and logs without their file included."""
    return {number for number in _numbers(folder, FILE_NAME.match) if number < LARGEST_NUMBER}


def numbers_there(folder: Path) -> set[int]:
    """The numbers of all files that are there, set-aside ones included."""
    return set(_numbers(folder, _THERE.fullmatch))


def _numbers(folder: Path, match: Callable[[str], re.Match[str] | None]) -> list[int]:
    return [int(found[1]) for name in os.listdir(folder) if (found := match(name))]


def stray_files(folder: Path) -> list[Path]:
    """Those named like a journal file, with a number that none can have."""
    named = sorted(name for name in os.listdir(folder) if FILE_NAME.fullmatch(name))
    return [folder / name for name in named if not 0 < number_of(folder / name) <= LARGEST_NUMBER]


def number_of(path: Path) -> int:
    """The number in a journal file's name, set aside or not; raises ValueError without one."""
    match = FILE_NAME.match(path.name)
    if match is None:
        raise ValueError(f"expected a name like journal-000001.sqlite, got {path.name}")
    return int(match[1])


def is_sealed(path: Path) -> bool:
    return not path.stat().st_mode & 0o222


class Damaged(Exception):
    """A file is not the whole journal file that it was; the text says what was found."""


class JournalTooNew(Exception):
    """A newer edaphon wrote this journal."""


class JournalBusy(Exception):
    """Another process already writes this journal."""


_REACHED = "journal.reached"
_PLACE = struct.Struct("<II")
_PLACE_AND_CRC = struct.Struct("<III")


def reached_in(folder: Path) -> EntryId | None:
    """The last place known to be committed; None where that is not known."""
    with contextlib.suppress(OSError, struct.error):
        data = (folder / _REACHED).read_bytes()[: _PLACE_AND_CRC.size]
        file, n, crc = _PLACE_AND_CRC.unpack(data)
        if zlib.crc32(data[: _PLACE.size]) == crc:
            return EntryId(file, n)
    return None


def reach(folder: Path, place: EntryId) -> None:
    """All is committed, and the second copies are complete, up to there."""
    data = _PLACE.pack(*place)
    data += zlib.crc32(data).to_bytes(4, "little")
    with contextlib.suppress(OSError):
        # not synchronised: a place that is too old is looked behind of
        file = os.open(folder / _REACHED, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.pwrite(file, data, 0)
        finally:
            os.close(file)


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
