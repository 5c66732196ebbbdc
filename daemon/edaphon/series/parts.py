"""A day of one channel in its file: the last rows in its block, those before them in pieces.

A part has the rows from the end of the part before it until `until_ns`; the last one, of the block,
has no end. So a day of any size is read and written with some thousand rows in memory.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from edaphon.model import DEMOTED_RANKS
from edaphon.series.reader import (
    BEGIN_NS,
    END_NS,
    OF_DAY,
    VERSION_WITH_PIECES,
    DayPart,
    SeriesFile,
    noting,
)
from edaphon.series.rows import Contested, Rows, digest, overlaid, pack_rows

PIECE_ROWS = 1024  # the last part of a day has less than twice as many
_STEP_ROWS = 4096  # that are laid over the last part at a time

_TABLE = """
CREATE TABLE piece (
  channel TEXT NOT NULL, day INTEGER NOT NULL, until_ns INTEGER NOT NULL, n INTEGER NOT NULL,
  passed INTEGER NOT NULL, not_evaluated INTEGER NOT NULL, suspect INTEGER NOT NULL,
  failed INTEGER NOT NULL, missing INTEGER NOT NULL,
  lowest REAL, highest REAL, numbers INTEGER NOT NULL, sum REAL NOT NULL,
  first_change INTEGER NOT NULL, last_change INTEGER NOT NULL,
  digest TEXT NOT NULL, columns BLOB NOT NULL,
  PRIMARY KEY (channel, day, until_ns)) STRICT, WITHOUT ROWID
"""
Name = Callable[[int], str]


class Numbers(NamedTuple):
    """How many rows there are, of each flag too, and of their values the extremes and the sum."""

    n: int
    flags: tuple[int, ...]
    lowest: float | None
    highest: float | None
    numbers: int
    sum: float

    @classmethod
    def of(cls, rows: Rows) -> "Numbers":
        flags = np.bincount(rows["flag"], minlength=10)
        counts = tuple(int(flags[flag]) for flag in (1, 2, 3, 4, 9))
        number = rows["value"][~np.isnan(rows["value"])]
        if not len(number):
            return cls(len(rows), counts, None, None, 0, 0.0)
        ends = float(number.min()), float(number.max())
        return cls(len(rows), counts, *ends, len(number), float(number.sum()))

    def with_pieces(self, sums: Iterable[int]) -> "Numbers":
        """The numbers of the last part with those of all pieces."""
        n, *flags, lowest, highest, numbers, total = sums
        lows = [low for low in (self.lowest, lowest) if low is not None]
        highs = [high for high in (self.highest, highest) if high is not None]
        return Numbers(
            self.n + n,
            tuple(a + b for a, b in zip(self.flags, flags, strict=True)),
            min(lows, default=None),
            max(highs, default=None),
            self.numbers + numbers,
            self.sum + total,
        )

    @property
    def of_block(self) -> list[int | float | None]:
        """As a block states them, with the mean."""
        mean = self.sum / self.numbers if self.numbers else None
        return [self.n, *self.flags, self.lowest, self.highest, mean]


class DayFile(SeriesFile):
    """Writes the days of a series; `name` gives the id of a derivation's number."""

    @noting
    def merge(self, channel: str, day: int, rows: Rows, name: Name) -> None:
        """Rows in the order of time, each in the place of that of its time, if there is one."""
        last = self.part_rows(channel, day)
        for part in self.parts(channel, day) or [DayPart(BEGIN_NS, END_NS, 0)]:
            begin, end = np.searchsorted(rows["time_ns"], [part.from_ns, part.until_ns])
            if part.until_ns == END_NS:
                last = self._with_last(channel, day, last, rows[begin:end], name)
            elif begin < end:
                merged = overlaid(self.part_rows(channel, day, part.until_ns), rows[begin:end])
                self.put_part(channel, day, part.until_ns, merged, name)
        self.put_last(channel, day, last, name)

    def _with_last(self, channel: str, day: int, last: Rows, rows: Rows, name: Name) -> Rows:
        """The last part with these rows; what it leaves before it is put in pieces on the way."""
        last_ns = last["time_ns"][-1] if len(last) else BEGIN_NS
        late = int(np.searchsorted(rows["time_ns"], last_ns, side="right"))
        last, rows = overlaid(last, rows[:late]), rows[late:]
        while True:
            last = overlaid(last, rows[:_STEP_ROWS])
            last, rows = self._cut(channel, day, last, name), rows[_STEP_ROWS:]
            if not len(rows):
                return last

    @noting
    def put_part(
        self, channel: str, day: int, until_ns: int, rows: Rows, name: Name
    ) -> Rows | None:
        """Replace a part, in pieces if it is long; of the last part its end, to be put last.

        Without rows there is no piece: the next part begins where it began.
        """
        rows = self._cut(channel, day, rows, name)
        if until_ns == END_NS:
            return rows
        if len(rows):
            self._put_piece(channel, day, until_ns, rows, name)
        else:
            query = f"DELETE FROM piece{OF_DAY} AND until_ns = ?"  # noqa: S608
            self._db.execute(query, (channel, day, until_ns))
        return None

    def _cut(self, channel: str, day: int, rows: Rows, name: Name) -> Rows:
        """Put pieces of rows until less than two are left."""
        while len(rows) >= 2 * PIECE_ROWS:
            piece, rows = rows[:PIECE_ROWS], rows[PIECE_ROWS:]
            self._put_piece(channel, day, int(rows["time_ns"][0]), piece, name)
        return rows

    def _put_piece(self, channel: str, day: int, until_ns: int, rows: Rows, name: Name) -> None:
        if not self._has_pieces:
            self._db.execute(_TABLE)
            self._db.execute(f"PRAGMA user_version = {VERSION_WITH_PIECES}")
        n, flags, *values = Numbers.of(rows)
        words = n, *flags, *values, *_changes(rows), digest(rows, name), pack_rows(rows)
        self._put("piece", channel, day, until_ns, *words)

    @noting
    def put_last(self, channel: str, day: int, rows: Rows, name: Name) -> None:
        """Replace a day's last part, whose block states the sums of all; a day without any goes."""
        own, ends, hashed = Numbers.of(rows), _changes(rows), digest(rows, name)
        if self._has_pieces:
            count, *sums, first, last = self._piece_sums(channel, day)
            if count:
                own, ends = own.with_pieces(sums), (min(ends[0], first), max(ends[1], last))
                query = f"SELECT digest FROM piece{OF_DAY} ORDER BY until_ns"  # noqa: S608
                found = self._db.execute(query, (channel, day))
                hashed = _chained([*(row[0] for row in found), hashed])
        if own.n:
            self._put("block", channel, day, *own.of_block, *ends, hashed, pack_rows(rows))
        else:
            self._db.execute(f"DELETE FROM block{OF_DAY}", (channel, day))  # noqa: S608

    @noting
    def put(self, channel: str, day: int, rows: Rows, hashed: str) -> None:
        """Write a day without pieces in one block, however large it is; with its digest."""
        own = Numbers.of(rows).of_block
        self._put("block", channel, day, *own, *_changes(rows), hashed, pack_rows(rows))

    def _put(self, table: str, *words: object) -> None:
        marks = ", ".join("?" * len(words))
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", words)  # noqa: S608


def _changes(rows: Rows) -> tuple[int, int]:
    """The first and last change of rows; those of none are beyond every other."""
    changes = rows["change"]
    return (int(changes.min()), int(changes.max())) if len(rows) else (END_NS, 0)


def digest_of_parts(found: list[Rows], name: Name) -> str:
    """What the block of a day says that was written in these parts."""
    digests = [digest(rows, name) for rows in found]
    return digests[0] if len(digests) == 1 else _chained(digests)


def _chained(digests: list[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


Totals = dict[str, tuple[int, Contested]]  # by channel: current rows, and what does not stand

_TOTALS_TABLE = """
CREATE TABLE total (
  channel TEXT PRIMARY KEY, n INTEGER NOT NULL, conflicts INTEGER NOT NULL,
  repeats INTEGER NOT NULL, replaced INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
_KINDS = (
    ("conflicts", f"agrees = 0 AND {{row}}rank < {DEMOTED_RANKS}"),
    ("repeats", "agrees"),
    ("replaced", f"agrees = 0 AND {{row}}rank >= {DEMOTED_RANKS}"),
)
_COUNT = f"""
SELECT channel, sum(n), sum(conflicts), sum(repeats), sum(replaced) FROM (
  SELECT channel, sum(n) AS n, 0 AS conflicts, 0 AS repeats, 0 AS replaced
    FROM block GROUP BY channel
  UNION ALL
  SELECT channel, 0, sum(agrees = 0 AND rank < {DEMOTED_RANKS}), sum(agrees),
    sum(agrees = 0 AND rank >= {DEMOTED_RANKS}) FROM conflict GROUP BY channel)
GROUP BY channel
"""  # noqa: S608
_NAMES = "n, conflicts, repeats, replaced"
_KNOWN = (
    "INSERT INTO total SELECT NEW.channel, 0, 0, 0, 0"
    " WHERE NOT EXISTS (SELECT 1 FROM total WHERE channel = NEW.channel);"
)


def add_totals(db: sqlite3.Connection) -> None:
    """Sum what is there and keep the sums from now on: one transaction, once for each file."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        db.execute(_TOTALS_TABLE)
        for trigger in _triggers():
            db.execute(trigger)
        db.execute(f"INSERT INTO total {_COUNT}")


def sum_again(db: sqlite3.Connection) -> None:
    """Put what is counted in the place of what is kept; within a transaction."""
    db.execute("DELETE FROM total")
    db.execute(f"INSERT INTO total {_COUNT}")


def has_totals(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'total'").fetchone() is not None


def kept(db: sqlite3.Connection, channel: str | None) -> tuple[int, Contested]:
    """Of one channel, or of all."""
    query = "SELECT " + ", ".join(f"coalesce(sum({name}), 0)" for name in _NAMES.split(", "))
    query += " FROM total" + ("" if channel is None else " WHERE channel = ?")
    n, *lost = db.execute(query, () if channel is None else (channel,)).fetchone()
    return int(n), Contested(*lost)


def by_channel(db: sqlite3.Connection, is_counted: bool) -> Totals:
    """The sums of channels that have any: counted from all rows, or as they are kept."""
    query = _COUNT if is_counted else f"SELECT channel, {_NAMES} FROM total"  # noqa: S608
    found = {channel: (n, Contested(*lost)) for channel, n, *lost in db.execute(query)}
    return {channel: own for channel, own in found.items() if own != (0, Contested())}


def _triggers() -> list[str]:
    """REPLACE removes a row without a trigger: what it replaces is subtracted before."""
    of_block = "channel = NEW.channel AND day = NEW.day"
    key = ("channel", "time_ns", "sequence", "rank", "ordinal")
    of_conflict = " AND ".join(f"{name} = NEW.{name}" for name in key)
    block = (
        f"UPDATE total SET n = n + NEW.n - coalesce((SELECT n FROM block WHERE {of_block}), 0)"  # noqa: S608
        " WHERE channel = NEW.channel;"
    )
    plus = ", ".join(f"{name} = {name} + ({_of('NEW', is_one)})" for name, is_one in _KINDS)
    replaced = (
        f"{name} = {name} - (SELECT count(*) FROM conflict WHERE {of_conflict}"  # noqa: S608
        f" AND {is_one.format(row='')})"
        for name, is_one in _KINDS
    )
    minus = ", ".join(f"{name} = {name} - ({_of('OLD', is_one)})" for name, is_one in _KINDS)
    return [
        f"CREATE TRIGGER block_comes BEFORE INSERT ON block BEGIN {_KNOWN} {block} END",
        "CREATE TRIGGER block_goes BEFORE DELETE ON block BEGIN"
        " UPDATE total SET n = n - OLD.n WHERE channel = OLD.channel; END",
        f"CREATE TRIGGER conflict_comes BEFORE INSERT ON conflict BEGIN {_KNOWN}"  # noqa: S608
        f" UPDATE total SET {', '.join(replaced)} WHERE channel = NEW.channel;"
        f" UPDATE total SET {plus} WHERE channel = NEW.channel; END",
        "CREATE TRIGGER conflict_goes BEFORE DELETE ON conflict BEGIN"  # noqa: S608
        f" UPDATE total SET {minus} WHERE channel = OLD.channel; END",
    ]


def strange_triggers(db: sqlite3.Connection) -> list[str]:
    """Triggers that are not ours: they would run with each change."""
    own = set(_triggers())
    found = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    return [str(name) for name, sql in found if sql not in own]


def _of(row: str, is_one: str) -> str:
    return f"{row}.{is_one.format(row=f'{row}.')}"
