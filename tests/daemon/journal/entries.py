"""Entries and clocks for tests of the journal."""

import threading
from pathlib import Path

from edaphon.journal import Entry, EntryId, Journal, JournalReader, Kind

BOOT = "b1946ac9-2492-4d7c-b0f2-3a1f6c7d8e90"
NOON_NS = 1_795_262_400_000_000_000  # 2026-11-21T12:00:00Z


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, wall_ns: int = NOON_NS) -> None:
        self.now_ns = wall_ns

    def wall_ns(self) -> int:
        return self.now_ns

    def mono_ns(self) -> int:
        return self.now_ns - NOON_NS

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        self.now_ns = max(self.now_ns, mono_ns + NOON_NS)
        return stop.is_set()


def record(k: int, payload: bytes | None = None, source: str = "sdi12/a") -> Entry:
    """The k-th of any number of distinct records."""
    data = b"reading %d" % k if payload is None else payload
    return Entry(Kind.RECORD, NOON_NS + k, k, BOOT, source, data, NOON_NS + 60 * k)


def commit(journal: Journal, entries: list[Entry]) -> list[EntryId]:
    """Append and wait for the commit."""
    places: list[EntryId] = []
    done = threading.Event()

    def committed(sequences: list[EntryId]) -> None:
        places.extend(sequences)
        done.set()

    journal.append(entries, committed)
    assert done.wait(20), "no commit within 20 s"
    return places


def everything(journal: JournalReader) -> list[Entry]:
    return [entry for _, entry in journal.scan()]


def journal_file(folder: Path, number: int = 1) -> Path:
    return folder / f"journal-{number:06d}.sqlite"
