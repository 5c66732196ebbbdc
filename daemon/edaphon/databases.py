"""SQLite files, ours and those of others: how they are opened, and what an error says of them."""

import contextlib
import errno
import os
import re
import sqlite3
import stat
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

SIDE_FILES = ("-wal", "-shm", "-journal")
LEAST_FREE_BYTES = 262_144  # SQLite's side files and a commit need this much
WAL_HEAD_BYTES = 32  # a log of no more has no page in it (sqlite.org/fileformat2.html, 4.1)
_CODES = {
    sqlite3.SQLITE_CORRUPT: "DAMAGED",
    sqlite3.SQLITE_NOTADB: "DAMAGED",
    sqlite3.SQLITE_FULL: "FULL",
    sqlite3.SQLITE_READONLY: "READ_ONLY",
    sqlite3.SQLITE_PERM: "READ_ONLY",
    sqlite3.SQLITE_BUSY: "LOCKED",
    sqlite3.SQLITE_LOCKED: "LOCKED",
}
_NUMBERS = {
    errno.ENOSPC: "FULL",
    errno.EDQUOT: "FULL",
    errno.EROFS: "READ_ONLY",
    errno.EACCES: "READ_ONLY",
    errno.EPERM: "READ_ONLY",
}
_SCHEMA = re.compile(r"no such (table|column)|has no column|malformed|unsupported file format")


class StorageFault(StrEnum):
    """What is wrong when a database can't be read or written; the text is for a person."""

    FULL = "the disk is full: nothing is kept; free some space and recording goes on by itself"
    READ_ONLY = "this account can't write there, or the disk is mounted read-only"
    DAMAGED = "the file is damaged"
    MISSING_TABLE = "a table of the file is missing: it is damaged"
    LOCKED = "another program holds the file"
    OTHER = "the disk or the machine refuses; look at the end of:  dmesg"


AT_FAULT = frozenset(
    {StorageFault.DAMAGED, StorageFault.MISSING_TABLE}
)  # the file, and nothing else


def fault_of(error: sqlite3.Error | OSError, path: Path | None) -> StorageFault:
    """Tell the fault apart by the error, and by what lies at the path and is free around it.

    Without a path nothing is known of the file: an error that only its place explains is OTHER.
    """
    if isinstance(error, OSError):
        return StorageFault[_NUMBERS.get(error.errno or 0, "OTHER")]
    if isinstance(error, sqlite3.ProgrammingError):  # such as one that is closed already
        return StorageFault.OTHER
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the sqlite3 module's own complaint about what it found
        return StorageFault.DAMAGED
    if named := _CODES.get(code & 0xFF):
        return StorageFault[named]
    if code & 0xFF == sqlite3.SQLITE_ERROR and _SCHEMA.search(str(error)):
        return StorageFault.MISSING_TABLE
    if path is None:
        return StorageFault.OTHER
    if path.is_dir():
        return StorageFault.DAMAGED
    if code & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}:
        if is_full(path.parent):
            return StorageFault.FULL
        if not os.access(path.parent, os.W_OK):
            return StorageFault.READ_ONLY
    return StorageFault.OTHER


def explained(error: sqlite3.Error | OSError, path: Path) -> str:
    """One line for a person: the file, what is wrong, and the machine's own words."""
    return f"{path}: {fault_of(error, path)} ({error})"


def is_full(folder: Path) -> bool:
    """Whether there is no room, or no inode, for the next commit."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    no_inodes = found.f_files > 0 and found.f_favail == 0
    return no_inodes or found.f_bavail * found.f_frsize < LEAST_FREE_BYTES


def is_created(path: Path) -> bool:
    """Whether the tables of a database of ours were ever durable: none keeps a rollback journal."""
    journal = Path(f"{path}-journal")
    unfinished = journal.is_file() and journal.stat().st_size
    return path.is_file() and bool(path.stat().st_size) and not unfinished


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """`mode` is how SQLite's URI says it, such as mode=rw: a missing file is then an error."""
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{mode}",
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
    )
    # A file may have come from another machine: https://sqlite.org/security.html
    connection.execute("PRAGMA trusted_schema = 0")
    return connection


def connect_reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, on a full disk too, where no side file can be made."""
    try:
        return _asked(connect(path, "mode=ro"))
    except sqlite3.OperationalError as error:
        fault, wal = fault_of(error, path), Path(f"{path}-wal")
        if not is_created(path) or fault not in {StorageFault.FULL, StorageFault.READ_ONLY}:
            raise
        if not (wal.exists() and wal.stat().st_size > WAL_HEAD_BYTES):
            # all of it is in its one file
            return connect(path, "immutable=1")
        if fault is StorageFault.READ_ONLY:
            raise
    return _without_shared_memory(path)


def _without_shared_memory(path: Path) -> sqlite3.Connection:
    """Its log is read into this process' memory, which keeps all others out meanwhile.

    https://sqlite.org/wal.html section 8: use of WAL without shared memory.
    """
    connection = connect(path, "mode=rw")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA query_only = 1")
    return _asked(connection)


def _asked(connection: sqlite3.Connection) -> sqlite3.Connection:
    """After the first question, which makes the side files or fails."""
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def move_aside(path: Path) -> Path:
    """Rename a damaged file and its log, so that nothing opens it by mistake; its new path."""
    tries = (path.with_name(f"{path.name}.damaged-{k}") for k in range(1, 1_000_000))
    aside = next(to for to in tries if not os.path.lexists(to))
    path.rename(aside)
    wal = Path(f"{path}-wal")
    if wal.exists():
        wal.rename(f"{aside}-wal")
    with contextlib.suppress(FileNotFoundError):
        Path(f"{path}-shm").unlink()
    sync_folder(path.parent)
    return aside


def make_folder(folder: Path) -> None:
    """Make a folder, and its parents, that a power cut after this does not take away again."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing or [folder]:  # an earlier life may have been cut between the two
        with contextlib.suppress(OSError):  # a parent that this account may not read
            sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename durable, which it is only with its folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


Tables = Mapping[str, Collection[str]]  # name of a table: each statement that may have made it

_STEP = 1000  # of SQLite's machine, between two looks at the budget
_STEPS_AT_LEAST = 5_000_000  # of one statement, a second or less
_STEPS_PER_BYTE = 2  # a row takes some 25 steps, and more than 12 bytes
_LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 64,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 3,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_READ_PRAGMAS = frozenset({"application_id", "user_version"})
_FUNCTIONS = frozenset({"count", "sum", "coalesce", "min", "max"})


class ForeignFile(Exception):
    """A file that is not what was expected; the text says what it is."""


def connect_foreign(path: Path, tables: Tables) -> sqlite3.Connection:
    """To read these tables and nothing else; raises ForeignFile, OSError or sqlite3.Error.

    A statement that works more than the file's size explains ends with sqlite3.OperationalError.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ForeignFile("no regular file")
    db = connect(path, "mode=ro&immutable=1")
    try:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(1_000_000, about.st_size))
        for limit, most in _LIMITS.items():
            db.setlimit(limit, most)
        _bound(db, about.st_size)
        for setting in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1"):
            db.execute(f"PRAGMA {setting}")
        _expect_tables(db, tables)
        db.set_authorizer(_Reading(tables))
    except BaseException:
        db.close()
        raise
    return db


def _bound(db: sqlite3.Connection, size_bytes: int) -> None:
    """So many steps for each statement."""
    most = (_STEPS_AT_LEAST + _STEPS_PER_BYTE * size_bytes) // _STEP
    done = 0

    def begin(_: str) -> None:
        nonlocal done
        done = 0

    def ends() -> int:
        nonlocal done
        done += 1
        return int(done > most)

    db.set_trace_callback(begin)
    db.set_progress_handler(ends, _STEP)


def _expect_tables(db: sqlite3.Connection, tables: Tables) -> None:
    query = "SELECT type, name, tbl_name, sql, rootpage FROM sqlite_schema"
    left, roots = dict(tables), set()
    for kind, name, table, sql, root in db.execute(query):
        own_index = kind == "index" and sql is None and str(name).startswith("sqlite_autoindex_")
        expected = table in tables if own_index else kind == "table" and table == name
        if not expected or (not own_index and sql not in left.pop(name, ())):
            raise ForeignFile(f"{kind} {str(name)[:80]!r}, which is not expected in it")
        if not isinstance(root, int) or root < 1 or root in roots:
            raise ForeignFile(f"{kind} {name!r} without a place of its own")
        roots.add(root)
    if left:
        raise ForeignFile(f"no table {min(left)!r}")


class _Reading:
    """Allows to read these tables, by the functions that we use."""

    def __init__(self, tables: Tables) -> None:
        self._tables = {*tables, "sqlite_master", "sqlite_schema"}

    def __call__(
        self, action: int, first: str | None, second: str | None, _: str | None, __: str | None
    ) -> int:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_TRANSACTION:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if first in self._tables:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_FUNCTION if second in _FUNCTIONS:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_PRAGMA if second is None and first in _READ_PRAGMAS:
                return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY
