"""The journal: one writer, group commits, and what was committed is what may be promised."""

import contextlib
import logging
import os
import sqlite3
import struct
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from edaphon.clock import Clock
from edaphon.databases import StorageFault, make_folder
from edaphon.journal.copies import Origin
from edaphon.journal.entry import Entry, Kind, entry_crc
from edaphon.journal.files import take_lock
from edaphon.journal.reader import ENTRY_BYTES, LARGEST_READ_BYTES, DamagedRow, JournalReader, Ring
from edaphon.journal.writer import EntryStore, JournalClosed, Waiting, Writer
from edaphon.model import EntryId

START = EntryId(0, 0)
LONG = 100_000
_CHUNK = 2000
_NO_MORE = 0xFFFFFFFF  # the highest n that a Sequence can hold
Keep = Callable[[Mapping[str, Any]], None]


class FileSum(NamedTuple):
    """Of one file up to its row `last`: its rows of records, damaged ones included, and the rows
    of the kinds that were asked for."""

    last: int = 0
    records: int = 0
    rare: tuple[int, ...] = ()


class Summary(NamedTuple):
    """The sums of all files by their numbers."""

    files: Mapping[int, FileSum] = {}

    @property
    def place(self) -> EntryId:
        """The newest entry that is summed."""
        last = max(self.files, default=0)
        return EntryId(last, self.files[last].last) if last else START

    @property
    def records(self) -> int:
        return sum(file.records for file in self.files.values())

    @property
    def rare(self) -> Iterator[EntryId]:
        """The places of all entries of the kinds that were asked for, in order."""
        for number in sorted(self.files):
            yield from (EntryId(number, n) for n in self.files[number].rare)

    def behind(self, place: EntryId, journal: JournalReader) -> int:
        """How many records stand behind a place; at most one file is counted for it."""
        whole = sum(f.records for number, f in self.files.items() if number > place.file)
        own = self.files.get(place.file)
        if own is None or place.n >= own.last:
            return whole
        end = EntryId(place.file, own.last)
        return whole + journal.count_between(place, end, Kind.RECORD)

    def with_entries(self, first: EntryId, entries: list[Entry], kinds: Collection[Kind]) -> Self:
        """With entries that were committed from `first` on."""
        own = self.files.get(first.file, FileSum())
        rare = tuple(first.n + i for i, entry in enumerate(entries) if entry.kind in kinds)
        records = sum(entry.kind == Kind.RECORD for entry in entries)
        more = FileSum(first.n + len(entries) - 1, own.records + records, own.rare + rare)
        return self._replace(files={**self.files, first.file: more})

    def to_json(self, journal: JournalReader) -> dict[str, Any]:
        """With the CRC of the entry at its place, and one of its own."""
        files = {str(number): list(own) for number, own in self.files.items()}
        table = {"files": files, "entry_crc": _crc_at(journal, self.place)}
        return {**table, "crc": _crc_of(table)}

    @classmethod
    def of_json(cls, table: Any, journal: JournalReader) -> Self | None:
        """Without files that are gone; None where it is damaged, or of another journal."""
        try:
            own = {name: table[name] for name in ("files", "entry_crc")}
            whole = table["crc"] == _crc_of(own)
            every = {int(k): FileSum(v[0], v[1], tuple(v[2])) for k, v in own["files"].items()}
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None
        there = set(journal.files())
        found = cls({number: file for number, file in every.items() if number in there})
        same = found.place != cls(every).place or own["entry_crc"] == _crc_at(journal, found.place)
        return found if whole and same else None


def summed(
    journal: JournalReader,
    kept: Any,
    kinds: Collection[Kind],
    keep: Keep = lambda _: None,
) -> Summary:
    """The summary of all entries, from one that was kept as JSON (or None) and what is behind it.

    `keep` is handed it after each file that was long, so that an interrupted sum goes on there.
    """
    found = Summary.of_json(kept, journal) or Summary()
    for file in journal.files():
        before = found.files.get(file, FileSum())
        own = _of_file(journal, file, before, kinds)
        if own != before:
            found = Summary({**found.files, file: own})
        if own.last - before.last > LONG:
            keep(found.to_json(journal))
    return found


def differing(kept: Summary, journal: JournalReader, kinds: Collection[Kind]) -> list[int]:
    """The files of which a count of all their rows up to the same place gives another sum."""
    return [
        file
        for file, own in sorted(kept.files.items())
        if _of_file(journal, file, FileSum(), kinds, own.last) != own
    ]


def _of_file(
    journal: JournalReader,
    file: int,
    before: FileSum,
    kinds: Collection[Kind],
    end: int = _NO_MORE,
) -> FileSum:
    """Its sum up to n = `end`, from that of its first rows.

    Where these are no longer there, all rows are summed.
    """
    names = ",".join(str(int(kind)) for kind in sorted(kinds))
    query = (
        f"SELECT coalesce(max(n), 0), coalesce(sum(kind = {int(Kind.RECORD)}), 0),"  # noqa: S608
        f" group_concat(CASE WHEN kind IN ({names}) THEN n END) FROM entry WHERE n > ? AND n <= ?"
    )
    try:
        newest = "SELECT coalesce(max(n), 0) FROM entry WHERE n <= ?"
        (last,) = journal.ask_file(file, newest, (end,))
        if last < before.last:
            before = FileSum()
        if last == before.last:
            return before
        last, records, rare = journal.ask_file(file, query, (before.last, end))
    except FileNotFoundError:
        return before
    except sqlite3.Error:
        return _row_by_row(journal, file, kinds)
    found = sorted(map(int, rare.split(","))) if rare else []
    return FileSum(last, before.records + records, (*before.rare, *found))


def _row_by_row(journal: JournalReader, file: int, kinds: Collection[Kind]) -> FileSum:
    """The same of a file with damaged pages: what can't be read counts for nothing."""
    own, place = FileSum(), EntryId(file, 0)
    while place.file == file:
        try:
            items = journal.after(place, _CHUNK)
        except DamagedRow as damage:
            place = damage.last
            continue
        here = [item for item in items if item[0].file == file]
        if not here:
            break
        place = here[-1][0]
        rare = tuple(sequence.n for sequence, entry in here if entry.kind in kinds)
        records = sum(entry.kind == Kind.RECORD for _, entry in here)
        own = FileSum(place.n, own.records + records, own.rare + rare)
    return own


def _crc_at(journal: JournalReader, place: EntryId) -> int:
    try:
        return entry_crc(*place, journal.entry(place)) if place != START else -1
    except (KeyError, DamagedRow):
        return -2


def _crc_of(table: Mapping[str, Any]) -> int:
    return zlib.crc32(orjson.dumps(table, option=orjson.OPT_SORT_KEYS))


_INTEGERS = struct.Struct("<BqqqB")
_log = logging.getLogger(__name__)


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
        super().__init__(folder)
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
        self._ring = Ring()
        self._known: set[str] = set()
        self._newer = threading.Condition()
        self._last = super().last
        self._rare: Collection[Kind] = ()
        self._writer = Writer(self._store, folder, self._committed, on_problem, on_full)
        self._writer.start()

    @classmethod
    def open(
        cls,
        folder: Path,
        clock: Clock,
        largest_bytes: int = 256_000_000,
        on_problem: Callable[[str], None] = _log.warning,
        on_full: Callable[[], bool] = lambda: False,
        reached: EntryId | None = None,
    ) -> Self:
        """Take the writer's lock, set damaged files aside, start the writer's thread.

        `reached` is the last place that others know to have been committed: where the files end
        before it, that is declared as lost and the numbers go on in a new file.

        Raises JournalBusy when another process writes, JournalTooNew for a later format. Nothing
        else is fatal. `on_problem` is called once when commits fail and once when they work again;
        `on_full` is asked to make room on a full disk, and says whether it did.
        """
        return cls(folder, clock, largest_bytes, on_problem, on_full, reached)

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
