"""A storage folder as years leave it: records, day blocks and conflicts, written directly."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import orjson
from tests.benchmarks.nodes import NODES
from tests.stories.station import QUANTITIES

from edaphon.clock import DAY_NS
from edaphon.journal.entry import Entry, Kind, entry_crc, file_numbers, file_path
from edaphon.journal.store import OpenFile, seal
from edaphon.model import EntryId
from edaphon.series.rows import ROW, digest
from edaphon.series.store import SeriesStore

__all__ = ["day_rows", "grow"]

DAY_ROWS = 1440
FILE_ROWS = 1_000_000
STEP = 1000
REPEATED = 100  # one reading of so many came twice with another number
_COPY = (
    "INSERT INTO block SELECT ?, day, n, passed, not_evaluated, suspect, failed, missing, lowest,"
    " highest, mean, first_change, last_change, digest, columns FROM block WHERE channel = ?"
)
_CONFLICTS = (
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?2)"
    " INSERT INTO conflict SELECT ?1, ?3 + i, i, 0, 0, 0.5, 1, 0 FROM k"
)


def grow(storage: Path, readings: int) -> None:
    """Add readings to the folder of a station of `nodes` that ran once and is off.

    The folder is as an earlier version left it, without sums: the next start makes them.
    """
    if readings:
        begin_ns = time.time_ns() // DAY_NS * DAY_NS - DAY_NS
        last = _add_records(storage / "journal", readings, begin_ns)
        _add_blocks(storage, readings, begin_ns, last)
    with closing(sqlite3.connect(storage / "state.sqlite")) as db, db:
        db.execute("DELETE FROM note WHERE key IN ('slot accounts', 'journal summary')")
    with closing(sqlite3.connect(storage / "series.sqlite")) as db, db:
        db.execute("DELETE FROM checkpoint WHERE name LIKE '%slot accounts'")


def _add_records(folder: Path, readings: int, begin_ns: int) -> tuple[EntryId, int]:
    """The place of the last record and its CRC."""
    newest = file_path(folder, file_numbers(folder)[-1])
    file = OpenFile.open(newest)
    number, journal = file.number, file.journal
    file.close()
    seal(newest)
    crc = 0
    for at in range(0, readings, FILE_ROWS):
        number += 1
        n = min(FILE_ROWS, readings - at)
        OpenFile.create(folder, number, journal, time.time_ns()).close()
        path = file_path(folder, number)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("BEGIN")
            db.execute("INSERT INTO name VALUES (1, 'an-earlier-boot'), (2, 'local')")
            for first in range(1, n + 1, STEP):
                rows = [
                    _record(number, k, begin_ns) for k in range(first, min(first + STEP, n + 1))
                ]
                db.executemany("INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)
            crc = rows[-1][9]
            db.execute("COMMIT")
        if at + n < readings:
            seal(path)
    return EntryId(number, n), crc


def _record(file: int, n: int, begin_ns: int) -> tuple[object, ...]:
    time_ns = begin_ns + n * 1_000_000
    payload = b'{"t":%d,"vwc":0.%d}' % (time_ns // 1_000_000, n)
    entry = Entry(Kind.RECORD, time_ns, n, "an-earlier-boot", "local", payload)
    crc = entry_crc(file, n, entry)
    return n, 1, time_ns, n, 1, 2, None, 1, payload, crc, None


def _add_blocks(storage: Path, readings: int, begin_ns: int, last: tuple[EntryId, int]) -> None:
    channels = [f"node{i:02d}-{name}" for i in range(NODES) for name in QUANTITIES]
    days = max(1, readings // (len(channels) * DAY_ROWS))
    with closing(SeriesStore(storage / "series.sqlite")) as store:
        store.begin()
        id = next(iter(store.derivations().values()), "0" * 12)
        store.add_derivation(1, id, "{}")
        for back in range(days):
            rows = day_rows(begin_ns // DAY_NS - back)
            store.put(
                channels[0], int(rows["time_ns"][0] // DAY_NS), rows, digest(rows, lambda _: id)
            )
        for channel in channels[1:]:
            store._db.execute(_COPY, (channel, channels[0]))
        repeated = max(1, readings // REPEATED // len(channels))
        for channel in channels:
            store._db.execute(_CONFLICTS, (channel, repeated, begin_ns))
        store.set_checkpoint("change", "1")
        table = orjson.loads(store.checkpoint("deriver") or "{}")
        place, crc = last
        table |= {"position": place.number, "crc": crc, "newest_ns": begin_ns + DAY_NS}
        state = table["state"]
        state["counts"] |= {"records": readings, "decoded": readings}
        n, more = days * DAY_ROWS, len(channels) * repeated
        state["derived"] = dict.fromkeys(channels, n + more // len(channels))
        store.set_checkpoint("deriver", orjson.dumps(table).decode())
        store.commit()


def day_rows(day: int) -> np.ndarray:
    rows = np.zeros(DAY_ROWS, ROW)
    rows["time_ns"] = day * DAY_NS + np.arange(DAY_ROWS) * 60_000_000_000
    rows["raw"] = rows["value"] = 0.3 + np.random.default_rng(day).normal(0, 0.01, DAY_ROWS)
    rows["u_random"] = rows["u_systematic"] = 0.01
    rows["flag"], rows["derivation"], rows["change"] = 1, 1, 1
    rows["sequence"] = np.arange(DAY_ROWS) + (day << 16)
    return rows
