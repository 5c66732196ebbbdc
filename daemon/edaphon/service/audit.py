"""The ledger of entries and slots, counted from the journal: independent of what ran live."""

import sqlite3
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from edaphon.acquire.gaps import FLOOD, LEAPT, WITHDRAWN, Gap
from edaphon.journal import DamagedRow, Entry, JournalReader, Kind
from edaphon.model import EntryId

__all__ = ["EntryAccount", "SlotBook", "newest_from", "read_accounts"]

START, FIRST_NS = EntryId(0, 0), -(2**63)
PAGE = 4000
NEWEST, NEWEST_BYTES = 200_000, 100_000_000  # entries, and bytes of their payloads
_PAYLOADS = "SELECT coalesce(sum(length(payload)), 0) FROM entry WHERE n > ?"
SETTLED_NS = 600_000_000_000  # behind a place in the journal no slot is older than this


@dataclass(slots=True)
class SlotBook:
    """The slots of one source: those with a record, the gap runs that are closed, and leaps.

    What is withdrawn is taken out again: then a record of such a slot counts as one without.
    """

    records: "array[int]" = field(default_factory=lambda: array("q"))
    gaps: list[tuple[int, int, int]] = field(default_factory=list)  # first, last, n
    leaps: list[tuple[int, int, int]] = field(default_factory=list)

    def take_gap(self, gap: Mapping[str, Any]) -> None:
        run = (gap["first_ns"], gap["last_ns"], gap["n"])
        if gap["state"] == "closed":
            self.gaps.append(run)
        elif gap["state"] == LEAPT:
            self.leaps.append(run)
        elif gap["state"] == WITHDRAWN:
            self.records = array("q", (slot for slot in self.records if slot < run[0]))
            self.gaps = [own for own in self.gaps if own[0] < run[0]]
            self.leaps = [own for own in self.leaps if own[0] < run[0]]

    def reported(
        self,
        open_gap: Gap | None,
        interval_ns: int | None,
        running: bool = False,
        lost: bool = False,
    ) -> dict[str, Any]:
        """slots = records + gaps, no slot twice; on a grid, no slot missing either.

        Where the service runs, one measurement may still be going on, with later slots missed.
        `lost`: a person has noted that entries were lost; what they held of slots is not known.
        """
        runs = list(self.gaps)
        if open_gap is not None:
            runs.append((open_gap.first_ns, open_gap.last_ns, open_gap.n))
        slots, n = set(self.records), sum(run[2] for run in runs)
        twice = len(self.records) - len(slots)
        ends = sorted([*slots, *(t for run in [*runs, *self.leaps] for t in run[:2])])
        leapt = sum(run[2] for run in self.leaps)
        expected = _on_grid(ends, interval_ns)
        if expected is not None:
            expected -= leapt
        overlaps = _overlaps(sorted(slots), sorted(runs))
        counted = len(slots) + n
        flying = running and _in_flight(max(slots, default=None), runs, ends, interval_ns)
        if flying and expected == counted + 1:
            expected -= 1
        else:
            flying = False
        return {
            "records": len(slots),
            "in_gaps": n,
            "leapt": leapt,
            "expected": expected,
            "in_flight": int(flying),
            "twice": twice + overlaps,
            "unknown": 0 if expected is None or not lost else expected - counted,
            "closes": lost or (not twice and not overlaps and expected in {None, counted}),
        }


@dataclass(slots=True)
class EntryAccount:
    """What the journal holds behind a place, every CRC checked on the way.

    Slots before `since_ns` [UTC ns] are left out. `floods`: by source, items above its budget.
    """

    since_ns: int = FIRST_NS
    records: int = 0
    damaged: list[DamagedRow] = field(default_factory=list)
    books: dict[str, SlotBook] = field(default_factory=dict)
    floods: dict[str, int] = field(default_factory=dict)

    def take(self, entry: Entry, derived: bool) -> None:
        if entry.kind == Kind.RECORD:
            self.records += derived
            if entry.slot_ns is not None and entry.slot_ns >= self.since_ns:
                self._book(entry).records.append(entry.slot_ns)
        elif entry.kind == Kind.GAP:
            gap = orjson.loads(entry.payload)
            if gap["cause"] == FLOOD:
                self.floods[entry.source] = self.floods.get(entry.source, 0) + gap["n"]
            elif gap["last_ns"] >= self.since_ns:
                self._book(entry).take_gap(gap)

    def _book(self, entry: Entry) -> SlotBook:
        return self.books.setdefault(entry.source, SlotBook())


def newest_from(journal: JournalReader) -> EntryId:
    """The place behind which the newest entries lie, as many as are read in a second or two."""
    entries, payloads = NEWEST, NEWEST_BYTES
    for file in reversed(journal.files()):
        n = _asked(journal, file, "SELECT coalesce(max(n), 0) FROM entry", ())
        behind = max(0, n - entries)
        while (size := _asked(journal, file, _PAYLOADS, (behind,))) > payloads:
            behind = (behind + n + 1) // 2
        if behind:
            return EntryId(file, behind)
        entries, payloads = entries - n, payloads - size
    return START


def _asked(journal: JournalReader, file: int, query: str, words: tuple[int, ...]) -> int:
    """A number of a file; of a damaged one 0."""
    try:
        return int(journal.ask_file(file, query, words)[0])
    except (sqlite3.Error, OSError):
        return 0


def read_accounts(
    journal: JournalReader, derived: EntryId, up_to: EntryId, start: EntryId = START
) -> EntryAccount:
    """The records that are derived, and the slots of all entries, behind `start` up to a place."""
    account, place = EntryAccount(), start
    if start != START:
        first = journal.scan(start=start, on_damage=lambda _: None)
        begun = next((entry.received_ns for _, entry in first), FIRST_NS)
        account.since_ns = begun + SETTLED_NS
    while place < up_to:
        try:
            items = journal.after(place, PAGE)
        except DamagedRow as damage:
            account.damaged.append(damage)
            place = damage.last
            continue
        if not items:
            break
        for sequence, entry in items:
            if sequence <= up_to:
                account.take(entry, sequence <= derived)
        place = items[-1][0]
    return account


def _on_grid(ends: list[int], interval_ns: int | None) -> int | None:
    """How many slots lie from the first to the last; None where they lie on no one grid."""
    if not ends:
        return 0
    if not interval_ns or any(t % interval_ns for t in ends):
        return None
    return (ends[-1] - ends[0]) // interval_ns + 1


def _in_flight(
    newest: int | None, runs: list[tuple[int, int, int]], ends: list[int], interval_ns: int | None
) -> bool:
    """Whether behind the newest record one slot has no account, and all others were missed."""
    if newest is None or not interval_ns:
        return False
    behind = sum(n for first, _, n in runs if first > newest)
    return bool(behind) and (ends[-1] - newest) // interval_ns == behind + 1


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
