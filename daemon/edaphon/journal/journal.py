"""The journal: one writer, group commits, and what was committed is what may be promised.

Delays are counted on the machine's monotonic clock and not on the injected one: they spare the
medium and have no part in what is measured.
"""

import contextlib
import logging
import os
import sqlite3
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from edaphon.clock import Clock
from edaphon.databases import StorageFault, fault_of, make_folder
from edaphon.journal.entry import START, Entry, Kind, take_lock
from edaphon.journal.guard import Aside, EntryGuard, set_aside
from edaphon.journal.reader import LARGEST_READ_BYTES, JournalReader
from edaphon.journal.store import EntryStore
from edaphon.journal.summary import FileSum, Summary, summed
from edaphon.model import EntryId

Done = Callable[[list[EntryId]], None]
COMMIT_AT_ENTRIES = 100
COMMIT_AFTER_S = 1.0
QUIET_S = 0.02  # when acknowledgements wait: a pause this long means that the burst is over
LARGEST_COMMIT = 1000
LARGEST_WAITING_BYTES = 32_000_000
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.2, 10.0
_INTEGERS = struct.Struct("<BqqqB")
RING_BYTES = 8_000_000
ENTRY_BYTES = 300  # what an entry without payload takes in memory, roughly
_log = logging.getLogger(__name__)


class _Batch(NamedTuple):
    first: EntryId
    last: EntryId
    entries: list[Entry]
    size_bytes: int


class Ring:
    """One run of entries without a hole, the newest at its end."""

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()
        self._bytes = 0
        self._behind = START  # the place before the run
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
            while self._bytes > RING_BYTES and len(self._batches) > 1:
                old = self._batches.popleft()
                self._bytes, self._behind = self._bytes - old.size_bytes, old.last

    def after(
        self, sequence: EntryId | None, limit: int, largest_bytes: int
    ) -> list[tuple[EntryId, Entry]] | None:
        """As JournalReader.after; None when what is behind `sequence` is not, or no more, here."""
        fresh: list[_Batch] = []
        with self._lock:
            if not self._batches or (sequence or START) < self._behind:
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


class Journal(JournalReader):
    """The one writer of a journal folder, and its reading side with the newest in memory."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        largest_bytes: int = 256_000_000,
        on_problem: Callable[[str], None] = _log.warning,
        on_full: Callable[[], bool] = lambda: False,
        reached: EntryId | None = None,
    ) -> None:
        """Take the writer's lock, set damaged files aside, start the writer's thread.

        `reached` is the last place that others know to have been committed: where the files end
        before it, that is declared as lost and the numbers go on in a new file.

        Raises JournalBusy when another process writes, JournalTooNew for a later format. Nothing
        else is fatal. `on_problem` is called once when commits fail and once when they work again;
        `on_full` is asked to make room on a full disk, and says whether it did.
        """
        super().__init__(folder)
        self.guard: EntryGuard | None = None
        make_folder(folder)
        self._lock = take_lock(folder)
        try:
            self._store = EntryStore(folder, clock, largest_bytes, on_problem, reached)
            # A full disk at start is like a full disk later: the writer tries again.
            with contextlib.suppress(sqlite3.OperationalError, OSError):
                self._store.start()
        except BaseException:
            os.close(self._lock)
            raise
        # A random id, 32 hex digits, and the machine it belongs to: another machine has another.
        self.id, self.origin = self._store.id, self._store.origin
        self._ring = Ring()
        self._known: set[str] = set()
        self._newer = threading.Condition()
        self._last = super().last
        self._rare: Collection[Kind] = ()
        self._writer = Writer(self._store, folder, self._committed, on_problem, on_full)

    @property
    def last(self) -> EntryId | None:
        """The newest committed entry's place; None in an empty journal."""
        return self._last

    @property
    def aside(self) -> Mapping[int, Aside]:
        """As JournalReader.aside, by the guard once there is one."""
        return self.guard.table.aside if self.guard is not None else set_aside(self.folder)

    @property
    def alive(self) -> bool:
        """Whether the writer's thread runs; for the watchdog."""
        return self._writer.alive

    @property
    def is_failing(self) -> bool:
        """Commits fail just now; entries wait in memory."""
        return self._writer.is_failing

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
                self.summary = self._summed(self.summary, first, entries)
            self._last = EntryId(first.file, first.n + len(entries) - 1)
            self._newer.notify_all()

    def _summed(self, summary: Summary, first: EntryId, entries: list[Entry]) -> Summary:
        """With these entries, which were committed from `first` on."""
        own = summary.files.get(first.file, FileSum())
        rare = tuple(first.n + i for i, entry in enumerate(entries) if entry.kind in self._rare)
        records = sum(entry.kind == Kind.RECORD for entry in entries)
        own = FileSum(first.n + len(entries) - 1, own.records + records, own.rare + rare)
        return Summary({**summary.files, first.file: own})

    def _check(self, entry: Entry) -> None:
        """Refuse here, in the caller's thread, what would stop the writer for ever."""
        for name in (entry.boot, entry.source):
            if name in self._known:
                continue
            if not name.isprintable():
                raise ValueError(f"expected a printable name of a boot or source, got {name!r}")
            self._known.add(name)
        try:
            _INTEGERS.pack(
                entry.kind, entry.received_ns, entry.mono_ns, entry.slot_ns or 0, entry.purpose
            )
            memoryview(entry.payload)
        except (struct.error, TypeError) as error:
            raise ValueError(f"expected an entry that fits a row, got {entry!r}: {error}") from None


class JournalClosed(Exception):
    """An entry came after close(), or close() could not commit it."""


class Waiting(NamedTuple):
    """What one append() brought."""

    entries: list[Entry]
    mids: list[int | None]
    done: Done | None
    size_bytes: int


class Writer:
    """One thread between many appends and one medium.

    `committed(first, entries)` is called after each commit, before the `done` of its entries.
    """

    def __init__(
        self,
        medium: EntryStore,
        folder: Path,
        committed: Callable[[EntryId, list[Entry]], None],
        on_problem: Callable[[str], None],
        on_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """`on_full` makes room on a full disk; False when it has none to give."""
        self._folder, self._on_full = folder, on_full
        self.fault: StorageFault | None = None  # of the last commit that failed, while that lasts
        self._medium, self._committed, self._on_problem = medium, committed, on_problem
        self._lock = threading.Lock()
        self._alert = threading.Condition(self._lock)  # the writer's
        self._room = threading.Condition(self._lock)  # the appenders'
        self._queue: deque[Waiting] = deque()
        self._entries = self._bytes = self._acks = 0
        self._oldest = self._newest = 0.0  # when the first and the last of the queue came [s]
        self._closing = threading.Event()
        self._problem_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_failing(self) -> bool:
        """Commits fail just now; entries wait in memory."""
        return self._problem_since is not None

    def append(self, item: Waiting) -> None:
        with self._lock:
            while self._bytes > LARGEST_WAITING_BYTES and self._thread.is_alive():
                self._alert.notify()
                self._room.wait(1)
            if self._closing.is_set() or not self._thread.is_alive():
                raise JournalClosed("the journal is closed and takes no more entries")
            was_empty, had_acks = not self._queue, self._acks
            self._queue.append(item)
            before = self._entries
            self._entries += len(item.entries)
            self._bytes += item.size_bytes
            self._acks += item.done is not None
            self._newest = time.monotonic()
            if was_empty:
                self._oldest = self._newest
            full = before < COMMIT_AT_ENTRIES <= self._entries
            if was_empty or full or (self._acks and not had_acks):
                self._alert.notify()

    def close(self) -> None:
        """Commit what waits, or give it up when the medium refuses; then end the thread."""
        with self._lock:
            self._closing.set()
            self._alert.notify()
        self._thread.join()
        self._medium.close()

    def _run(self) -> None:
        while batch := self._next():
            if not self._commit(batch):
                return

    def _next(self) -> list[Waiting]:
        """The next commit's items, when it is due; nothing when all is done and closed."""
        with self._lock:
            while True:
                if self._queue:
                    wait_s = self._due() - time.monotonic()
                    if wait_s <= 0:
                        return self._take()
                    self._alert.wait(wait_s)
                elif self._closing.is_set():
                    return []
                else:
                    self._alert.wait()

    def _due(self) -> float:
        full = self._entries >= COMMIT_AT_ENTRIES or self._bytes > LARGEST_WAITING_BYTES
        if full or self._closing.is_set():
            return 0.0
        late = self._oldest + COMMIT_AFTER_S
        return min(late, self._newest + QUIET_S) if self._acks else late

    def _take(self) -> list[Waiting]:
        taken, n = [], 0
        while self._queue and n < LARGEST_COMMIT:
            item = self._queue.popleft()
            taken.append(item)
            n += len(item.entries)
            self._acks -= item.done is not None
            self._bytes -= item.size_bytes
        self._entries -= n
        self._oldest = time.monotonic()
        self._room.notify_all()
        return taken

    def _commit(self, batch: list[Waiting]) -> bool:
        """Commit until it succeeds; False when it was given up because of close()."""
        entries = [entry for item in batch for entry in item.entries]
        mids = [mid for item in batch for mid in item.mids]
        wait_s = _FIRST_RETRY_S
        first = None
        while entries and first is None:
            try:
                first = self._medium.write(entries, mids)
            except (sqlite3.Error, OSError) as error:
                self.fault = fault_of(error, self._folder / "journal")
                if self.fault is StorageFault.FULL and self._on_full():
                    continue
                self._report_problem(error, len(entries))
                if self._closing.wait(wait_s):
                    return self._give_up(len(entries))
                wait_s = min(2 * wait_s, _LONGEST_RETRY_S)
        self._say_recovered()
        if first is not None:
            self._committed(first, entries)
        self._report(batch, first)
        return True

    def _report(self, batch: list[Waiting], first: EntryId | None) -> None:
        at = 0
        for item in batch:
            n = len(item.entries)
            if item.done is not None:
                file, start = first or (0, 0)
                self._call(item.done, [EntryId(file, start + at + k) for k in range(n)])
            at += n

    def _call(self, reported: Callable[..., None], word: object) -> None:
        try:
            reported(word)
        except Exception:  # the one writer outlives every listener's mistake
            _log.exception("journal: a listener failed; its entries are committed all the same")

    def _give_up(self, n: int) -> bool:
        with self._lock:
            n += self._entries
        text = f"journal: closed with {n} entries not committed; sources that wait will send again"
        self._call(self._on_problem, text)
        return False

    def _report_problem(self, error: Exception, n: int) -> None:
        if self._problem_since is None:
            self._problem_since = time.monotonic()
            self._call(
                self._on_problem,
                f"journal: expected to commit {n} entries, got: {error} ({self.fault}); they wait "
                "in memory and nothing is acknowledged",
            )

    def _say_recovered(self) -> None:
        self.fault = None
        if self._problem_since is not None:
            waited_s = time.monotonic() - self._problem_since
            self._problem_since = None
            self._call(
                self._on_problem, f"journal: commits again after {waited_s:.0f} s, nothing is lost"
            )
