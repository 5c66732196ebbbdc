"""The ledger of entries and slots, counted anew from the journal: independent of what ran live."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from edaphon.acquire.timekeeper import STEP_NS
from edaphon.journal import DamagedRow, Entry, JournalReader, Kind
from edaphon.nouns import Sequence

__all__ = ["EntryAccount", "SlotBook", "read_accounts", "told_of"]

PAGE = 4000


@dataclass(slots=True)
class SlotBook:
    """The slots of one source between two steps of the clock: records, and closed gap runs."""

    records: "array[int]" = field(default_factory=lambda: array("q"))
    gaps: list[tuple[int, int, int]] = field(default_factory=list)  # first, last, n

    def told(self, open_gap: Mapping[str, Any] | None, interval_ns: int | None) -> dict[str, Any]:
        """slots = records + gaps, no slot twice; on a grid, no slot missing either."""
        runs = list(self.gaps)
        if open_gap is not None:
            runs.append((open_gap["first_ns"], open_gap["last_ns"], open_gap["n"]))
        slots, n = set(self.records), sum(run[2] for run in runs)
        twice = len(self.records) - len(slots)
        ends = sorted([*slots, *(t for run in runs for t in run[:2])])
        expected = _on_grid(ends, interval_ns)
        overlaps = _overlaps(sorted(slots), sorted(runs))
        counted = len(slots) + n
        return {
            "records": len(slots),
            "in_gaps": n,
            "expected": expected,
            "twice": twice + overlaps,
            "closes": not twice and not overlaps and expected in {None, counted},
        }


@dataclass(slots=True)
class EntryAccount:
    """What the journal holds up to a place, every CRC checked on the way."""

    records: int = 0
    damaged: int = 0
    books: dict[str, list[SlotBook]] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)  # of the clock, by boot

    def take(self, entry: Entry) -> None:
        if entry.kind == Kind.RECORD:
            self.records += 1
            if entry.slot_ns is not None:
                self._book(entry).records.append(entry.slot_ns)
        elif entry.kind == Kind.GAP:
            gap = orjson.loads(entry.payload)
            if gap["state"] == "closed":
                self._book(entry).gaps.append((gap["first_ns"], gap["last_ns"], gap["n"]))
        elif entry.kind == Kind.CLOCK:
            self._clock(entry)

    def _book(self, entry: Entry) -> SlotBook:
        return self.books.setdefault(entry.source, [SlotBook()])[-1]

    def _clock(self, entry: Entry) -> None:
        """A step begins the slots anew: those it leapt over or back to were never due."""
        offset = int(orjson.loads(entry.payload)["offset_ns"])
        before = self.offsets.setdefault(entry.boot, offset)
        self.offsets[entry.boot] = offset
        if abs(offset - before) > STEP_NS:
            for books in self.books.values():
                books.append(SlotBook())


def told_of(
    books: list[SlotBook], open_gap: Mapping[str, Any] | None, interval_ns: int | None
) -> dict[str, Any]:
    """The slots of a source, all its books together; the open gap belongs to the last."""
    parts = [book.told(None, interval_ns) for book in books[:-1]]
    parts.append(books[-1].told(open_gap, interval_ns))
    expected = [part["expected"] for part in parts]
    return {
        **{name: sum(p[name] for p in parts) for name in ("records", "in_gaps", "twice")},
        "expected": None if None in expected else sum(expected),
        "closes": all(part["closes"] for part in parts),
    }


def read_accounts(journal: JournalReader, up_to: Sequence) -> EntryAccount:
    account, place = EntryAccount(), Sequence(0, 0)
    while place < up_to:
        try:
            items = journal.after(place, PAGE)
        except DamagedRow as damage:
            account.damaged += 1
            place = damage.last
            continue
        if not items:
            break
        for sequence, entry in items:
            if sequence <= up_to:
                account.take(entry)
        place = items[-1][0]
    return account


def _on_grid(ends: list[int], interval_ns: int | None) -> int | None:
    """How many slots lie from the first to the last; None where they lie on no one grid."""
    if not ends:
        return 0
    if not interval_ns or any(t % interval_ns for t in ends):
        return None
    return (ends[-1] - ends[0]) // interval_ns + 1


def _overlaps(slots: list[int], runs: list[tuple[int, int, int]]) -> int:
    found, at = 0, 0
    for first, last, _ in runs:
        while at < len(slots) and slots[at] < first:
            at += 1
        end = at
        while end < len(slots) and slots[end] <= last:
            end += 1
        found += end - at
        at = end
    return found
