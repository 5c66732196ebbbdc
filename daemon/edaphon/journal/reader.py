"""The reading side of a journal: from a place on, chunk by chunk, with every row's CRC checked."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edaphon.databases import AT_FAULT, StorageFault, fault_of
from edaphon.journal.copies import COPIED, Copies, copies_in, copies_version, is_copied
from edaphon.journal.entry import (
    Entry,
    Item,
    Kind,
    Row,
    connect_reading,
    entry_of,
    file_numbers,
    file_path,
    is_sealed,
    read_header,
    read_names,
)
from edaphon.journal.guard import Aside, set_aside
from edaphon.model import EntryId

if TYPE_CHECKING:
    from edaphon.journal.summary import Summary


# A damaged schema makes Python's sqlite3 fail where it decodes the names of columns.
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
CHUNK = 2000
LARGEST_READ_BYTES = 4_000_000  # of payloads: a piece of a file is a thousand times a reading
_PROBES = 20_000  # rows tried one by one over a bad page in one call: about 0.2 s
NO_MORE = 0xFFFFFFFF  # the highest n that a Sequence can hold
_SMALLEST_ROW_BYTES = 20
_DELIVERIES_LOOK_BACK = 200_000
_OF_KINDS = "SELECT * FROM entry WHERE n > ? AND kind IN (?,?,?,?,?,?,?) ORDER BY n"
_DELIVERIES = "SELECT * FROM entry WHERE n > ? AND mid IS NOT NULL ORDER BY n DESC"


class DamagedRow(Exception):
    """Rows that were written cannot be read, or are not what was written.

    They are `first` to `last`, of one file; after(last, limit) goes on behind the damage.
    """

    def __init__(self, first: EntryId, last: EntryId, folder: Path) -> None:
        self.first, self.last = first, last
        path = file_path(folder, first.file)
        super().__init__(
            f"expected the entries {first} to {last}, got damage in {path}; "
            "take them from a backup of that file, or see what salvage finds in it"
        )


class JournalReader:
    """Reads the files of a journal folder, whether a daemon writes there or not.

    In place of damaged entries it gives their second copies, where there are any.
    """

    def __init__(self, folder: Path, with_copies: bool = True) -> None:
        self.folder = folder
        self.summary: Summary | None = None  # the one writer may know it: see Journal.summarise
        self._with_copies = with_copies
        self._copies: tuple[object, Copies] = None, Copies()

    @cached_property
    def aside(self) -> Mapping[int, Aside]:
        """By number, the entries that ended the service twice: nobody asks what they mean."""
        return set_aside(self.folder)

    @property
    def copies(self) -> Copies:
        """The second copies as they are now."""
        if not self._with_copies:
            return Copies()
        version = copies_version(self.folder)
        if self._copies[0] != version:
            self._copies = version, copies_in(self.folder)
        return self._copies[1]

    @property
    def last(self) -> EntryId | None:
        """The newest committed entry's place; None in an empty journal."""
        for number, connection in self._newest_first():
            if n := _highest_n(connection):
                return EntryId(number, n)
        return None

    def after(
        self, sequence: EntryId | None, limit: int, largest_bytes: int = LARGEST_READ_BYTES
    ) -> list[Item]:
        """The next entries behind `sequence` (None: from the first), at most `limit`.

        The one whose payload brings their bytes to `largest_bytes` is the last. Raises DamagedRow
        when the very next row is damaged; rows before it are returned first.
        """
        start = sequence or EntryId(0, 0)
        found: list[Item] = []
        left = largest_bytes
        for number in self._numbers():
            if number < start.file or len(found) >= limit or left <= 0:
                continue
            behind = start.n if number == start.file else 0
            rows, damage = self._read(number, behind, limit - len(found), left)
            found += rows
            left -= sum(len(entry.payload) for _, entry in rows)
            if damage is not None:
                break
        else:
            damage = None
        if damage is not None and not found:
            raise damage
        return found

    def entry(self, sequence: EntryId) -> Entry:
        """Raises KeyError for a place without an entry, DamagedRow for a damaged one."""
        found, damage = self._read(sequence.file, sequence.n - 1, 1)
        if damage is not None and damage.first == sequence:
            raise damage
        if not found or found[0][0] != sequence:
            raise KeyError(sequence)
        return found[0][1]

    def scan(
        self,
        sources: Collection[str] | None = None,
        kinds: Collection[Kind] | None = None,
        start: EntryId | None = None,
        on_damage: Callable[[DamagedRow], None] | None = None,
    ) -> Iterator[Item]:
        """All matching entries behind `start` in order, in bounded memory.

        `on_damage` gets each damaged row and the scan goes on; without it they raise.
        """
        while True:
            try:
                chunk = self.after(start, CHUNK)
            except DamagedRow as damage:
                if on_damage is None:
                    raise
                on_damage(damage)
                start = damage.last
                continue
            if not chunk:
                return
            start = chunk[-1][0]
            for sequence, entry in chunk:
                if (kinds is None or entry.kind in kinds) and (
                    sources is None or entry.source in sources
                ):
                    yield sequence, entry

    def place_at(self, time_ns: int) -> EntryId | None:
        """The last entry that was received by then [UTC ns], found by halving; None: none was.

        Where the clock was set back, it may be off by what came in that stretch.
        """
        for number, connection in self._newest_first():
            low, high = 0, _highest_n(connection)
            while low < high:
                middle = (low + high + 1) // 2
                if _received_ns(connection, middle) <= time_ns:
                    low = middle
                else:
                    high = middle - 1
            if low:
                return EntryId(number, low)
        return None

    @property
    def length(self) -> int:
        """How many entries were ever numbered, those of damaged files apart."""
        return sum(_highest_n(connection) for _, connection in self._newest_first())

    def count_behind(self, sequence: EntryId, kind: Kind) -> int:
        """How many rows of a kind stand behind a place; cheap where few rows do."""
        ends = [EntryId(file, NO_MORE) for file in self.files() if file >= sequence.file]
        return sum(self.count_between(sequence, end, kind) for end in ends)

    def count_between(self, behind: EntryId, last: EntryId, kind: Kind) -> int:
        """How many rows of a kind stand behind one place and up to another of the same file.

        Rows that can't be read are none.
        """
        first = behind.n if behind.file == last.file else 0
        query = "SELECT count(*) FROM entry WHERE n > ? AND n <= ? AND kind = ?"
        try:
            return int(self.ask_file(last.file, query, (first, last.n, kind))[0])
        except (sqlite3.Error, OSError):
            return 0

    def files(self) -> list[int]:
        """The numbers of the files that are there, in order."""
        return file_numbers(self.folder)

    def ask_file(self, file: int, query: str, words: tuple[int, ...]) -> tuple[Any, ...]:
        """The first row of an answer of one file; raises sqlite3.Error where that is damaged."""
        with closing(connect_reading(file_path(self.folder, file))) as connection:
            row: tuple[Any, ...] = connection.execute(query, words).fetchone()
            return row

    def deliveries(self, source: str, at_most: int) -> list[tuple[int, bytes]]:
        """Packet identifier and payload of a source's last QoS 1 messages, oldest first."""
        found: list[tuple[int, bytes]] = []
        for number, connection in self._newest_first():
            names = read_names(connection)
            lowest = _highest_n(connection) - _DELIVERIES_LOOK_BACK
            for row in connection.execute(_DELIVERIES, (lowest,)):
                entry = entry_of(number, row, names)
                if entry is not None and entry.source == source and row[-1] is not None:
                    found.append((row[-1], entry.payload))
                if len(found) >= at_most:
                    break
            if lowest > 0 or len(found) >= at_most:
                break
        return found[::-1]

    def of_copied_kinds(self, start: EntryId | None) -> Iterator[Item]:
        """The entries behind `start` that are kept twice, as far as they can be read here."""
        behind = start or EntryId(0, 0)
        for number in file_numbers(self.folder):
            if number >= behind.file:
                with suppress(FileNotFoundError), _passing(file_path(self.folder, number)):
                    yield from self._copied_of(number, behind.n if number == behind.file else 0)

    def _copied_of(self, file: int, behind: int) -> Iterator[Item]:
        with closing(connect_reading(file_path(self.folder, file))) as connection:
            names = read_names(connection)
            for row in connection.execute(_OF_KINDS, (behind, *sorted(COPIED), Kind.NOTE)):
                entry = entry_of(file, row, names)
                if entry is not None and is_copied(entry):
                    yield EntryId(file, row[0]), entry

    def _numbers(self) -> list[int]:
        """The numbers of all files that are there, or of which there are copies."""
        return sorted({*file_numbers(self.folder), *self.copies.copied_files})

    def _read(
        self, file: int, behind: int, limit: int, largest_bytes: int = LARGEST_READ_BYTES
    ) -> tuple[list[Item], DamagedRow | None]:
        """Good rows and copies of damaged ones, up to a damage without a copy, and that damage."""
        found: list[Item] = []
        while True:
            rows, damage = self._stored(file, behind, limit - len(found), largest_bytes)
            found += rows
            if damage is None:
                return found + self._behind_the_end(file, found, behind, limit), None
            copied = self.copies.within(damage.first, damage.last)
            run = [item for k, item in enumerate(copied) if item[0].n == damage.first.n + k]
            if not run:
                before = copied[0][0].n - 1 if copied else damage.last.n
                return found, self._damage(file, damage.first.n, before)
            found += run[: limit - len(found)]
            behind = found[-1][0].n
            largest_bytes -= sum(len(entry.payload) for _, entry in rows + run)
            if len(found) >= limit or largest_bytes <= 0:
                return found, None

    def _behind_the_end(self, file: int, found: list[Item], behind: int, limit: int) -> list[Item]:
        """Copies of what a closed file has lost at its end."""
        path = file_path(self.folder, file)
        if len(found) >= limit or file not in self.copies.copied_files or not path.exists():
            return []
        if not is_sealed(path):
            return []  # a copy may be of an entry that was committed after the file was read
        last = found[-1][0] if found else EntryId(file, behind)
        with closing(connect_reading(path)) as connection:
            end = EntryId(file, max(last.n, _highest_n(connection)) + 1)
        return self.copies.within(end, EntryId(file, NO_MORE))[: limit - len(found)]

    def _stored(
        self, file: int, behind: int, limit: int, largest_bytes: int
    ) -> tuple[list[Item], DamagedRow | None]:
        try:
            with closing(connect_reading(file_path(self.folder, file))) as connection:
                return self._read_run(connection, file, behind, limit, largest_bytes)
        except FileNotFoundError:
            # Set aside or gone: that is declared, and the copies of it are what is left.
            kept = self.copies.within(EntryId(file, behind + 1), EntryId(file, NO_MORE))
            return kept[:limit], None
        except _UNREADABLE as error:
            if not _unreadable(error, file_path(self.folder, file)):
                raise
            if behind == NO_MORE:
                return [], None
            return [], self._damage(file, behind + 1, NO_MORE)

    def _read_run(
        self, connection: sqlite3.Connection, file: int, behind: int, limit: int, largest_bytes: int
    ) -> tuple[list[Item], DamagedRow | None]:
        """Good rows up to the first damage, and that damage."""
        connection.execute("BEGIN")  # one state of the file for all that follows
        names = read_names(connection)
        last = _highest_n(connection)
        found: list[Item] = []
        expected = behind + 1
        for row in _rows(connection, behind, limit, last):
            entry = entry_of(file, row, names) if row[0] == expected else None
            if entry is None:
                return found, self._damage(file, expected, row[0] - 1)
            found.append((EntryId(file, expected), entry))
            expected += 1
            largest_bytes -= len(entry.payload)
            if len(found) == limit or largest_bytes <= 0:
                return found, None
        if expected > last:
            return found, None
        return found, self._damage(file, expected, min(last, behind + _PROBES))

    def _damage(self, file: int, first: int, last: int) -> DamagedRow:
        return DamagedRow(EntryId(file, first), EntryId(file, max(first, last)), self.folder)

    def _newest_first(self) -> Iterator[tuple[int, sqlite3.Connection]]:
        """All files that can be opened; one that can't is reported by after()."""
        for number in reversed(file_numbers(self.folder)):
            path = file_path(self.folder, number)
            with (
                suppress(FileNotFoundError),
                _passing(path),
                closing(connect_reading(path)) as file,
            ):
                read_header(file)
                yield number, file


def read_only(folder: Path) -> JournalReader:
    """The reading side for commands, while the daemon writes or is off."""
    return JournalReader(folder)


def _unreadable(error: Exception, path: Path | None = None) -> bool:
    """Whether the file is at fault, bad sectors included; our questions are right."""
    if not isinstance(error, sqlite3.Error):
        return True
    fault = fault_of(error, path)
    bad_sectors = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
    return fault in AT_FAULT or (bad_sectors and fault is StorageFault.OTHER)


@contextmanager
def _passing(path: Path | None = None) -> Iterator[None]:
    """What can't be read because the file is at fault ends the block, and nothing else."""
    try:
        yield
    except _UNREADABLE as error:
        if not _unreadable(error, path):
            raise


def _highest_n(connection: sqlite3.Connection) -> int:
    """The last n that the file has or, where that is damaged, could have."""
    header = read_header(connection)
    if header is not None and header.last_n is not None:
        return header.last_n
    with _passing():
        (n,) = connection.execute("SELECT coalesce(max(n), 0) FROM entry").fetchone()
        return int(n)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(size) // _SMALLEST_ROW_BYTES


def _received_ns(connection: sqlite3.Connection, n: int) -> int:
    """Of the first row from n on that is there; the end of time behind them all."""
    query = "SELECT received_ns FROM entry WHERE n >= ? ORDER BY n LIMIT 1"
    row = connection.execute(query, (n,)).fetchone()
    return int(row[0]) if row else 2**63 - 1


def _rows(connection: sqlite3.Connection, behind: int, limit: int, last: int) -> Iterator[Row]:
    """Rows in order, one in memory at a time; those on bad pages are left out."""
    query = "SELECT * FROM entry WHERE n > ? ORDER BY n LIMIT ?"
    with _passing():
        for row in connection.execute(query, (behind, limit)):
            yield row
            behind = row[0]
        return
    for n in range(behind + 1, min(last, behind + _PROBES) + 1):
        with _passing():
            yield from connection.execute("SELECT * FROM entry WHERE n = ?", (n,))


def is_written(folder: Path) -> bool:
    """Whether a process holds the writer's lock; nothing is written to find that out."""
    try:
        lock = os.open(folder / "journal.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
