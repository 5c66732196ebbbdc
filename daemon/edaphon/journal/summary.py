"""What is known of a journal up to a place without reading it: kept, proved, never recounted."""

import sqlite3
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Self

import orjson

from edaphon.journal.entry import Entry, Kind, entry_crc
from edaphon.journal.reading import DamagedRow, JournalReader
from edaphon.nouns import Sequence

__all__ = ["Summary", "summed"]

START = Sequence(0, 0)
Keep = Callable[[Mapping[str, Any]], None]


class Summary(NamedTuple):
    """`records` counts the rows of records up to `place`, damaged ones included; `rare` are the
    places (Sequence.number) of all entries of the kinds that were asked for."""

    place: Sequence = START
    records: int = 0
    rare: tuple[int, ...] = ()

    def with_entries(self, first: Sequence, entries: list[Entry], kinds: Collection[Kind]) -> Self:
        """With entries that were committed from `first` on."""
        rare = [first.number + i for i, e in enumerate(entries) if e.kind in kinds]
        return self._replace(
            place=Sequence(first.file, first.n + len(entries) - 1),
            records=self.records + sum(e.kind == Kind.RECORD for e in entries),
            rare=(*self.rare, *rare) if rare else self.rare,
        )

    def to_json(self, journal: JournalReader) -> dict[str, Any]:
        """With the CRC of the entry at its place, and one of its own."""
        table = {"place": list(self.place), "records": self.records, "rare": list(self.rare)}
        table["entry_crc"] = _crc_at(journal, self.place)
        return {**table, "crc": _crc_of(table)}

    @classmethod
    def of_json(cls, table: Any, journal: JournalReader) -> Self | None:
        """None where it is damaged, or of entries that the journal does not hold."""
        try:
            own = {name: table[name] for name in ("place", "records", "rare", "entry_crc")}
            found = cls(Sequence(*own["place"]), int(own["records"]), tuple(own["rare"]))
            whole = table["crc"] == _crc_of(own)
        except (KeyError, TypeError, ValueError):
            return None
        return found if whole and own["entry_crc"] == _crc_at(journal, found.place) else None


def summed(
    journal: JournalReader,
    kept: Any,
    kinds: Collection[Kind],
    keep: Keep = lambda _: None,
) -> Summary:
    """The summary of all entries from one that was kept as JSON, or None; `keep` is handed it
    after each file, so that an interrupted first sum goes on there."""
    found = Summary.of_json(kept, journal) or Summary()
    for file in journal.files():
        if file < found.place.file:
            continue
        behind = found.place.n if file == found.place.file else 0
        last, records, rare = _of_file(journal, file, behind, kinds)
        if last > behind:
            places = (Sequence(file, n).number for n in rare)
            found = Summary(
                Sequence(file, last), found.records + records, (*found.rare, *places)
            )
            keep(found.to_json(journal))
    return found


def _of_file(
    journal: JournalReader, file: int, behind: int, kinds: Collection[Kind]
) -> tuple[int, int, list[int]]:
    """(its last n, records and places of those kinds behind that n)."""
    names = ",".join(str(int(kind)) for kind in sorted(kinds))
    query = (
        f"SELECT coalesce(max(n), 0), coalesce(sum(kind = {int(Kind.RECORD)}), 0),"  # noqa: S608
        f" group_concat(CASE WHEN kind IN ({names}) THEN n END) FROM entry WHERE n > ?"
    )
    try:
        last, records, rare = journal.ask_file(file, query, (behind,))
    except sqlite3.Error:
        return _row_by_row(journal, file, behind, kinds)
    return last, records, sorted(map(int, rare.split(","))) if rare else []


def _row_by_row(
    journal: JournalReader, file: int, behind: int, kinds: Collection[Kind]
) -> tuple[int, int, list[int]]:
    """The same of a file with damaged pages: what can't be read counts for nothing."""
    records, rare = 0, []
    place = Sequence(file, behind)
    last = behind
    while place.file == file:
        try:
            items = journal.after(place, 2000)
        except DamagedRow as damage:
            place = damage.last
            continue
        own = [item for item in items if item[0].file == file]
        if not own:
            break
        records += sum(entry.kind == Kind.RECORD for _, entry in own)
        rare += [sequence.n for sequence, entry in own if entry.kind in kinds]
        place = own[-1][0]
        last = place.n
    return last, records, rare


def _crc_at(journal: JournalReader, place: Sequence) -> int:
    try:
        return entry_crc(*place, journal.entry(place)) if place != START else -1
    except (KeyError, DamagedRow):
        return -2


def _crc_of(table: Mapping[str, Any]) -> int:
    return zlib.crc32(orjson.dumps(table, option=orjson.OPT_SORT_KEYS))
