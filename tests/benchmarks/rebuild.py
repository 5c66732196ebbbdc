"""Deriving from the journal again, next to a loop that only reads and decodes the same entries."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import orjson
from tests.benchmarks.figures import Figure
from tests.benchmarks.nodes import NODES, broker, facts, sources, topic
from tests.benchmarks.publisher import payload
from tests.stories.station import Station

from edaphon.clock import SystemClock
from edaphon.derive.deriver import Deriver
from edaphon.journal import Entry, Journal, JournalReader, Kind
from edaphon.series import Series
from edaphon_drivers.readings import pack_message, unpack_message

__all__ = ["TITLE", "figures"]

MESSAGES, ROUNDS = 60_000, 3
FIRST_MS = 1_780_000_000_000
TITLE = f"deriving {MESSAGES:,} entries of 3 readings, next to reading and orjson.loads alone"


def figures(folder: Path) -> list[Figure]:
    _journal(folder)
    bare = [_timed(lambda: _bare(folder)) for _ in range(ROUNDS)]
    whole = [_timed(lambda i=i: _derived(folder, i)) for i in range(ROUNDS)]  # type: ignore[misc]
    rate, loop = MESSAGES / median(whole), MESSAGES / median(bare)
    return [Figure("entries per s of CPU", rate, loop)]


def _timed(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _journal(folder: Path) -> None:
    """A daemon's first start writes configuration and facts; the messages follow."""
    station = Station(folder, [broker(9), sources()], [facts()])
    station.start()
    station.stop()
    received = FIRST_MS * 10**6
    with Journal(station.storage / "journal", SystemClock()) as journal:
        boot = next(e.boot for _, e in journal.scan(kinds={Kind.CLOCK}))
        for i in range(MESSAGES):
            packed = pack_message(topic(i % NODES), payload(i, FIRST_MS + i), 1, False, False)
            entry = Entry(Kind.RECORD, received + i * 10**6, i * 10**6, boot, "local", packed)
            journal.append([entry])


def _bare(folder: Path) -> None:
    for _, entry in JournalReader(folder / "storage" / "journal").scan(kinds={Kind.RECORD}):
        orjson.loads(unpack_message(entry.payload).data)


def _derived(folder: Path, i: int) -> None:
    series = Series(folder / f"series{i}")
    deriver = Deriver(JournalReader(folder / "storage" / "journal"), series, folder / "scratch")
    while deriver.turn():
        pass
    assert series.count() == 3 * MESSAGES
    series.close()
