"""The folder that the writer writes to: which file is open, when the next begins, what is lost."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from edaphon.clock import Clock
from edaphon.databases import move_aside
from edaphon.journal.copies import CopyFile, begun_line, copies_in, reached_in
from edaphon.journal.entry import Entry, Kind
from edaphon.journal.files import (
    Damaged,
    DamagedRows,
    OpenFile,
    check_closed,
    file_numbers,
    file_path,
    is_damage,
    is_sealed,
    next_number,
    number_of,
    seal,
    stray_files,
)
from edaphon.journal.losses import Missing, lost_end, missing_files
from edaphon.journal.origin import machine_marks, origin_of
from edaphon.journal.reader import JournalReader
from edaphon.journal.rows import connect_reading, read_header
from edaphon.model import EntryId

__all__ = ["Store"]


class Store:
    """Commits batches; every error leaves it closed, and the next write opens it again."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        largest_bytes: int,
        on_trouble: Callable[[str], None],
        reached: EntryId | None = None,
    ) -> None:
        """`reached` is the last place that others know to have been committed."""
        self._folder, self._clock = folder, clock
        self._largest_bytes = largest_bytes
        self._on_trouble = on_trouble
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

        Raises JournalTooNew; sqlite3.Error or OSError when the disk is in trouble just now.
        """
        for path in stray_files(self._folder):
            why = f"expected a number of a journal file in its name, got {path.name}"
            self._on_trouble(f"journal: {why}; it is set aside as {move_aside(path).name}")
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
        except DamagedRows:  # what else is in it stays readable, and nothing is added to it
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
            self._on_trouble(
                f"journal: {missing.why}: what was in it is lost, unless a backup has it"
            )
        for path, why in list(self._lost.items()):
            self._declare(file, {"number": number_of(path), "why": why})
            aside = move_aside(path)
            del self._lost[path]
            self._on_trouble(
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
