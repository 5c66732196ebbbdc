"""The state file: set-aside points and notes; it may lag the journal and never leads it."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import orjson

from edaphon.databases import (
    AT_FAULT,
    StorageFault,
    connect,
    connect_reading,
    fault_of,
    is_created,
    move_aside,
)

_APPLICATION_ID = 0x65646173  # "edas"
_VERSION = 1
TRY_AGAIN_S = 5.0
_T = TypeVar("_T")
_SCHEMA = {
    "note": "CREATE TABLE note (key TEXT PRIMARY KEY, json BLOB NOT NULL) STRICT",
    "set_aside": "CREATE TABLE set_aside (sink TEXT NOT NULL, channel TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL, sequence INTEGER NOT NULL, words TEXT NOT NULL,"
    " tries INTEGER NOT NULL, PRIMARY KEY (sink, channel, time_ns)) STRICT",
}


class SetAside(NamedTuple):
    """A point that a sink refused for good; `sequence` is Sequence.number of its record."""

    sink: str
    channel: str
    time_ns: int
    sequence: int
    words: str
    tries: int = 1


class StateFile:
    """Small facts of the service. Losing them costs work done again, never an observation.

    A damaged file is set aside and a new one made; on a full disk it is kept in memory until there
    is room. Safe to use from several threads.
    """

    def __init__(self, folder: Path) -> None:
        """`moved` says for people what was set aside at the opening, "" if nothing was."""
        folder.mkdir(parents=True, exist_ok=True)
        self.moved = ""
        self._in_memory_since: float | None = None  # [s] of the monotonic clock
        self._path = folder / "state.sqlite"
        self._lock = threading.Lock()
        self._connection = self._open()

    def get(self, key: str, default: Any = None) -> Any:
        """The JSON value kept under that key; the default where there is none, or a damaged one."""
        row = self._ask("SELECT json FROM note WHERE key = ?", (key,))
        try:
            return orjson.loads(row[0][0]) if row else default
        except orjson.JSONDecodeError:
            return default

    def put(self, key: str, value: Any) -> None:
        self.put_all({key: value})

    def put_all(self, values: Mapping[str, Any]) -> None:
        """As `put` for several keys: all of them or none."""
        rows = [(k, orjson.dumps(v, option=orjson.OPT_SORT_KEYS)) for k, v in values.items()]
        self._ask_many("INSERT OR REPLACE INTO note VALUES (?, ?)", rows)

    def remove(self, key: str) -> None:
        self._ask("DELETE FROM note WHERE key = ?", (key,))

    def add_set_aside(self, points: Iterable[SetAside]) -> None:
        """Keep refused points; one that is known already counts another try."""
        self._ask_many(
            "INSERT INTO set_aside VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
            " sequence = excluded.sequence, words = excluded.words, tries = tries + 1",
            points,
        )

    def clear_set_aside(self, sink: str, channel: str, times_ns: Iterable[int]) -> None:
        """An accepted rewrite of these points."""
        self._ask_many(
            "DELETE FROM set_aside WHERE sink = ? AND channel = ? AND time_ns = ?",
            ((sink, channel, time_ns) for time_ns in times_ns),
        )

    def set_aside(self, sink: str, channel: str | None = None) -> list[SetAside]:
        """The points a sink refused, by channel and time."""
        rows = self._ask(
            "SELECT * FROM set_aside WHERE sink = ?1 AND (?2 IS NULL OR channel = ?2)"
            " ORDER BY channel, time_ns",
            (sink, channel),
        )
        return [SetAside(*row) for row in rows]

    def count_set_aside(self, sink: str) -> int:
        rows = self._ask("SELECT count(*) FROM set_aside WHERE sink = ?", (sink,))
        return int(rows[0][0])

    def close(self) -> None:
        with self._lock:
            if self._in_memory_since is not None:
                self._in_memory_since -= TRY_AGAIN_S
                self._return_to_disk()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, sql: str, words: tuple[Any, ...]) -> list[Any]:
        with self._lock:
            return self._done(lambda connection: connection.execute(sql, words).fetchall())

    def _ask_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        known = list(rows)
        with self._lock:
            self._done(lambda connection: _in_one_transaction(connection, sql, known))

    def _done(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The work's result; where the disk takes nothing just now, it is done in memory.

        A disk that failed while the file was opened leaves a connection that only reads.

        A file that turns out to be damaged is set aside, and a new one made.
        """
        self._return_to_disk()
        try:
            return work(self._connection)
        except sqlite3.DatabaseError as error:
            fault = fault_of(error, self._path)
            passing = fault in {StorageFault.FULL, StorageFault.READ_ONLY}
            if self._in_memory_since is not None or not (passing or fault in AT_FAULT):
                raise
            old = self._connection
            if passing:
                self._connection = self._in_memory(old)
                old.close()
            else:
                old.close()  # before: SQLite removes a log by its name, later the new one's
                self._connection = self._begun_again(error)
        return work(self._connection)

    def _begun_again(self, error: sqlite3.Error) -> sqlite3.Connection:
        aside = move_aside(self._path)
        self.moved = f"{error}; it is set aside as {aside.name}, a new one is made"
        return self._opened()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except sqlite3.Error as error:
            fault = fault_of(error, self._path)
            if fault is StorageFault.FULL:
                if not is_created(self._path):
                    return self._in_memory(None)
                with closing(connect_reading(self._path)) as kept:
                    return self._in_memory(kept)
            if fault not in AT_FAULT:
                raise
            return self._begun_again(error)

    def _opened(self) -> sqlite3.Connection:
        connection = connect(self._path, "mode=rwc")
        try:
            _expect_ours(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _in_memory(self, kept: sqlite3.Connection | None) -> sqlite3.Connection:
        """A copy of what the full disk has, until that has room again."""
        self._in_memory_since = time.monotonic()
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _expect_ours(connection)
        if kept is not None:
            _copy_all(kept, connection)
        return connection

    def _return_to_disk(self) -> None:
        """Where it is in memory: write it to the disk, when that has room again."""
        since = self._in_memory_since
        if since is None or time.monotonic() - since < TRY_AGAIN_S:
            return
        self._in_memory_since = time.monotonic()
        with contextlib.suppress(sqlite3.OperationalError):
            connection = self._opened()
            try:
                _copy_all(self._connection, connection)
            except BaseException:
                connection.close()
                raise
            self._connection.close()
            self._connection, self._in_memory_since = connection, None


def _in_one_transaction(
    connection: sqlite3.Connection, sql: str, rows: list[tuple[Any, ...]]
) -> None:
    with connection:
        connection.execute("BEGIN")
        connection.executemany(sql, rows)


def _copy_all(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Replace the rows of all tables, in one transaction."""
    with target:
        target.execute("BEGIN IMMEDIATE")
        for table in _SCHEMA:
            rows = source.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            target.execute(f"DELETE FROM {table}")  # noqa: S608
            if rows:
                places = ", ".join("?" * len(rows[0]))
                target.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608


def _expect_ours(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError for another file; an empty one is given our tables at once."""
    tables = _tables(connection)
    if not tables:
        script = "; ".join(_SCHEMA.values())
        connection.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION_ID};"
            f" PRAGMA user_version = {_VERSION}; {script}; COMMIT;"
        )
        tables = _tables(connection)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if (application, tables) != (_APPLICATION_ID, _SCHEMA):
        raise sqlite3.DatabaseError(f"expected the tables of a state file, got {sorted(tables)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("SELECT count(*) FROM note").fetchone()
    (check,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if check != "ok":
        raise sqlite3.DatabaseError(check)


def _tables(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL"))
