"""The SQLite files of the storage folder: how they are opened, and what an error says of them."""

import contextlib
import errno
import os
import re
import sqlite3
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

__all__ = [
    "AT_FAULT",
    "SIDE_FILES",
    "StorageFault",
    "connect",
    "connect_reading",
    "explained",
    "fault_of",
    "is_created",
    "is_full",
    "make_folder",
    "move_aside",
    "sync_folder",
]

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
