"""The journal: one writer, group commits, and what was committed is what may be promised."""

import contextlib
import logging
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Self

from edaphon.clock import Clock
from edaphon.databases import StorageFault, make_folder
from edaphon.journal.entry import Entry, Kind
from edaphon.journal.files import take_lock
from edaphon.journal.origin import Origin
from edaphon.journal.reader import LARGEST_READ_BYTES, JournalReader
from edaphon.journal.ring import ENTRY_BYTES, Ring
from edaphon.journal.store import Store
from edaphon.journal.summary import summed
from edaphon.journal.writer import JournalClosed, Waiting, Writer
from edaphon.model import EntryId

__all__ = ["Journal"]

_INTEGERS = struct.Struct("<BqqqB")
_log = logging.getLogger(__name__)


class Journal(JournalReader):
    """The one writer of a journal folder, and its reading side with the newest in memory."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        largest_bytes: int = 256_000_000,
        on_trouble: Callable[[str], None] = _log.warning,
        on_full: Callable[[], bool] = lambda: False,
        reached: EntryId | None = None,
    ) -> None:
        super().__init__(folder)
        make_folder(folder)
        self._lock = take_lock(folder)
        try:
            self._store = Store(folder, clock, largest_bytes, on_trouble, reached)
            # A full disk at start is trouble like a full disk later: the writer tries again.
            with contextlib.suppress(sqlite3.OperationalError, OSError):
                self._store.start()
        except BaseException:
            os.close(self._lock)
            raise
        self._ring = Ring()
        self._known: set[str] = set()
        self._newer = threading.Condition()
        self._last = super().last
        self._rare: Collection[Kind] = ()
        self._writer = Writer(self._store, folder, self._committed, on_trouble, on_full)
        self._writer.start()

    @classmethod
    def open(
        cls,
        folder: Path,
        clock: Clock,
        largest_bytes: int = 256_000_000,
        on_trouble: Callable[[str], None] = _log.warning,
        on_full: Callable[[], bool] = lambda: False,
        reached: EntryId | None = None,
    ) -> Self:
        """Take the writer's lock, set damaged files aside, start the writer's thread.

        `reached` is the last place that others know to have been committed: where the files end
        before it, that is declared as lost and the numbers go on in a new file.

        Raises JournalBusy when another process writes, JournalTooNew for a later format. Nothing
        else is fatal. `on_trouble` is told once when commits fail and once when they work again;
        `on_full` is asked to make room on a full disk, and says whether it did.
        """
        return cls(folder, clock, largest_bytes, on_trouble, on_full, reached)

    @property
    def id(self) -> str:
        """The journal's random id, 32 hex digits: another one on another machine."""
        return self._store.id

    @property
    def origin(self) -> Origin:
        """The machine that it belongs to, and how it is named there."""
        return self._store.origin

    @property
    def last(self) -> EntryId | None:
        """The newest committed entry's place; None in an empty journal."""
        return self._last

    @property
    def alive(self) -> bool:
        """Whether the writer's thread runs; for the watchdog."""
        return self._writer.alive

    @property
    def in_trouble(self) -> bool:
        """Commits fail just now; entries wait in memory."""
        return self._writer.in_trouble

    @property
    def fault(self) -> StorageFault | None:
        """Why commits fail just now; None while they do not."""
        return self._writer.fault

    def append(
        self,
        entries: list[Entry],
        done: Callable[[list[EntryId]], None] | None = None,
        mids: list[int | None] | None = None,
    ) -> None:
        """Queue entries for the next commit; `done` is called after it, in the writer's thread.

        Returns at once, unless 32 MB wait already: then it waits for room, as backpressure.
        `done` with no entries is called once all that came before is committed. `mids` are the
        packet identifiers of MQTT deliveries, kept in the same transaction. Raises ValueError for
        an entry that no row can hold and JournalClosed after close().
        """
        size = 0
        for entry in entries:
            self._check(entry)
            size += len(entry.payload) + ENTRY_BYTES
        self._writer.append(Waiting(entries, mids or [None] * len(entries), done, size))

    def append_now(self, entry: Entry) -> EntryId:
        """Append and wait for the commit; JournalClosed when close() gave it up."""
        places: list[EntryId] = []
        committed = threading.Event()

        def done(sequences: list[EntryId]) -> None:
            places.extend(sequences)
            committed.set()

        self.append([entry], done)
        while not committed.wait(0.5):
            if not self._writer.alive and not committed.is_set():
                raise JournalClosed("the journal was closed before this entry was committed")
        return places[0]

    def after(
        self, sequence: EntryId | None, limit: int, largest_bytes: int = LARGEST_READ_BYTES
    ) -> list[tuple[EntryId, Entry]]:
        """As JournalReader.after, from memory when the reader keeps up."""
        if sequence == self._last:
            return []
        found = self._ring.after(sequence, limit, largest_bytes)
        return super().after(sequence, limit, largest_bytes) if found is None else found

    def summarise(
        self,
        kept: Any,
        rare: Collection[Kind],
        keep: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        """Know the summary from now on: of one that was kept, of what is behind it, of each commit.

        Called once, before the first append. `keep` is handed it where summing takes long.
        """
        self._rare = rare
        self.summary = summed(self, kept, rare, keep)

    def wait_newer(self, sequence: EntryId | None, timeout_s: float) -> bool:
        """Wait until an entry behind `sequence` is committed; False when the time is up."""
        end = time.monotonic() + timeout_s
        with self._newer:
            while not self._is_newer(sequence):
                left_s = end - time.monotonic()
                if left_s <= 0:
                    return False
                self._newer.wait(left_s)
        return True

    def close(self) -> None:
        """Commit what waits, end the writer, give the lock back."""
        self._writer.close()
        with contextlib.suppress(OSError):  # a second close
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _is_newer(self, sequence: EntryId | None) -> bool:
        return self._last is not None and (sequence is None or self._last > sequence)

    def _committed(self, first: EntryId, entries: list[Entry]) -> None:
        self._ring.add(first, entries)
        with self._newer:
            if self.summary is not None:
                self.summary = self.summary.with_entries(first, entries, self._rare)
            self._last = EntryId(first.file, first.n + len(entries) - 1)
            self._newer.notify_all()

    def _check(self, entry: Entry) -> None:
        """Refuse here, in the caller's thread, what would stop the writer for ever."""
        if entry.boot not in self._known or entry.source not in self._known:
            self._check_names(entry)
        try:
            _INTEGERS.pack(
                entry.kind, entry.received_ns, entry.mono_ns, entry.slot_ns or 0, entry.purpose
            )
            memoryview(entry.payload)
        except (struct.error, TypeError) as error:
            raise ValueError(f"expected an entry that fits a row, got {entry!r}: {error}") from None

    def _check_names(self, entry: Entry) -> None:
        for name in (entry.boot, entry.source):
            if not name.isprintable():
                raise ValueError(f"expected a printable name of a boot or source, got {name!r}")
            self._known.add(name)
