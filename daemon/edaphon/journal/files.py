"""The numbered files of a journal folder: made, opened and checked, sealed, or set aside."""

import contextlib
import fcntl
import os
import re
import sqlite3
import struct
from collections.abc import Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from edaphon import databases
from edaphon.databases import AT_FAULT, SIDE_FILES, connect, fault_of, sync_folder
from edaphon.journal.entry import Entry, Kind, Purpose, entry_crc

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


_NAME = re.compile(r"journal-(\d{6,})\.sqlite")
LARGEST_NUMBER = 2**31 - 1  # a place in the journal has 31 bits for it
_THERE = re.compile(_NAME.pattern + r"(\.damaged-\d+)?")
_CHECKED_ROWS = 50


class Damaged(Exception):
    """A file is not the whole journal file that it was; the text says what was found."""


class DamagedEntries(Damaged):
    """Rows of a file are not what was written; the others can be read as ever."""


class JournalTooNew(Exception):
    """A newer edaphon wrote this journal."""


class JournalBusy(Exception):
    """Another process already writes this journal."""


def file_path(folder: Path, number: int) -> Path:
    return folder / f"journal-{number:06d}.sqlite"


def file_numbers(folder: Path) -> list[int]:
    """The numbers of all files that are there to be read, in order."""
    found = (_NAME.fullmatch(name) for name in os.listdir(folder))
    numbers = (int(match[1]) for match in found if match)
    return sorted(number for number in numbers if 0 < number <= LARGEST_NUMBER)


def stray_files(folder: Path) -> list[Path]:
    """Those named like a journal file, with a number that none can have."""
    named = sorted(name for name in os.listdir(folder) if _NAME.fullmatch(name))
    return [folder / name for name in named if not 0 < number_of(folder / name) <= LARGEST_NUMBER]


def number_of(path: Path) -> int:
    """The number in a journal file's name, set aside or not; raises ValueError without one."""
    match = _NAME.match(path.name)
    if match is None:
        raise ValueError(f"expected a name like journal-000001.sqlite, got {path.name}")
    return int(match[1])


def is_sealed(path: Path) -> bool:
    return not path.stat().st_mode & 0o222


def next_number(folder: Path) -> int:
    """A number that no file here has had, set-aside ones included."""
    return max(numbers_ever(folder), default=0) + 1


def numbers_ever(folder: Path) -> set[int]:
    """The numbers of all files here, set-aside ones and logs without their file included."""
    found = (_NAME.match(name) for name in os.listdir(folder))
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


def is_written(folder: Path) -> bool:
    """Whether a process holds the writer's lock; nothing is written to find that out."""
    try:
        lock = os.open(folder / "journal.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


class OpenFile:
    """The one file that is written to."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._names: dict[str, int] = {}
        self.last_n = 0
        self.journal, self.number, self.opened_ns = "", 0, 0

    @classmethod
    def create(cls, folder: Path, number: int, journal: str, opened_ns: int) -> "OpenFile":
        """A new, empty file; it gets its name only when all its tables are durable."""
        path = file_path(folder, number)
        part = path.with_name(path.name + ".new")
        for end in ("", *SIDE_FILES):
            Path(f"{part}{end}").unlink(missing_ok=True)
        with closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("BEGIN")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            for table in SCHEMA.values():
                connection.execute(table)
            connection.execute(
                "INSERT INTO header VALUES (?,?,?,NULL)", (journal, number, opened_ns)
            )
            connection.execute("COMMIT")
            # Here, as a full disk may leave a change of it half done, which no reader can mend.
            connection.execute("PRAGMA journal_mode = WAL")
        part.rename(path)
        sync_folder(folder)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "OpenFile":
        """Raises Damaged or JournalTooNew; sqlite3.Error when the disk fails just now."""
        if path.is_dir():
            raise Damaged(f"{path.name}: expected a file, got a directory")
        connection = _connect_writing(path)
        try:
            file = cls(path, connection)
            file._check()
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 4194304")
        except sqlite3.DatabaseError as error:
            connection.close()
            if is_damage(error, path):
                raise Damaged(f"{path.name}: {error}") from error
            raise
        except (Damaged, JournalTooNew):
            connection.close()
            raise
        return file

    def write(self, entries: list[Entry], mids: list[int | None]) -> int:
        """One transaction; the first entry's n. Nothing of it is there after a sqlite3.Error."""
        first = self.last_n + 1
        fresh = self._fresh_names(entries)
        names = {**self._names, **fresh} if fresh else self._names
        rows = [
            row_of(self.number, n, entry, names, mid)
            for n, (entry, mid) in enumerate(zip(entries, mids, strict=True), first)
        ]
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            if fresh:
                self._connection.executemany(
                    "INSERT INTO name (text, id) VALUES (?,?)", list(fresh.items())
                )
            insert(self._connection, rows)
            execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        self._names.update(fresh)
        self.last_n += len(rows)
        return first

    def holds(self, n: int, entry: Entry) -> bool:
        """Whether that row is there, and is that entry."""
        row = self._connection.execute("SELECT * FROM entry WHERE n = ?", (n,)).fetchone()
        return row is not None and entry_of(self.number, row, read_names(self._connection)) == entry

    def make_durable(self) -> None:
        """Write all rows once more, after a sync that failed; raises sqlite3.Error.

        What the kernel could not write then it may believe to be written, so another sync of the
        same log proves nothing: its pages are copied into the file, and that is synchronised.
        """
        query = "PRAGMA wal_checkpoint(FULL)"
        busy, pages, copied = self._connection.execute(query).fetchone()
        if busy or pages != copied:
            raise sqlite3.OperationalError(f"expected {pages} pages copied, got {copied}")

    def size_bytes(self) -> int:
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (page,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page)

    def close(self) -> None:
        self._connection.close()

    def _fresh_names(self, entries: list[Entry]) -> dict[str, int]:
        used = {entry.boot for entry in entries} | {entry.source for entry in entries}
        fresh = sorted(used - self._names.keys())
        return {text: at for at, text in enumerate(fresh, len(self._names) + 1)}

    def _check(self) -> None:
        _check_identity(self._connection, self.path)
        header = _expect_own_header(read_header(self._connection), self.path)
        self.journal, self.number, self.opened_ns, _ = header
        names = read_names(self._connection)
        self._names = {text: at for at, text in names.items()}
        newest = self._connection.execute(
            "SELECT * FROM entry ORDER BY n DESC LIMIT ?", (_CHECKED_ROWS,)
        ).fetchall()
        self.last_n = newest[0][0] if newest else 0
        for back, row in enumerate(newest):
            if row[0] != self.last_n - back or entry_of(self.number, row, names) is None:
                raise DamagedEntries(f"{self.path.name}: row {row[0]} is not what was written")


def is_damage(error: sqlite3.Error, path: Path) -> bool:
    """Whether the file is at fault, and not the disk, the memory or another program."""
    return fault_of(error, path) in AT_FAULT


def check_closed(path: Path) -> None:
    """Raises Damaged when a file that is no longer written to is not that journal file."""
    if path.is_dir():
        raise Damaged(f"{path.name}: expected a file, got a directory")
    try:
        with closing(connect_reading(path)) as connection:
            _check_identity(connection, path)
            _expect_own_header(read_header(connection), path)
    except sqlite3.DatabaseError as error:
        if is_damage(error, path):
            raise Damaged(f"{path.name}: {error}") from error


def _expect_own_header(header: Header | None, path: Path) -> Header:
    whole = header is not None and isinstance(header.file, int)
    if header is None or not whole or file_path(path.parent, header.file).name != path.name:
        raise Damaged(f"{path.name}: expected its own header, got {header}")
    return header


def seal(path: Path) -> bool:
    """Close a file for ever: its last n in its header, no side files, no write permission.

    False when somebody reads it just now, or the disk refuses; to be tried again.
    """
    try:
        with closing(_connect_writing(path)) as connection:
            connection.execute(
                "UPDATE header SET last_n = (SELECT coalesce(max(n), 0) FROM entry)"
                " WHERE last_n IS NULL"
            )
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error:
        return False
    if mode != "delete":
        return False
    path.chmod(0o440)
    return True


def _connect_writing(path: Path) -> sqlite3.Connection:
    # A missing file is an error, never silently a new and empty journal.
    connection = connect(path, "mode=rw")
    connection.text_factory = any_text
    return connection


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
    found = connection.execute(query).fetchall()  # a trigger may have the name of a table
    expected = [("table", name, name, sql) for name, sql in SCHEMA.items()]
    if application == APPLICATION_ID and version > VERSION:
        raise JournalTooNew(
            f"{path} has format {version}, this edaphon knows {VERSION}: install the newer edaphon"
        )
    if (application, version, sorted(found, key=str)) != (
        APPLICATION_ID,
        VERSION,
        sorted(expected),
    ):
        raise Damaged(
            f"{path.name}: expected a journal file of format {VERSION}, got application id "
            f"{application or 0:#x}, format {version}, with {_names(found)}"
        )


def _names(found: list[tuple[object, ...]]) -> str:
    return ", ".join(f"{kind} {str(name)[:40]}" for kind, name, *_ in found[:8]) or "no tables"
