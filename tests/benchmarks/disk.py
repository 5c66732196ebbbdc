"""Bytes that reach the disk for each entry, as the device counts them and not by the file's size.

Whatever else writes to the device meanwhile is counted too, so the least of some rounds stands.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.nodes import topic
from tests.benchmarks.processes import disk_bytes
from tests.benchmarks.publisher import payload

from edaphon.clock import SystemClock
from edaphon.journal import Entry, EntryId, Journal, Kind
from edaphon_drivers.readings import Turn, pack_exchange, pack_message

__all__ = ["TITLE", "figures"]

TITLE = "bytes written to the disk, each commit synchronised"
SCANS, PROBES, ROUNDS = 60, 20, 3
RATE, SECONDS = 100, 10


def figures(folder: Path) -> list[Figure]:
    scans = _least(folder / "scans", _scans) / (SCANS * PROBES)
    stream = _least(folder / "stream", _stream) / (RATE * SECONDS)
    return [
        Figure(f"per entry, a scan of {PROBES} entries a commit", scans),
        Figure("per reading of it, 3 an entry", scans / 3, 800.0, True),
        Figure(f"per entry at {RATE} entries/s with acknowledgements", stream),
        Figure("per reading of it, 3 an entry", stream / 3, 800.0, True),
    ]


def _least(folder: Path, work: Callable[[Journal], None]) -> int:
    found = []
    for i in range(ROUNDS):
        with Journal(folder / str(i), SystemClock()) as journal:
            work(journal)  # the first pages of a file are written whatever comes
            os.sync()
            before = disk_bytes(folder)
            work(journal)
            os.sync()
            found.append(disk_bytes(folder) - before)
    return min(found)


def _scans(journal: Journal) -> None:
    turns = [
        Turn(0, True, b"0M!"), Turn(21, False, b"00013\r\n"), Turn(980, False, b"0\r\n"),
        Turn(1001, True, b"0D0!"), Turn(1043, False, b"0+2541.37+11.5+120\r\n"),
    ]  # fmt: skip
    packed = pack_exchange(turns)
    for i in range(SCANS):
        entries = [_entry(f"sdi12/{p}", packed, i * 60 * 10**9) for p in range(PROBES)]
        committed = threading.Event()
        journal.append(entries, lambda _, done=committed: done.set())  # type: ignore[misc]
        committed.wait()


def _stream(journal: Journal) -> None:
    begun = time.monotonic()

    def reported(_: list[EntryId]) -> None:
        """A message waits for this."""

    for i in range(RATE * SECONDS):
        time.sleep(max(0.0, begun + i / RATE - time.monotonic()))
        packed = pack_message(topic(i % 20), payload(i, 1_780_000_000_000 + i), 1, False, False)
        journal.append([_entry("local", packed, None)], reported)


def _entry(source: str, packed: bytes, slot_ns: int | None) -> Entry:
    return Entry(Kind.RECORD, time.time_ns(), time.monotonic_ns(), "boot", source, packed, slot_ns)
