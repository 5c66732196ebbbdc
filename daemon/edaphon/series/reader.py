"""Reading the file of the series, whoever writes it: rows of a channel by time, and checkpoints."""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, Self, TypeVar

import numpy as np

from edaphon.clock import DAY_NS
from edaphon.databases import AT_FAULT, connect_reading, fault_of
from edaphon.model import Observations
from edaphon.series.rows import Rows, no_rows, runs_of, unpack_rows

APPLICATION_ID = 0x65645365  # "edSe"
VERSION = 3  # of a file without pieces
VERSION_WITH_PIECES = 4  # an earlier program would miss the pieces: it must not open the file
OLDEST_VERSION = 2  # its conflicts have no ordinal
TABLES = ("block", "derivation", "conflict", "withdrawn", "checkpoint")
CRC_OF = "crc32 of "  # a checkpoint has another one with its CRC: SQLite has none of its pages
LARGEST_VALUE_BYTES = 300_000_000  # a day of the most rows, hardly packed
OF_DAY = " WHERE channel = ? AND day = ?"
_PIECE_SUMS = (
    "SELECT count(*), coalesce(sum(n), 0), coalesce(sum(passed), 0),"
    " coalesce(sum(not_evaluated), 0), coalesce(sum(suspect), 0), coalesce(sum(failed), 0),"
    " coalesce(sum(missing), 0), min(lowest), max(highest), coalesce(sum(numbers), 0),"
    " coalesce(sum(sum), 0.0), min(first_change), max(last_change) FROM piece"
)
BEGIN_NS, END_NS = -(2**63), 2**63 - 1
_P = ParamSpec("_P")
_T = TypeVar("_T")
_S = TypeVar("_S", bound="SeriesFile")


class DamagedBlocks(sqlite3.DatabaseError):
    """Rows of a day that are not what was written."""


class WrongFile(Exception):
    """A file at the place of the series that is not one, or is of a later version."""


class DayPart(NamedTuple):
    """Rows with from_ns <= time < until_ns; `last_change` is none below that of its rows."""

    from_ns: int
    until_ns: int
    last_change: int


class Extent(NamedTuple):
    """How many rows a channel has, and the times of the first and last [UTC ns]; None: none."""

    n: int = 0
    first_ns: int | None = None
    last_ns: int | None = None


def noting(method: Callable[Concatenate[_S, _P], _T]) -> Callable[Concatenate[_S, _P], _T]:
    """With `damage` set where the file turns out to be at fault."""

    @wraps(method)
    def noted(file: _S, /, *words: _P.args, **named: _P.kwargs) -> _T:
        try:
            return method(file, *words, **named)
        except sqlite3.DatabaseError as error:
            if fault_of(error, file.path) in AT_FAULT:
                file.damage = file.damage or str(error)
            raise

    return noted


class SeriesFile:
    """What stands in the file of a series, read alike by its writer and by all others."""

    _db: sqlite3.Connection

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""  # what was found, once the file turned out to be damaged

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read within is of one moment, whatever others write meanwhile."""
        if self._db.in_transaction:
            yield
            return
        with self._db:
            self._db.execute("BEGIN")
            yield

    def derivations(self) -> dict[int, str]:
        """The id of each by its number in the rows."""
        return dict(self._db.execute("SELECT number, id FROM derivation"))

    @noting
    def derivation_text(self, id: str) -> str | None:
        """What a derivation's hash was made of, as JSON."""
        row = self._db.execute("SELECT text FROM derivation WHERE id = ?", (id,)).fetchone()
        return row[0] if row else None

    @noting
    def days(self, channel: str, first: int, last: int) -> list[int]:
        query = "SELECT day FROM block WHERE channel = ? AND day BETWEEN ? AND ? ORDER BY day"
        return [row[0] for row in self._db.execute(query, (channel, first, last))]

    @noting
    def parts(self, channel: str, day: int) -> list[DayPart]:
        """The parts of a day in the order of time; none where it has no rows."""
        query = "SELECT last_change FROM block" + OF_DAY  # noqa: S608
        block = self._db.execute(query, (channel, day)).fetchone()
        if block is None:
            return []
        found, from_ns = [], BEGIN_NS
        if self._has_pieces:
            query = f"SELECT until_ns, last_change FROM piece{OF_DAY} ORDER BY until_ns"  # noqa: S608
            for until_ns, change in self._db.execute(query, (channel, day)):
                found.append(DayPart(from_ns, until_ns, change))
                from_ns = until_ns
        return [*found, DayPart(from_ns, END_NS, block[0])]

    @noting
    def part_rows(self, channel: str, day: int, until_ns: int = END_NS) -> Rows:
        """The rows of one part; none where it is not there.

        Those of the last part are known by what the block counts: read them before pieces are put.
        Raises DamagedBlocks where they are not what was written.
        """
        words = f"the rows of {channel} on {np.datetime64(day, 'D')} are"
        try:
            rows = self._unpacked(channel, day, until_ns)
        except (zlib.error, ValueError, TypeError) as error:
            raise DamagedBlocks(f"{words} damaged: {error}") from None
        if len(rows) and {int(t) // DAY_NS for t in rows["time_ns"][[0, -1]]} != {day}:
            raise DamagedBlocks(f"{words} of another day: damaged")
        return rows

    def _unpacked(self, channel: str, day: int, until_ns: int) -> Rows:
        if until_ns != END_NS:
            if not self._has_pieces:
                return no_rows()
            query = f"SELECT columns, n FROM piece{OF_DAY} AND until_ns = ?"  # noqa: S608
            found = self._db.execute(query, (channel, day, until_ns)).fetchone()
            return unpack_rows(*found) if found else no_rows()
        query = f"SELECT columns, n FROM block{OF_DAY}"  # noqa: S608
        found = self._db.execute(query, (channel, day)).fetchone()
        if found is None:
            return no_rows()
        in_pieces = self._piece_sums(channel, day)[1] if self._has_pieces else 0
        return unpack_rows(found[0], found[1] - in_pieces)

    @property
    def _has_pieces(self) -> bool:
        query = "SELECT 1 FROM sqlite_schema WHERE name = 'piece'"
        return self._db.execute(query).fetchone() is not None

    def _piece_sums(self, channel: str, day: int) -> tuple[int, ...]:
        row: tuple[int, ...] = self._db.execute(_PIECE_SUMS + OF_DAY, (channel, day)).fetchone()
        return row

    @noting
    def checkpoint(self, name: str) -> str | None:
        """Raises sqlite3.DatabaseError where it is not what was written."""
        # One question, as another process may write both between two.
        query = "SELECT name, json FROM checkpoint WHERE name IN (?, ?)"
        found: dict[str, str] = dict(self._db.execute(query, (name, CRC_OF + name)))
        json, crc = found.get(name), found.get(CRC_OF + name)
        if crc is not None and (json is None or crc != text_crc(json)):
            raise sqlite3.DatabaseError(f"the checkpoint {name} is not what was written: damaged")
        return json

    def check_checkpoints(self) -> None:
        """Raises sqlite3.DatabaseError where one is not what was written."""
        for (name,) in self._db.execute("SELECT name FROM checkpoint").fetchall():
            if not name.startswith(CRC_OF):
                self.checkpoint(name)


class SeriesReader(SeriesFile):
    """Reads the rows of a series; nothing is written, and nothing but rows is known."""

    def __init__(self, path: Path) -> None:
        """Raises WrongFile, sqlite3.Error or OSError for a file that can't be read."""
        super().__init__(path)
        self._db = open_reading(path)
        try:
            version_of(self._db, path)
            self.check_checkpoints()
            self.derivations()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def runs(self, channel: str, start_ns: int, end_ns: int) -> Iterator[Observations]:
        """With start_ns <= time < end_ns, in the order of time; a part of a day at a time."""
        with self.snapshot():
            names = self.derivations()
            for day in self.days(channel, start_ns // DAY_NS, (end_ns - 1) // DAY_NS):
                for part in self.parts(channel, day):
                    if start_ns < part.until_ns and part.from_ns < end_ns:
                        rows = self.part_rows(channel, day, part.until_ns)
                        inside = (rows["time_ns"] >= start_ns) & (rows["time_ns"] < end_ns)
                        yield from runs_of(channel, rows[inside], names.__getitem__)

    def extent(self, channel: str) -> Extent:
        query = "SELECT sum(n), min(day), max(day) FROM block WHERE channel = ?"
        n, first, last = self._db.execute(query, (channel,)).fetchone()
        if not n:
            return Extent()
        begin = self.part_rows(channel, first, self.parts(channel, first)[0].until_ns)
        parts = reversed(self.parts(channel, last))
        ends = (self.part_rows(channel, last, part.until_ns) for part in parts)
        end = next(rows for rows in ends if len(rows))
        return Extent(int(n), int(begin["time_ns"][0]), int(end["time_ns"][-1]))


def text_crc(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def open_reading(path: Path) -> sqlite3.Connection:
    """A series, perhaps of others, to read; raises sqlite3.Error or OSError."""
    db = connect_reading(path)
    try:
        db.execute("PRAGMA query_only = 1")
        db.execute("PRAGMA trusted_schema = 0")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE_BYTES)
    except BaseException:
        db.close()
        raise
    return db


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """The version of a series; raises WrongFile for a file that is none, or not a whole one."""
    found = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if found != APPLICATION_ID or not OLDEST_VERSION <= (version or 0) <= VERSION_WITH_PIECES:
        raise WrongFile(
            f"expected a series of version {VERSION} or {VERSION_WITH_PIECES}, found application"
            f" id {found or 0:#x}, version {version} in {path.name}; move the file away and run "
            f"`edaphon rebuild`"
        )
    kinds = dict(db.execute("SELECT name, type FROM sqlite_schema WHERE type <> 'trigger'"))
    if wrong := [name for name in TABLES if kinds.get(name) != "table"]:
        got = kinds.get(wrong[0], "nothing")
        raise WrongFile(f"expected tables in {path.name}, got {got} as {wrong[0]}")
    if programs := [name for name, kind in kinds.items() if kind not in {"table", "index"}]:
        raise not_a_table(path, programs[0])
    return int(version)


def not_a_table(path: Path, program: str) -> WrongFile:
    return WrongFile(f"expected tables in {path.name}, got {program} too, which is none")
