"""The writer's thread: it gathers entries into commits and says what is committed, never before.

Delays are counted on the machine's monotonic clock and not on the injected one: they spare the
medium and have no part in what is measured.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from edaphon.databases import StorageFault, fault_of
from edaphon.journal.entry import Entry
from edaphon.model import EntryId

__all__ = ["JournalClosed", "Waiting", "Writer"]

Done = Callable[[list[EntryId]], None]

COMMIT_AT_ENTRIES = 100
COMMIT_AFTER_S = 1.0
QUIET_S = 0.02  # when acknowledgements wait: a pause this long means that the burst is over
LARGEST_COMMIT = 1000
LARGEST_WAITING_BYTES = 32_000_000
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.2, 10.0

_log = logging.getLogger(__name__)


class JournalClosed(Exception):
    """An entry came after close(), or close() could not commit it."""


class Medium(Protocol):
    """Where batches are committed; an error means that the same batch must come again."""

    def write(self, entries: list[Entry], mids: list[int | None]) -> EntryId: ...

    def close(self) -> None: ...


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
        medium: Medium,
        folder: Path,
        committed: Callable[[EntryId, list[Entry]], None],
        on_trouble: Callable[[str], None],
        on_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """`on_full` makes room on a full disk; False when it has none to give."""
        self._folder, self._on_full = folder, on_full
        self.fault: StorageFault | None = None  # of the last commit that failed, while that lasts
        self._medium, self._committed, self._on_trouble = medium, committed, on_trouble
        self._lock = threading.Lock()
        self._alert = threading.Condition(self._lock)  # the writer's
        self._room = threading.Condition(self._lock)  # the appenders'
        self._queue: deque[Waiting] = deque()
        self._entries = self._bytes = self._acks = 0
        self._oldest = self._newest = 0.0  # when the first and the last of the queue came [s]
        self._closing = threading.Event()
        self._trouble_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def in_trouble(self) -> bool:
        """Commits fail just now; entries wait in memory."""
        return self._trouble_since is not None

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
                self._say_trouble(error, len(entries))
                if self._closing.wait(wait_s):
                    return self._give_up(len(entries))
                wait_s = min(2 * wait_s, _LONGEST_RETRY_S)
        self._say_recovered()
        if first is not None:
            self._committed(first, entries)
        self._tell(batch, first)
        return True

    def _tell(self, batch: list[Waiting], first: EntryId | None) -> None:
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
        self._call(self._on_trouble, text)
        return False

    def _say_trouble(self, error: Exception, n: int) -> None:
        if self._trouble_since is None:
            self._trouble_since = time.monotonic()
            self._call(
                self._on_trouble,
                f"journal: expected to commit {n} entries, got: {error} ({self.fault}); they wait "
                "in memory and nothing is acknowledged",
            )

    def _say_recovered(self) -> None:
        self.fault = None
        if self._trouble_since is not None:
            waited_s = time.monotonic() - self._trouble_since
            self._trouble_since = None
            self._call(
                self._on_trouble, f"journal: commits again after {waited_s:.0f} s, nothing is lost"
            )
