"""A day of one channel in its file: the last rows in its block, those before them in pieces.

A part has the rows from the end of the part before it until `until_ns`; the last one, of the block,
has no end. So a day of any size is read and written with some thousand rows in memory.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from edaphon.series.reader import (
    BEGIN_NS,
    END_NS,
    OF_DAY,
    VERSION_WITH_PIECES,
    Part,
    has_pieces,
    part_rows,
    parts,
    piece_sums,
)
from edaphon.series.rows import Rows, digest, overlaid, pack_rows

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


def merge_into(db: sqlite3.Connection, channel: str, day: int, rows: Rows, name: Name) -> None:
    """Rows in the order of time, each in the place of that of its time, if there is one."""
    last = part_rows(db, channel, day, END_NS)
    for part in parts(db, channel, day) or [Part(BEGIN_NS, END_NS, 0)]:
        begin, end = np.searchsorted(rows["time_ns"], [part.from_ns, part.until_ns])
        if part.until_ns == END_NS:
            last = _merge_into_last(db, channel, day, last, rows[begin:end], name)
        elif begin < end:
            merged = overlaid(part_rows(db, channel, day, part.until_ns), rows[begin:end])
            put_part(db, channel, day, part.until_ns, merged, name)
    put_last(db, channel, day, last, name)


def _merge_into_last(
    db: sqlite3.Connection, channel: str, day: int, last: Rows, rows: Rows, name: Name
) -> Rows:
    """The last part with these rows; what it leaves before it is put in pieces on the way."""
    last_ns = last["time_ns"][-1] if len(last) else BEGIN_NS
    late = int(np.searchsorted(rows["time_ns"], last_ns, side="right"))
    last, rows = overlaid(last, rows[:late]), rows[late:]
    while True:
        last = overlaid(last, rows[:_STEP_ROWS])
        last, rows = _cut(db, channel, day, last, name), rows[_STEP_ROWS:]
        if not len(rows):
            return last


def put_part(
    db: sqlite3.Connection, channel: str, day: int, until_ns: int, rows: Rows, name: Name
) -> Rows | None:
    """Replace a part, in pieces if it is long; the end of the last one is returned, to be put last.

    Without rows there is no piece: the next part begins where it began.
    """
    rows = _cut(db, channel, day, rows, name)
    if until_ns == END_NS:
        return rows
    if len(rows):
        _put_piece(db, channel, day, until_ns, rows, name)
    else:
        db.execute(f"DELETE FROM piece{OF_DAY} AND until_ns = ?", (channel, day, until_ns))  # noqa: S608
    return None


def _cut(db: sqlite3.Connection, channel: str, day: int, rows: Rows, name: Name) -> Rows:
    """Put pieces of rows until less than two are left."""
    while len(rows) >= 2 * PIECE_ROWS:
        piece, rows = rows[:PIECE_ROWS], rows[PIECE_ROWS:]
        _put_piece(db, channel, day, int(rows["time_ns"][0]), piece, name)
    return rows


def put_last(db: sqlite3.Connection, channel: str, day: int, rows: Rows, name: Name) -> None:
    """Replace a day's last part, whose block says how many rows all parts have."""
    changes = rows["change"]
    ends = (int(changes.min()), int(changes.max())) if len(rows) else (END_NS, 0)
    own, hashed = numbers_of(rows), digest(rows, name)
    if has_pieces(db):
        count, n, *sums = piece_sums(db, channel, day)
        if count:
            own = _added(own, n, sums)
            ends = min(ends[0], sums[-2]), max(ends[1], sums[-1])
            hashed = _chained([*_piece_digests(db, channel, day), hashed])
    if not own.n:
        db.execute(f"DELETE FROM block{OF_DAY}", (channel, day))  # noqa: S608
        return
    mean = own.sum / own.numbers if own.numbers else None
    words: list[object] = [own.n, *own.flags, own.lowest, own.highest, mean, *ends]
    words += [hashed, pack_rows(rows)]
    marks = ", ".join("?" * 15)
    db.execute(f"INSERT OR REPLACE INTO block VALUES ({marks})", [channel, day, *words])  # noqa: S608


def numbers_of(rows: Rows) -> Numbers:
    flags = np.bincount(rows["flag"], minlength=10)
    counts = tuple(int(flags[flag]) for flag in (1, 2, 3, 4, 9))
    number = rows["value"][~np.isnan(rows["value"])]
    if not len(number):
        return Numbers(len(rows), counts, None, None, 0, 0.0)
    ends = float(number.min()), float(number.max())
    return Numbers(len(rows), counts, *ends, len(number), float(number.sum()))


def digest_of_parts(found: list[Rows], name: Name) -> str:
    """What the block of a day says that was written in these parts."""
    digests = [digest(rows, name) for rows in found]
    return digests[0] if len(digests) == 1 else _chained(digests)


def _put_piece(
    db: sqlite3.Connection, channel: str, day: int, until_ns: int, rows: Rows, name: Name
) -> None:
    if not has_pieces(db):
        db.execute(_TABLE)
        db.execute(f"PRAGMA user_version = {VERSION_WITH_PIECES}")
    own, changes = numbers_of(rows), rows["change"]
    words: list[object] = [own.n, *own.flags, own.lowest, own.highest, own.numbers, own.sum]
    words += [int(changes.min()), int(changes.max()), digest(rows, name), pack_rows(rows)]
    marks = ", ".join("?" * 17)
    db.execute(
        f"INSERT OR REPLACE INTO piece VALUES ({marks})",  # noqa: S608
        [channel, day, until_ns, *words],
    )


def _added(own: Numbers, n: int, sums: list[int]) -> Numbers:
    """The numbers of the last part with those of all pieces."""
    *flags, lowest, highest, numbers, total, _, _ = sums
    lows = [low for low in (own.lowest, lowest) if low is not None]
    highs = [high for high in (own.highest, highest) if high is not None]
    return Numbers(
        own.n + n,
        tuple(a + b for a, b in zip(own.flags, flags, strict=True)),
        min(lows, default=None),
        max(highs, default=None),
        own.numbers + numbers,
        own.sum + total,
    )


def _piece_digests(db: sqlite3.Connection, channel: str, day: int) -> Iterator[str]:
    query = f"SELECT digest FROM piece{OF_DAY} ORDER BY until_ns"  # noqa: S608
    return (row[0] for row in db.execute(query, (channel, day)))


def _chained(digests: list[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]
