"""What is left in a damaged journal file, read page by page without asking SQLite.

A zeroed first page makes a file unreadable for SQLite, while nearly all rows are still there. The
pages are known by their shape and the rows proved by their CRC. SQLite's file format, sections
1.6 (b-tree pages), 2.1 (records) and 4.1 (log frames): https://sqlite.org/fileformat2.html
"""

import mmap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson

from edaphon.journal.copies import Copies, copies_in
from edaphon.journal.entry import (
    Entry,
    Kind,
    Row,
    any_text,
    entry_of,
    file_path,
    number_of,
    numbers_there,
    reached_in,
)
from edaphon.journal.reader import DamagedRow, read_only
from edaphon.model import EntryId

PAGE_BYTES = 4096
_LEAF = 0x0D
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_ENTRY_COLUMNS, _NAME_COLUMNS = 11, 2
_LARGEST_PAYLOAD = 1 << 24
_TIMES_READ = 8  # each byte of a file on overflow pages, on average: chains of others may meet


def salvage(path: Path) -> Iterator[tuple[EntryId, Entry]]:
    """Every entry of a file, damaged or good, whose row has a good CRC, in order.

    Takes about 60 bytes of memory for each row. Raises ValueError for another file's name.
    """
    number = number_of(path)
    pages = _Pages(path)
    names: dict[int, str] = {}
    places: list[int] = []
    for at in pages.leaves():
        for cell in pages.cells(at):
            columns = pages.columns(cell)
            if len(columns) == _NAME_COLUMNS and isinstance(columns[1], str):
                names[columns[0]] = columns[1]
            elif len(columns) == _ENTRY_COLUMNS:
                places.append(columns[0] << 64 | cell)
    places.sort()
    for n, same in groupby(places, lambda place: place >> 64):
        cells = [place & 0xFFFFFFFFFFFFFFFF for place in same]
        # The newest version of a row is the last in the log.
        rows = (cast(Row, tuple(pages.columns(cell))) for cell in reversed(cells))
        entry = next(filter(None, (entry_of(number, row, names) for row in rows)), None)
        if entry is not None:
            yield EntryId(number, n), entry


class _Pages:
    """The pages of a file and of its log as one row of bytes; a place is an offset in it."""

    def __init__(self, path: Path) -> None:
        self._file = _bytes_of(path)
        log = path.with_name(path.name + "-wal")
        self._log = _bytes_of(log) if log.exists() else b""
        self._frames = range(
            _LOG_HEADER_BYTES + _FRAME_HEADER_BYTES,
            len(self._log) - PAGE_BYTES + 1,
            PAGE_BYTES + _FRAME_HEADER_BYTES,
        )
        self._left = _TIMES_READ * (len(self._file) + len(self._log))
        heads = ((frame - _FRAME_HEADER_BYTES, frame) for frame in self._frames)
        self._newest = {int.from_bytes(self._log[at : at + 4], "big"): frame for at, frame in heads}

    def leaves(self) -> Iterator[int]:
        """Where pages that look like leaves of a table begin; those of the log come last."""
        for at in range(0, len(self._file), PAGE_BYTES):
            if self._file[at] == _LEAF:
                yield at
        for at in self._frames:
            if self._log[at] == _LEAF:
                yield len(self._file) + at

    def cells(self, page: int) -> Iterator[int]:
        data = self._read(page, PAGE_BYTES)
        for k in range(int.from_bytes(data[3:5], "big")):
            start = int.from_bytes(data[8 + 2 * k : 10 + 2 * k], "big")
            if 8 <= start < len(data):
                yield page + start

    def columns(self, cell: int) -> list[Any]:
        """The columns of the record there, the row's number first; empty if it is no record."""
        page = cell - self._offset_in_page(cell)
        head = self._read(cell, page + PAGE_BYTES - cell)
        try:
            size, at = _varint(head, 0)
            key, at = _varint(head, at)
            record = self._record(head[at:], size)
            values = _values(record)
        except (IndexError, ValueError):
            return []
        return [key, *values[1:]]

    def _record(self, start: bytes, size: int) -> bytes:
        """The whole record, with the part that stands on overflow pages."""
        if size > _LARGEST_PAYLOAD:
            raise ValueError(size)
        here = _local_bytes(size)
        record = bytearray(start[:here])
        page = int.from_bytes(start[here : here + 4], "big") if size > here else 0
        while len(record) < size:
            data = self._page(page)
            self._left -= PAGE_BYTES
            if self._left < 0:
                raise ValueError(page)
            record += data[4 : 4 + size - len(record)]
            page = int.from_bytes(data[:4], "big")
        return bytes(record)

    def _page(self, number: int) -> bytes:
        if number in self._newest:
            return self._read(len(self._file) + self._newest[number], PAGE_BYTES)
        data = self._read((number - 1) * PAGE_BYTES, PAGE_BYTES)
        if number < 2 or len(data) < PAGE_BYTES:
            raise ValueError(number)
        return data

    def _offset_in_page(self, place: int) -> int:
        if place < len(self._file):
            return place % PAGE_BYTES
        in_log = place - len(self._file) - _LOG_HEADER_BYTES
        return in_log % (PAGE_BYTES + _FRAME_HEADER_BYTES) - _FRAME_HEADER_BYTES

    def _read(self, place: int, size: int) -> bytes:
        if place < len(self._file):
            return self._file[place : place + size]
        start = place - len(self._file)
        return self._log[start : start + size]


def _bytes_of(path: Path) -> mmap.mmap | bytes:
    if not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _local_bytes(size: int) -> int:
    """How much of a record stands on its leaf page (file format, section 1.6)."""
    if size <= PAGE_BYTES - 35:
        return size
    least = (PAGE_BYTES - 12) * 32 // 255 - 23
    here = least + (size - least) % (PAGE_BYTES - 4)
    return here if here <= PAGE_BYTES - 35 else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for k in range(8):
        byte = data[at + k]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + k + 1
    return value << 8 | data[at + 8], at + 9


def _values(record: bytes) -> list[Any]:
    end, at = _varint(record, 0)
    kinds = []
    while at < end:
        kind, at = _varint(record, at)
        kinds.append(kind)
    values = []
    for kind in kinds:
        value, at = _value(record, kind, at)
        values.append(value)
    return values


def _value(record: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind in {8, 9}:
        return kind - 8, at
    if kind >= 12:
        size = (kind - 12) // 2
        data = record[at : at + size]
        return any_text(data) if kind % 2 else data, at + size
    if kind > 6:
        raise ValueError(kind)  # a float or a reserved type: no column of ours
    size = _INTEGER_BYTES[kind]
    data = record[at : at + size]
    return int.from_bytes(data, "big", signed=True) if kind else None, at + size


class Missing(NamedTuple):
    """Entries of a file that are gone, to the last that is known; None: no last one is known."""

    first: int
    last: int | None
    why: str


class DeclaredLoss(NamedTuple):
    """A journal file, or its end, that was lost; `place` is where that is declared."""

    place: EntryId
    received_ns: int
    number: int
    file: str
    why: str
    first: int | None = None
    last: int | None = None
    rows: bool = False  # of a file that is there

    @property
    def whole(self) -> bool:
        """Whether it is all of the file."""
        return not self.rows and (self.first or 1) == 1

    @property
    def n(self) -> int:
        """How many entries it names; 0 where that is not known."""
        return self.last - self.first + 1 if self.first and self.last else 0

    @property
    def words(self) -> str:
        """The loss, and what can be done, for a person."""
        return (
            f"{self.why}; see what is left with `edaphon salvage {self.number}`, then, once this is"
            " noted, `edaphon salvage --acknowledge`"
        )


def losses_in(copies: Copies) -> list[DeclaredLoss]:
    """All that were ever declared, in order."""
    found = []
    for place, entry in copies.of_kind(Kind.LOST):
        table = orjson.loads(entry.payload)
        if "number" in table:
            range_ = table.get("first"), table.get("last")
            names = table["number"], table["file"], table["why"]
            found.append(DeclaredLoss(place, entry.received_ns, *names, *range_, "rows" in table))
    return found


def open_losses(copies: Copies) -> list[DeclaredLoss]:
    """Those that no person has acknowledged since."""
    until = max((place for place, _ in _acknowledgements(copies)), default=EntryId(0, 0))
    return [loss for loss in losses_in(copies) if loss.place > until]


def missing_files(folder: Path, reached: EntryId | None) -> dict[int, Missing]:
    """By number, files that were begun, or reached, and are neither there nor set aside nor
    declared as lost."""
    copies = copies_in(folder)
    declared = {loss.number for loss in losses_in(copies) if loss.whole}
    begun = copies.files | copies.copied_files | ({reached.file} if reached else set())
    found = {}
    for number in sorted(begun - numbers_there(folder) - declared):
        last = reached.n if reached and reached.file == number else None
        why = f"{file_path(folder, number).name} is not there any more"
        found[number] = Missing(1, last, why)
    return found


def undeclared(folder: Path, reached: EntryId | None) -> list[DeclaredLoss]:
    """Files that are gone, and an end of the newest that is, before a start has declared them.

    `reached` is the last place that others know to have been committed. Nothing is written.
    """
    copies, marks = copies_in(folder), (reached_in(folder), reached)
    reached = max((*copies.places[-1:], *filter(None, marks)), default=None)
    gone = missing_files(folder, reached)
    last = read_only(folder).last
    if last and reached and last.file == reached.file and last.n < reached.n:
        name = file_path(folder, last.file).name
        gone[last.file] = Missing(last.n + 1, reached.n, lost_end(name, last.n, reached.n))
    return [
        DeclaredLoss(
            EntryId(0, 0), 0, number, file_path(folder, number).name, m.why, m.first, m.last
        )
        for number, m in gone.items()
    ]


def lost_end(name: str, last_n: int, reached_n: int) -> str:
    """Why a file that is there has lost entries."""
    return f"{name} ends with entry {last_n}, and {reached_n} were committed"


def covered(losses: Iterable[DeclaredLoss], damage: DamagedRow) -> bool:
    """Whether these losses hold all entries of a run that can't be read."""
    return any(holds(loss, damage.first) and holds(loss, damage.last) for loss in losses)


def holds(loss: DeclaredLoss, place: EntryId) -> bool:
    """Whether that entry is one of the lost ones."""
    after_end = loss.last is not None and place.n > loss.last
    return loss.number == place.file and (loss.first or 1) <= place.n and not after_end


def declaration(damage: DamagedRow, folder: Path) -> bytes:
    """The payload of an entry of kind LOST: these rows of a file that is there can't be read."""
    number, first, last = damage.first.file, damage.first.n, damage.last.n
    name = file_path(folder, number).name
    rows = f"entry {first}" if first == last else f"the entries {first} to {last}"
    why = f"{rows} of {name} can't be read: damaged"
    table = {"file": name, "number": number, "first": first, "last": last, "why": why}
    return orjson.dumps({**table, "rows": True})


def acknowledged_releases(copies: Copies) -> set[tuple[str, str]]:
    """Names of releases with what was found wrong with each, as far as a person has noted it."""
    tables = [table.get("releases", {}) for _, table in _acknowledgements(copies)]
    return {(name, words) for table in tables for name in table for words in table[name]}


def acknowledgement(
    who: str,
    without: Iterable[EntryId],
    releases: Mapping[str, list[str]] | None = None,
    account: str = "",
) -> bytes:
    """The payload of an entry of kind LOST that closes all losses before it."""
    places = [place.number for place in without]
    table: dict[str, Any] = {"acknowledged": True, "who": who, "without": places}
    table |= {"releases": dict(releases)} if releases else {}
    table |= {"account": account} if account else {}
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS)


def entered_again(places: Iterable[EntryId], by: EntryId | None = None) -> bytes:
    """The payload of an entry of kind LOST: later entries stand for those of these places.

    `by` is one that is read in the place of each of them: a configuration of the same words.
    """
    table: dict[str, Any] = {"without": sorted(place.number for place in places)}
    return orjson.dumps(table | ({"by": by.number} if by else {}))


def _acknowledgements(copies: Copies) -> list[tuple[EntryId, dict[str, Any]]]:
    rows = [(place, orjson.loads(entry.payload)) for place, entry in copies.of_kind(Kind.LOST)]
    return [(place, table) for place, table in rows if table.get("acknowledged")]
