"""SQLite files that others hand over: only the tables that are expected, and bounded work.

Such a file can hold views, triggers and generated columns, which are programs, and pages that point
at each other. SQLite's own advice: https://sqlite.org/security.html
"""

import sqlite3
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from edaphon.databases import connect

__all__ = ["ForeignFile", "connect_foreign"]

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
