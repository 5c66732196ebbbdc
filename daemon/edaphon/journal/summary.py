"""What is known of a journal up to a place without reading it: kept, proved, never recounted."""

import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple, Self

import orjson

from edaphon.journal.entry import START, Kind
from edaphon.journal.fact_log import crc_at
from edaphon.journal.reader import CHUNK, NO_MORE, DamagedRow, JournalReader
from edaphon.model import EntryId

LONG = 100_000


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

    def to_json(self, journal: JournalReader) -> dict[str, Any]:
        """With the CRC of the entry at its place, and one of its own."""
        files = {str(number): list(own) for number, own in self.files.items()}
        table = {"files": files, "entry_crc": crc_at(journal, self.place)}
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
        same = found.place != cls(every).place or own["entry_crc"] == crc_at(journal, found.place)
        return found if whole and same else None


def _crc_of(table: Mapping[str, Any]) -> int:
    return zlib.crc32(orjson.dumps(table, option=orjson.OPT_SORT_KEYS))


def summed(
    journal: JournalReader,
    kept: Any,
    kinds: Collection[Kind],
    keep: Callable[[Mapping[str, Any]], None] = lambda _: None,
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
    journal: JournalReader, file: int, before: FileSum, kinds: Collection[Kind], end: int = NO_MORE
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
            items = journal.after(place, CHUNK)
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
