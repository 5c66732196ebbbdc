"""The state file: set-aside points and notes; it may lag the journal and never leads it."""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from edaphon.journal.files import set_aside

__all__ = ["SetAside", "StateFile"]

_APPLICATION_ID = 0x65646173  # "edas"
_VERSION = 1
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

    A damaged file is set aside and begun anew. Safe to use from several threads.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "state.sqlite"
        self._lock = threading.Lock()
        self._connection = self._open()

    def get(self, key: str, default: Any = None) -> Any:
        """The JSON value kept under that key."""
        row = self._ask("SELECT json FROM note WHERE key = ?", (key,))
        return orjson.loads(row[0][0]) if row else default

    def put(self, key: str, value: Any) -> None:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        self._ask("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, data))

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
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, sql: str, words: tuple[Any, ...]) -> list[Any]:
        with self._lock:
            return self._connection.execute(sql, words).fetchall()

    def _ask_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                self._connection.executemany(sql, rows)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            if self._is_ours(connection):
                return connection
        except sqlite3.OperationalError:
            connection.close()
            raise
        except sqlite3.DatabaseError:
            pass  # not a database, or not a whole one
        connection.close()
        set_aside(self._path)
        connection = self._connect()
        self._is_ours(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5, isolation_level=None, check_same_thread=False)

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Whether the file has our tables; an empty one is given them."""
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        tables = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL"))
        if not tables:
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            for sql in _SCHEMA.values():
                connection.execute(sql)
            return True
        connection.execute("SELECT count(*) FROM note").fetchone()
        (check,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        return (application, tables, check) == (_APPLICATION_ID, _SCHEMA, "ok")
