"""The series' file: day blocks, derivations, conflicts, withdrawn points and checkpoints."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edaphon.databases import (
    ForeignFile,
    StorageFault,
    connect,
    connect_foreign,
    fault_of,
    is_created,
)
from edaphon.model import DEMOTED_RANKS, Int
from edaphon.series.parts import (
    DayFile,
    Numbers,
    Totals,
    add_totals,
    by_channel,
    digest_of_parts,
    has_totals,
    kept,
    strange_triggers,
    sum_again,
)
from edaphon.series.reader import (
    APPLICATION_ID,
    BEGIN_NS,
    CRC_OF,
    END_NS,
    OF_DAY,
    TABLES,
    VERSION,
    DamagedBlocks,
    WrongFile,
    not_a_table,
    noting,
    open_reading,
    text_crc,
    version_of,
)
from edaphon.series.rows import Conflict, Contested, Rows, Withdrawal

LARGEST_IDLE_WAL_BYTES = 64_000_000

_TABLES = """
CREATE TABLE block (
  channel TEXT NOT NULL, day INTEGER NOT NULL, n INTEGER NOT NULL,
  passed INTEGER NOT NULL, not_evaluated INTEGER NOT NULL, suspect INTEGER NOT NULL,
  failed INTEGER NOT NULL, missing INTEGER NOT NULL,
  lowest REAL, highest REAL, mean REAL,
  first_change INTEGER NOT NULL, last_change INTEGER NOT NULL,
  digest TEXT NOT NULL, columns BLOB NOT NULL,
  PRIMARY KEY (channel, day)) STRICT, WITHOUT ROWID;
CREATE TABLE derivation (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL)
  STRICT;
CREATE TABLE withdrawn (
  channel TEXT NOT NULL, time_ns INTEGER NOT NULL, change INTEGER NOT NULL,
  PRIMARY KEY (channel, time_ns)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_CONFLICTS = """
CREATE TABLE conflict (
  channel TEXT NOT NULL, time_ns INTEGER NOT NULL, sequence INTEGER NOT NULL,
  rank INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  raw REAL, standing INTEGER NOT NULL, agrees INTEGER NOT NULL,
  PRIMARY KEY (channel, time_ns, sequence, rank, ordinal)) STRICT, WITHOUT ROWID;
"""
_CONFLICTS_2 = """
CREATE TABLE conflict (
  channel TEXT NOT NULL, time_ns INTEGER NOT NULL, sequence INTEGER NOT NULL,
  rank INTEGER NOT NULL, raw REAL, standing INTEGER NOT NULL, agrees INTEGER NOT NULL,
  PRIMARY KEY (channel, time_ns, sequence, rank)) STRICT, WITHOUT ROWID;
"""
# Version 2 had no ordinal: a record had one conflict at a time.
_FROM_2 = f"""
BEGIN IMMEDIATE;
ALTER TABLE conflict RENAME TO conflict_2;
{_CONFLICTS}
INSERT INTO conflict SELECT channel, time_ns, sequence, rank, 0, raw, standing, agrees
  FROM conflict_2;
DROP TABLE conflict_2;
PRAGMA user_version = {VERSION};
COMMIT;
"""  # noqa: S608
_COUNT_CONFLICTS = (
    "SELECT count(*), coalesce(sum(agrees), 0), coalesce(sum(agrees = 0 AND rank >= ?4), 0)"
    " FROM conflict WHERE time_ns >= ?2 AND time_ns < ?3"
)
_OF_CHANNEL = " AND channel = ?1"


class BlockHead(NamedTuple):
    """What is known of a block without reading its columns."""

    channel: str
    day: int
    n: int
    first_change: int
    last_change: int
    digest: str


class SeriesStore(DayFile):
    """Plain reads and writes of the file; `series.py` decides what is written."""

    def __init__(self, path: Path, read_only: bool = False, alone: bool = False) -> None:
        """`alone`: a release, a single file without side files, which others may have made."""
        super().__init__(path)
        self._alone = alone
        self._ordinal = "ordinal"
        self._waiting = False  # for room on the disk, to be written again
        if read_only:  # perhaps of others
            self._db = self._open_reading()
        else:
            self._db = self._open_or_wait()
        self._has_totals = has_totals(self._db)

    def _open_reading(self) -> sqlite3.Connection:
        db = _connect_release(self.path) if self._alone else open_reading(self.path)
        try:
            # A release, or a series that its service has not opened since an update.
            self._ordinal = "ordinal" if _version_of(db, self.path) >= VERSION else "0"
        except BaseException:
            db.close()
            raise
        return db

    def _open_or_wait(self) -> sqlite3.Connection:
        """To write; on a full disk only to read, until there is room again."""
        try:
            return self._open_writing()
        except sqlite3.OperationalError as error:
            if self._alone or fault_of(error, self.path) is not StorageFault.FULL:
                raise
        self._waiting = True
        return self._open_waiting()

    def _open_waiting(self) -> sqlite3.Connection:
        if is_created(self.path):
            return self._open_reading()
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _create(db)
        return db

    def _open_writing(self) -> sqlite3.Connection:
        db = connect(self.path, "mode=rwc")
        try:
            _create(db)
            if _version_of(db, self.path) < VERSION:
                db.executescript(_FROM_2)
            if not self._alone:
                db.execute("PRAGMA journal_mode = WAL")
                if not has_totals(db):  # new, or of an earlier version
                    # On a full disk, or over a damaged page, each answer is counted as before.
                    with suppress(sqlite3.DatabaseError):
                        add_totals(db)
            # What a sink got of values derived again must not be forgotten by a power cut.
            db.execute("PRAGMA synchronous = FULL")
            # Ten years that were derived again leave a long one.
            db.execute(f"PRAGMA journal_size_limit = {LARGEST_IDLE_WAL_BYTES}")
        except BaseException:
            db.close()
            raise
        self._ordinal = "ordinal"
        return db

    @property
    def writing(self) -> bool:
        return self._db.in_transaction

    @noting
    def begin(self) -> None:
        """Raises sqlite3.OperationalError while a full disk leaves no room to write."""
        if self._waiting:
            self._db.close()  # it may keep all others out
            try:
                db = self._open_writing()
            except BaseException:
                self._db = self._open_waiting()
                raise
            self._db, self._waiting, self._has_totals = db, False, has_totals(db)
        self._db.execute("BEGIN IMMEDIATE")

    @noting
    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    @noting
    def heads(self, channel: str | None = None, after_change: int = -1) -> list[BlockHead]:
        """Heads of blocks with a row changed after that change, by channel and day."""
        query = " WHERE last_change > ? AND (?2 IS NULL OR channel = ?2) ORDER BY channel, day"
        return self._heads(query, (after_change, channel))

    @noting
    def next_heads(self, channel: str, day: int) -> list[BlockHead]:
        """Some heads of blocks behind that one, by channel and day: years have many."""
        query = " WHERE (channel, day) > (?, ?) ORDER BY channel, day LIMIT 200"
        return self._heads(query, (channel, day))

    @noting
    def head(self, channel: str, day: int) -> BlockHead | None:
        return next(iter(self._heads(OF_DAY, (channel, day))), None)

    def _heads(self, which: str, words: tuple[object, ...]) -> list[BlockHead]:
        query = f"SELECT {', '.join(BlockHead._fields)} FROM block{which}"  # noqa: S608
        return [BlockHead(*row) for row in self._db.execute(query, words)]

    @noting
    def last_day(self, channel: str) -> int | None:
        query = "SELECT max(day) FROM block WHERE channel = ?"
        found: int | None = self._db.execute(query, (channel,)).fetchone()[0]
        return found

    @noting
    def count(self, channel: str | None) -> int:
        if self._has_totals:
            return kept(self._db, channel)[0]
        query = "SELECT coalesce(sum(n), 0) FROM block WHERE (?1 IS NULL OR channel = ?1)"
        return int(self._db.execute(query, (channel,)).fetchone()[0])

    @noting
    def sound_rows(self, head: BlockHead, ids: Mapping[int, str]) -> Rows | None:
        """All rows of a day; None where they are not those that its digest was made of."""
        try:
            own = [self.part_rows(*head[:2], part.until_ns) for part in self.parts(*head[:2])]
            is_same = own and digest_of_parts(own, ids.__getitem__) == head.digest
        except (DamagedBlocks, KeyError):
            return None
        return np.concatenate(own) if is_same else None

    def is_sound(self, head: BlockHead) -> bool:
        """Whether a block of a file that is written to meanwhile is what it should be."""
        if self.sound_rows(head, self.derivations()) is not None:
            return True
        with self.snapshot():  # it may be another one now, or none
            now, ids = self.head(*head[:2]), self.derivations()
            return now is None or self.sound_rows(now, ids) is not None

    @noting
    def same_numbers(self, channel: str, day: int, rows: Rows) -> bool:
        """Whether a block has the counts, the extremes and the mean of these rows."""
        query = (
            "SELECT n, passed, not_evaluated, suspect, failed, missing, lowest, highest, mean"
            " FROM block WHERE channel = ? AND day = ?"
        )
        found = self._db.execute(query, (channel, day)).fetchone()
        *exact, mean = Numbers.of(rows).of_block
        if found is None or list(found[:-1]) != exact or (found[-1] is None) != (mean is None):
            return False
        # between processors the last digits of a mean may differ
        return mean is None or bool(np.isclose(found[-1], mean, rtol=1e-9, atol=0))

    def add_derivation(self, number: int, id: str, text: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO derivation VALUES (?, ?, ?)", (number, id, text))

    @noting
    def add_conflicts(self, rows: Iterable[Conflict]) -> None:
        query = "INSERT OR REPLACE INTO conflict VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        self._db.executemany(query, rows)

    @noting
    def drop_conflicts(self, channel: str, start_ns: int, end_ns: int) -> None:
        query = "DELETE FROM conflict WHERE channel = ? AND time_ns >= ? AND time_ns < ?"
        self._db.execute(query, (channel, start_ns, end_ns))

    def conflicts(
        self, channel: str | None, start_ns: int = BEGIN_NS, end_ns: int = END_NS
    ) -> Iterator[Conflict]:
        """Those with start_ns <= time < end_ns, by channel, time and their own key."""
        query = (
            f"SELECT channel, time_ns, sequence, rank, {self._ordinal}, raw, standing, agrees"  # noqa: S608
            " FROM conflict WHERE time_ns >= ?2 AND time_ns < ?3"
        )
        query += _OF_CHANNEL if channel is not None else ""
        query += " ORDER BY 1, 2, 3, 4, 5"
        return map(Conflict._make, self._db.execute(query, (channel, start_ns, end_ns)))

    @noting
    def count_conflicts(
        self, channel: str | None, start_ns: int = BEGIN_NS, end_ns: int = END_NS
    ) -> Contested:
        """How many there are of each kind with start_ns <= time < end_ns."""
        if self._has_totals and (start_ns, end_ns) == (BEGIN_NS, END_NS):
            return kept(self._db, channel)[1]
        query = _COUNT_CONFLICTS + (_OF_CHANNEL if channel is not None else "")
        given = (channel, start_ns, end_ns, DEMOTED_RANKS)
        n, repeats, replaced = self._db.execute(query, given).fetchone()
        return Contested(n - repeats - replaced, repeats, replaced)

    def sum_again(self) -> None:
        """Count what `count` and `count_conflicts` answer; within a transaction."""
        if self._has_totals:
            sum_again(self._db)

    def kept_totals(self) -> Totals:
        """Of each channel; counted where no sums are kept."""
        return by_channel(self._db, is_counted=not self._has_totals)

    def totals(self) -> tuple[Totals, Totals]:
        """(what is kept of how many there are, the same counted); both empty where none is kept."""
        if not self._has_totals:
            return {}, {}
        return by_channel(self._db, False), by_channel(self._db, True)

    @noting
    def add_withdrawn(self, channel: str, times_ns: Int, change: int) -> None:
        rows = ((channel, time, change) for time in times_ns.tolist())
        self._db.executemany("INSERT OR REPLACE INTO withdrawn VALUES (?, ?, ?)", rows)

    @noting
    def withdrawn(self, after_change: int) -> list[Withdrawal]:
        """Points withdrawn above that change, by channel and time."""
        query = "SELECT channel, time_ns FROM withdrawn WHERE change > ? ORDER BY channel, time_ns"
        found = self._db.execute(query, (after_change,))
        return [
            Withdrawal(channel, np.fromiter((time for _, time in own), np.int64))
            for channel, own in groupby(found, itemgetter(0))
        ]

    @noting
    def forget_withdrawn(self, up_to_change: int) -> None:
        self._db.execute("DELETE FROM withdrawn WHERE change <= ?", (up_to_change,))

    @noting
    def set_checkpoint(self, name: str, json: str) -> None:
        rows = [name, json]
        if not self._alone:  # a release has digests of its own
            rows += [CRC_OF + name, text_crc(json)]
        places = ", ".join(["(?, ?)"] * (len(rows) // 2))  # both or none
        self._db.execute(f"INSERT OR REPLACE INTO checkpoint VALUES {places}", rows)  # noqa: S608


def _create(db: sqlite3.Connection) -> None:
    """Make the tables of an empty file, all or none: a power cut leaves it empty."""
    if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        return
    if db.execute("PRAGMA application_id").fetchone()[0]:
        return
    db.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID};"
        f" PRAGMA user_version = {VERSION}; {_TABLES + _CONFLICTS} COMMIT;"
    )


def _connect_release(path: Path) -> sqlite3.Connection:
    """Only as one was ever made; raises WrongFile for any other."""
    made = [text.strip() for text in (_TABLES + _CONFLICTS + _CONFLICTS_2).split(";")]
    tables: dict[str, list[str]] = {name: [] for name in TABLES}
    for text in filter(None, made):
        tables[text.split()[2]].append(text)
    try:
        return connect_foreign(path, tables)
    except ForeignFile as error:
        raise WrongFile(str(error)) from None


def _version_of(db: sqlite3.Connection, path: Path) -> int:
    """The same where its triggers may run, which must be ours."""
    version = version_of(db, path)
    if strange := strange_triggers(db):
        raise not_a_table(path, strange[0])
    return version
