"""The folder that the writer writes to: which file is open, when the next begins, what is lost."""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson

from edaphon.clock import Clock
from edaphon.databases import move_aside
from edaphon.journal.entry import Entry, Kind
from edaphon.journal.files import (
    Damaged,
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
from edaphon.journal.origin import machine_marks, origin_of
from edaphon.journal.rows import connect_reading, read_header
from edaphon.nouns import Sequence

__all__ = ["Store"]


class Store:
    """Commits batches; every error leaves it closed, and the next write opens it again."""

    def __init__(
        self, folder: Path, clock: Clock, largest_bytes: int, on_trouble: Callable[[str], None]
    ) -> None:
        self._folder, self._clock = folder, clock
        self._largest_bytes = largest_bytes
        self._on_trouble = on_trouble
        self._file: OpenFile | None = None
        self._lost: dict[Path, str] = {}  # damaged files, and what was found
        self._doubt: Sequence | None = None  # where a commit failed that may have come through
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
        self._opened()
        self.origin.write(self._folder)

    def write(self, entries: list[Entry], mids: list[int | None]) -> Sequence:
        """Commit a batch and say where it begins; raises sqlite3.Error or OSError if it is not.

        After an error the same batch must come again: it is found when it was durable after all.
        """
        file = self._room()
        if self._doubt is not None and (first := self._came_through(file, entries)):
            return first
        self._doubt = Sequence(file.number, file.last_n + 1)
        try:
            first_n = file.write(entries, mids)
        except sqlite3.Error as error:
            self._file = None
            file.close()
            if is_damage(error, file.path):
                self._lost[file.path] = f"{file.path.name}: {error}"
            raise
        self._doubt = None
        return Sequence(file.number, first_n)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _came_through(self, file: OpenFile, entries: list[Entry]) -> Sequence | None:
        """The failed batch's place, when its commit reached the disk before the error did."""
        doubt, self._doubt = self._doubt, None
        if doubt is None or doubt.file != file.number:
            return None
        last_n = doubt.n + len(entries) - 1
        same = file.last_n == last_n and file.holds(last_n, entries[-1])
        return doubt if same else None

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
        if self._lost:
            self._declare_lost(self._file)
        return self._file

    def _newest(self) -> OpenFile | None:
        """The newest file, unless it was closed or is damaged."""
        path = file_path(self._folder, max(file_numbers(self._folder), default=0))
        if path in self._lost or not path.exists() or is_sealed(path):
            return None
        try:
            file = OpenFile.open(path)
        except Damaged as damage:
            self._lost[path] = str(damage)
            return None
        if file.journal != self.id or (self._is_full(file) and file.last_n):
            file.close()
            seal(path)
            return None
        return file

    def _create(self) -> OpenFile:
        self.origin.write(self._folder)
        number = next_number(self._folder)
        return OpenFile.create(self._folder, number, self.id, self._clock.wall_ns())

    def _declare_lost(self, file: OpenFile) -> None:
        # The declaration is durable before the rename: a crash between them declares it twice,
        # the other order could lose it.
        for path, why in list(self._lost.items()):
            said = orjson.dumps({"file": path.name, "number": number_of(path), "why": why})
            now = self._clock
            file.write([Entry(Kind.LOST, now.wall_ns(), now.mono_ns(), "", "", said)], [None])
            aside = move_aside(path)
            del self._lost[path]
            self._on_trouble(
                f"journal: {why}; the file is set aside as {aside} and the journal goes on in "
                f"{file.path.name}; edaphon salvage reads what is left in it"
            )

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
