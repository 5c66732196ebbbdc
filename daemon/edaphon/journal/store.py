"""The files of the journal that are written to: commits, the next file, and what is lost."""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from edaphon.clock import Clock
from edaphon.databases import AT_FAULT, SIDE_FILES, connect, fault_of, move_aside, sync_folder
from edaphon.journal.copies import (
    NOT_COPIED,
    CopyFile,
    begun_line,
    copies_in,
    machine_marks,
    origin_of,
)
from edaphon.journal.entry import (
    APPLICATION_ID,
    SCHEMA,
    VERSION,
    Damaged,
    Entry,
    Header,
    JournalTooNew,
    Kind,
    any_text,
    connect_reading,
    entry_of,
    file_numbers,
    file_path,
    insert,
    is_sealed,
    number_of,
    numbers_ever,
    reach,
    reached_in,
    read_header,
    read_names,
    row_of,
    stray_files,
)
from edaphon.journal.reader import JournalReader
from edaphon.journal.salvage import Missing, lost_end, missing_files
from edaphon.model import EntryId

_log = logging.getLogger(__name__)


def _month(wall_ns: int) -> tuple[int, int]:
    date = time.gmtime(wall_ns // 1_000_000_000)
    return date.tm_year, date.tm_mon


class DamagedEntries(Damaged):
    """Rows of a file are not what was written; the others can be read as ever."""


class OpenFile:
    """The one file that is written to."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._names: dict[str, int] = {}
        self.last_n = 0
        self.journal, self.number, self.opened_ns = "", 0, 0

    @classmethod
    def create(cls, folder: Path, number: int, journal: str, opened_ns: int) -> "OpenFile":
        """A new, empty file; it gets its name only when all its tables are durable."""
        path = file_path(folder, number)
        part = path.with_name(path.name + ".new")
        for end in ("", *SIDE_FILES):
            Path(f"{part}{end}").unlink(missing_ok=True)
        with closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("BEGIN")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            for table in SCHEMA.values():
                connection.execute(table)
            header = journal, number, opened_ns
            connection.execute("INSERT INTO header VALUES (?,?,?,NULL)", header)
            connection.execute("COMMIT")
            # Here, as a full disk may leave a change of it half done, which no reader can mend.
            connection.execute("PRAGMA journal_mode = WAL")
        part.rename(path)
        sync_folder(folder)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "OpenFile":
        """Raises Damaged or JournalTooNew; sqlite3.Error when the disk fails just now."""
        if path.is_dir():
            raise Damaged(f"{path.name}: expected a file, got a directory")
        connection = _connect_writing(path)
        try:
            file = cls(path, connection)
            file._check()
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 4194304")
        except sqlite3.DatabaseError as error:
            connection.close()
            if is_damage(error, path):
                raise Damaged(f"{path.name}: {error}") from error
            raise
        except (Damaged, JournalTooNew):
            connection.close()
            raise
        return file

    def write(self, entries: list[Entry], mids: list[int | None]) -> int:
        """One transaction; the first entry's n. Nothing of it is there after a sqlite3.Error."""
        first = self.last_n + 1
        fresh = self._fresh_names(entries)
        names = {**self._names, **fresh} if fresh else self._names
        rows = [
            row_of(self.number, n, entry, names, mid)
            for n, (entry, mid) in enumerate(zip(entries, mids, strict=True), first)
        ]
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            new = "INSERT INTO name (text, id) VALUES (?,?)"
            connection.executemany(new, list(fresh.items()))
            insert(connection, rows)
        self._names.update(fresh)
        self.last_n += len(rows)
        return first

    def holds(self, n: int, entry: Entry) -> bool:
        """Whether that row is there, and is that entry."""
        row = self._connection.execute("SELECT * FROM entry WHERE n = ?", (n,)).fetchone()
        return row is not None and entry_of(self.number, row, read_names(self._connection)) == entry

    def make_durable(self) -> None:
        """Write all rows once more, after a sync that failed; raises sqlite3.Error.

        What the kernel could not write then it may believe to be written, so another sync of the
        same log proves nothing: its pages are copied into the file, and that is synchronised.
        """
        query = "PRAGMA wal_checkpoint(FULL)"
        busy, pages, copied = self._connection.execute(query).fetchone()
        if busy or pages != copied:
            raise sqlite3.OperationalError(f"expected {pages} pages copied, got {copied}")

    def size_bytes(self) -> int:
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (page,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page)

    def close(self) -> None:
        self._connection.close()

    def _fresh_names(self, entries: list[Entry]) -> dict[str, int]:
        used = {entry.boot for entry in entries} | {entry.source for entry in entries}
        fresh = sorted(used - self._names.keys())
        return {text: at for at, text in enumerate(fresh, len(self._names) + 1)}

    def _check(self) -> None:
        _check_identity(self._connection, self.path)
        header = _expect_own_header(read_header(self._connection), self.path)
        self.journal, self.number, self.opened_ns, _ = header
        names = read_names(self._connection)
        self._names = {text: at for at, text in names.items()}
        newest = self._connection.execute(
            "SELECT * FROM entry ORDER BY n DESC LIMIT ?", (_CHECKED_ROWS,)
        ).fetchall()
        self.last_n = newest[0][0] if newest else 0
        for back, row in enumerate(newest):
            if row[0] != self.last_n - back or entry_of(self.number, row, names) is None:
                raise DamagedEntries(f"{self.path.name}: row {row[0]} is not what was written")


def is_damage(error: sqlite3.Error, path: Path) -> bool:
    """Whether the file is at fault, and not the disk, the memory or another program."""
    return fault_of(error, path) in AT_FAULT


def _expect_own_header(header: Header | None, path: Path) -> Header:
    whole = header is not None and isinstance(header.file, int)
    if header is None or not whole or file_path(path.parent, header.file).name != path.name:
        raise Damaged(f"{path.name}: expected its own header, got {header}")
    return header


def _connect_writing(path: Path) -> sqlite3.Connection:
    # A missing file is an error, never silently a new and empty journal.
    connection = connect(path, "mode=rw")
    connection.text_factory = any_text
    return connection


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
    found = connection.execute(query).fetchall()  # a trigger may have the name of a table
    expected = [("table", name, name, sql) for name, sql in SCHEMA.items()]
    if application == APPLICATION_ID and version > VERSION:
        raise JournalTooNew(
            f"{path} has format {version}, this edaphon knows {VERSION}: install the newer edaphon"
        )
    what = application, version, sorted(found, key=str)
    if what != (APPLICATION_ID, VERSION, sorted(expected)):
        raise Damaged(
            f"{path.name}: expected a journal file of format {VERSION}, got application id "
            f"{application or 0:#x}, format {version}, with {_names(found)}"
        )


def _names(found: list[tuple[object, ...]]) -> str:
    return ", ".join(f"{kind} {str(name)[:40]}" for kind, name, *_ in found[:8]) or "no tables"


_CHECKED_ROWS = 50


def check_closed(path: Path) -> None:
    """Raises Damaged when a file that is no longer written to is not that journal file."""
    if path.is_dir():
        raise Damaged(f"{path.name}: expected a file, got a directory")
    try:
        with closing(connect_reading(path)) as connection:
            _check_identity(connection, path)
            _expect_own_header(read_header(connection), path)
    except sqlite3.DatabaseError as error:
        if is_damage(error, path):
            raise Damaged(f"{path.name}: {error}") from error


def seal(path: Path) -> bool:
    """Close a file for ever: its last n in its header, no side files, no write permission.

    False when somebody reads it just now, or the disk refuses; to be tried again.
    """
    try:
        with closing(_connect_writing(path)) as connection:
            connection.execute(
                "UPDATE header SET last_n = (SELECT coalesce(max(n), 0) FROM entry)"
                " WHERE last_n IS NULL"
            )
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error:
        return False
    if mode != "delete":
        return False
    path.chmod(0o440)
    return True


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
        self._largest_bytes, self._on_problem = largest_bytes, on_problem
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
        reach(self._folder, EntryId(file.number, file.last_n))
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
        first = EntryId(file.number, first_n)
        self._committed(first, entries)
        return first

    def _committed(self, first: EntryId, entries: list[Entry]) -> None:
        copies = self._copies
        is_plain = NOT_COPIED.issuperset(entry.kind for entry in entries)
        if is_plain and copies.healed and not copies.waiting:
            reach(self._folder, EntryId(first.file, first.n + len(entries) - 1))
        else:
            copies.commit(first, entries)

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
            self._committed(doubt, entries)
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
        is_over = file.journal != self.id or (self._is_full(file) and file.last_n)
        if is_over or self._has_lost_its_end(file):
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
        reached = [self._reached.file] if self._reached is not None else []
        known = {*numbers_ever(self._folder), *reached, *copies_in(self._folder).files}
        number = max(known, default=0) + 1
        opened_ns = self._clock.wall_ns()
        file = OpenFile.create(self._folder, number, self.id, opened_ns)
        self._copies.begin(number, opened_ns)
        return file

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
        self._committed(EntryId(file.number, file.write(entries, [None])), entries)

    def _known_id(self) -> str | None:
        for number in reversed(file_numbers(self._folder)):
            with contextlib.suppress(sqlite3.Error, OSError):
                with closing(connect_reading(file_path(self._folder, number))) as connection:
                    header = read_header(connection)
                if header is not None:
                    return header.journal
        return None
