"""The numbered files of a journal folder: made, opened and checked, sealed, or set aside."""

import contextlib
import fcntl
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from edaphon.databases import AT_FAULT, SIDE_FILES, connect, fault_of, sync_folder
from edaphon.journal.entry import (
    APPLICATION_ID,
    FILE_NAME,
    LARGEST_NUMBER,
    SCHEMA,
    VERSION,
    Entry,
    Header,
    any_text,
    connect_reading,
    entry_of,
    file_path,
    insert,
    number_of,
    read_header,
    read_names,
    row_of,
)

_THERE = re.compile(FILE_NAME.pattern + r"(\.damaged-\d+)?")
_CHECKED_ROWS = 50


class Damaged(Exception):
    """A file is not the whole journal file that it was; the text says what was found."""


class DamagedEntries(Damaged):
    """Rows of a file are not what was written; the others can be read as ever."""


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
