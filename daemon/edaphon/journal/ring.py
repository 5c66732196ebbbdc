"""The entries committed last, in memory, so that a reader that keeps up reads no file."""

import threading
from collections import deque
from typing import NamedTuple

from edaphon.journal.entry import Entry
from edaphon.model import EntryId

__all__ = ["ENTRY_BYTES", "Ring"]

ENTRY_BYTES = 300  # what an entry without payload takes in memory, roughly


class _Batch(NamedTuple):
    first: EntryId
    last: EntryId
    entries: list[Entry]
    size_bytes: int


class Ring:
    """One run of entries without a hole, the newest at its end."""

    def __init__(self, largest_bytes: int = 8_000_000) -> None:
        self._largest_bytes = largest_bytes
        self._batches: deque[_Batch] = deque()
        self._bytes = 0
        self._behind = EntryId(0, 0)  # the place before the run
        self._lock = threading.Lock()

    def add(self, first: EntryId, entries: list[Entry]) -> None:
        """Entries with the numbers from `first` on."""
        size = sum(len(entry.payload) + ENTRY_BYTES for entry in entries)
        last = EntryId(first.file, first.n + len(entries) - 1)
        with self._lock:
            if not self._goes_on(first):
                self._batches.clear()
                self._bytes, self._behind = 0, EntryId(first.file, first.n - 1)
            self._batches.append(_Batch(first, last, entries, size))
            self._bytes += size
            while self._bytes > self._largest_bytes and len(self._batches) > 1:
                old = self._batches.popleft()
                self._bytes, self._behind = self._bytes - old.size_bytes, old.last

    def after(
        self, sequence: EntryId | None, limit: int, largest_bytes: int
    ) -> list[tuple[EntryId, Entry]] | None:
        """As JournalReader.after; None when what is behind `sequence` is not, or no more, here."""
        fresh: list[_Batch] = []
        with self._lock:
            if not self._covers(sequence):
                return None
            for batch in reversed(self._batches):
                if sequence is not None and batch.last <= sequence:
                    break
                fresh.append(batch)
        found: list[tuple[EntryId, Entry]] = []
        for first, _, entries, _ in reversed(fresh):
            skip = sequence.n - first.n + 1 if sequence and sequence.file == first.file else 0
            start = max(0, skip)
            chosen = entries[start : start + limit - len(found)]
            for n, entry in enumerate(chosen, first.n + start):
                found.append((EntryId(first.file, n), entry))
                largest_bytes -= len(entry.payload)
                if largest_bytes <= 0:
                    return found
            if len(found) == limit:
                break
        return found

    def _goes_on(self, first: EntryId) -> bool:
        """Whether nothing was committed between the run and `first` that never came here."""
        if not self._batches:
            return False
        last = self._batches[-1].last
        return first == (last.file, last.n + 1) or (first.file > last.file and first.n == 1)

    def _covers(self, sequence: EntryId | None) -> bool:
        return bool(self._batches) and (sequence or EntryId(0, 0)) >= self._behind
