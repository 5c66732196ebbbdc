"""The writer's thread: it gathers entries into commits and says what is committed, never before.

Delays are counted on the machine's monotonic clock and not on the injected one: they spare the
medium and have no part in what is measured.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

from edaphon.clock import Clock
from edaphon.databases import StorageFault, fault_of, move_aside
from edaphon.journal.copies import (
    CopyFile,
    begun_line,
    copies_in,
    machine_marks,
    origin_of,
    reached_in,
)
from edaphon.journal.entry import (
    Entry,
    Kind,
    connect_reading,
    file_numbers,
    file_path,
    is_sealed,
    number_of,
    read_header,
)
from edaphon.journal.files import (
    Damaged,
    DamagedEntries,
    OpenFile,
    check_closed,
    is_damage,
    next_number,
    seal,
    stray_files,
)
from edaphon.journal.reader import JournalReader
from edaphon.journal.salvage import Missing, lost_end, missing_files
from edaphon.model import EntryId

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

    def start(self) -> None:
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


class EntryStore:
    """Commits batches; every error leaves it closed, and the next write opens it again."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        largest_bytes: int,
        on_problem: Callable[[str], None],
        reached: EntryId | None = None,
    ) -> None:
        """`reached` is the last place that others know to have been committed."""
        self._folder, self._clock = folder, clock
        self._largest_bytes = largest_bytes
        self._on_problem = on_problem
        self._file: OpenFile | None = None
        self._lost: dict[Path, str] = {}  # damaged files, and what was found
        self._gone: dict[int, Missing] = {}  # entries that are not there any more, by file
        self._copies = CopyFile(folder)
        copies, marks = copies_in(folder), (reached_in(folder), reached)
        self._reached = max((*copies.places[-1:], *filter(None, marks)), default=None)
        self._doubt: EntryId | None = None  # where a commit failed that may have come through
        self.origin = origin_of(folder, self._known_id(), machine_marks())
        self.id = self.origin.journal

    def start(self) -> None:
        """Set aside what can't be read, seal what a crash left open, open the newest file.

        Raises JournalTooNew; sqlite3.Error or OSError when the disk fails just now.
        """
        for path in stray_files(self._folder):
            why = f"expected a number of a journal file in its name, got {path.name}"
            self._on_problem(f"journal: {why}; it is set aside as {move_aside(path).name}")
        for number in file_numbers(self._folder)[:-1]:
            path = file_path(self._folder, number)
            try:
                check_closed(path)
            except Damaged as damage:
                self._lost[path] = str(damage)
            else:
                if not is_sealed(path):
                    seal(path)
        self._gone |= missing_files(self._folder, self._reached)
        file = self._opened()
        self._heal_copies()
        self._copies.reach(EntryId(file.number, file.last_n))
        self.origin.write(self._folder)

    def _heal_copies(self) -> None:
        """Entries whose copies are not there get them: all of a journal that has none yet."""
        copies, reached = copies_in(self._folder), reached_in(self._folder)
        reader = JournalReader(self._folder, with_copies=False)
        start = reached if copies.whole else None
        lacking = [item for item in reader.of_copied_kinds(start) if item[0] not in copies.entries]
        for number in sorted(set(file_numbers(self._folder)) - copies.files):
            lacking.insert(0, begun_line(number))
        if not copies.whole:
            self._copies.write_again(copies, lacking)
        else:
            self._copies.add(lacking)
        self._copies.healed = True

    def write(self, entries: list[Entry], mids: list[int | None]) -> EntryId:
        """Commit a batch and say where it begins; raises sqlite3.Error or OSError if it is not.

        After an error the same batch must come again: it is found when it was durable after all.
        """
        if self._doubt is not None and (first := self._came_through(self._doubt, entries)):
            return first
        file = self._room()
        self._doubt = EntryId(file.number, file.last_n + 1)
        try:
            first_n = file.write(entries, mids)
        except sqlite3.Error as error:
            self._file = None
            file.close()
            if is_damage(error, file.path):
                self._lost[file.path] = f"{file.path.name}: {error}"
            raise
        self._doubt = None
        self._copies.commit(EntryId(file.number, first_n), entries)
        return EntryId(file.number, first_n)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _came_through(self, doubt: EntryId, entries: list[Entry]) -> EntryId | None:
        """The failed batch's place, when its commit reached the file before the error did.

        Looked for before another file may be begun. Raises sqlite3.Error while that is not known.
        """
        path = file_path(self._folder, doubt.file)
        try:
            if path in self._lost:
                raise Damaged(self._lost[path])
            file = OpenFile.open(path)
        except Damaged:  # declared when the next file is opened
            self._doubt = None
            return None
        with closing(file):
            last_n = doubt.n + len(entries) - 1
            came = file.last_n == last_n and file.holds(last_n, entries[-1])
            if came:
                file.make_durable()
        self._doubt = None
        if came:
            self._copies.commit(doubt, entries)
        return doubt if came else None

    def _room(self) -> OpenFile:
        file = self._opened()
        if file.last_n and self._is_full(file):
            self._file = None
            file.close()
            seal(file.path)
            file = self._opened()
        return file

    def _is_full(self, file: OpenFile) -> bool:
        if file.size_bytes() >= self._largest_bytes:
            return True
        return _month(self._clock.wall_ns()) > _month(file.opened_ns)

    def _opened(self) -> OpenFile:
        if self._file is None:
            self._file = self._newest() or self._create()
        if self._lost or self._gone:
            self._declare_lost(self._file)
        return self._file

    def _newest(self) -> OpenFile | None:
        """The newest file, unless it was closed or is damaged."""
        path = file_path(self._folder, max(file_numbers(self._folder), default=0))
        if path in self._lost or not path.exists() or is_sealed(path):
            return None
        try:
            file = OpenFile.open(path)
        except DamagedEntries:  # what else is in it stays readable, and nothing is added to it
            seal(path)
            return None
        except Damaged as damage:
            self._lost[path] = str(damage)
            return None
        if file.journal != self.id or (self._is_full(file) and file.last_n):
            file.close()
            seal(path)
            return None
        if self._has_lost_its_end(file):
            file.close()
            seal(path)
            return None
        return file

    def _has_lost_its_end(self, file: OpenFile) -> bool:
        """Whether entries of it were committed that it has not; their numbers never come again."""
        reached = self._reached
        if reached is None or reached.file != file.number or reached.n <= file.last_n:
            return False
        why = lost_end(file.path.name, file.last_n, reached.n)
        self._gone[file.number] = Missing(file.last_n + 1, reached.n, why)
        return True

    def _create(self) -> OpenFile:
        self.origin.write(self._folder)
        reached = self._reached.file if self._reached is not None else 0
        number = max(next_number(self._folder), reached + 1, *self._begun_ever())
        opened_ns = self._clock.wall_ns()
        file = OpenFile.create(self._folder, number, self.id, opened_ns)
        self._copies.begin(number, opened_ns)
        return file

    def _begun_ever(self) -> Iterator[int]:
        """Numbers that the next file may have, for all that is known to have been begun."""
        return (number + 1 for number in copies_in(self._folder).files)

    def _declare_lost(self, file: OpenFile) -> None:
        # The declaration is durable before the rename: a crash between them declares it twice,
        # the other order could lose it.
        for number, missing in list(self._gone.items()):
            self._declare(file, {"number": number, **missing._asdict()})
            del self._gone[number]
            self._on_problem(
                f"journal: {missing.why}: what was in it is lost, unless a backup has it"
            )
        for path, why in list(self._lost.items()):
            self._declare(file, {"number": number_of(path), "why": why})
            aside = move_aside(path)
            del self._lost[path]
            self._on_problem(
                f"journal: {why}; the file is set aside as {aside} and the journal goes on in "
                f"{file.path.name}; edaphon salvage reads what is left in it"
            )

    def _declare(self, file: OpenFile, loss: dict[str, Any]) -> None:
        name = file_path(self._folder, loss["number"]).name
        now, stated = self._clock, orjson.dumps({"file": name, **loss})
        entries = [Entry(Kind.LOST, now.wall_ns(), now.mono_ns(), "", "", stated)]
        self._copies.commit(EntryId(file.number, file.write(entries, [None])), entries)

    def _known_id(self) -> str | None:
        for number in reversed(file_numbers(self._folder)):
            with contextlib.suppress(sqlite3.Error, OSError):
                with closing(connect_reading(file_path(self._folder, number))) as connection:
                    header = read_header(connection)
                if header is not None:
                    return header.journal
        return None


def _month(wall_ns: int) -> tuple[int, int]:
    date = time.gmtime(wall_ns // 1_000_000_000)
    return date.tm_year, date.tm_mon
