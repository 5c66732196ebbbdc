"""What is stored, held against what was counted: entries, slots, kept sums, releases, losses."""

import sqlite3
import threading
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from edaphon.acquire.slots import FLOOD, LEAPT, WITHDRAWN, Gap, Timekeeper
from edaphon.clock import DAY_NS, SECOND_NS, instant_text
from edaphon.databases import AT_FAULT, fault_of
from edaphon.derive.plan import known_facts
from edaphon.journal import DamagedRow, Entry, Journal, JournalReader, Kind, StateFile, read_only
from edaphon.journal.entry import file_path
from edaphon.journal.fact_log import FACT_LOG_KINDS
from edaphon.journal.salvage import (
    DeclaredLoss,
    acknowledged_releases,
    covered,
    declaration,
    entered_again,
    losses_in,
)
from edaphon.journal.summary import Summary, differing
from edaphon.model import EntryId
from edaphon.series import Series, WrongFile
from edaphon.storage.access import Storage

JOURNAL_SUMMARY = "journal summary"  # in the state file
BEGIN_S, CHECK_EVERY_S, TRY_AGAIN_S = 2.0, 86_400.0, 600.0  # the start itself comes first
REST = 9  # times as long as a read took: at most a tenth of one core and of the disk's time
ENTRIES = 2000  # of one read
Altered = dict[str, list[str]]  # what is wrong with a release, by its name
START, FIRST_NS = EntryId(0, 0), -(2**63)
NEWEST, NEWEST_BYTES = 200_000, 100_000_000  # entries, and bytes of their payloads
_PAYLOADS = "SELECT coalesce(sum(length(payload)), 0) FROM entry WHERE n > ?"
SETTLED_NS = 600_000_000_000  # behind a place in the journal no slot is older than this


@dataclass(frozen=True)
class SummaryLedger:
    """Files of the journal and channels whose kept sums are not what is counted."""

    journal: list[str]
    series: list[str]
    closes: bool


def summaries(folder: Path, journal: JournalReader, series: Series) -> SummaryLedger:
    """One that was never kept, or is not of this journal, is made at the next start."""
    with StateFile(folder) as state:
        kept = Summary.of_json(state.get(JOURNAL_SUMMARY), journal)
    files = differing(kept, journal, FACT_LOG_KINDS) if kept is not None else []
    known, counted = series.totals()
    channels = [c for c in sorted({*known, *counted}) if known.get(c) != counted.get(c)]
    names = [file_path(journal.folder, file).name for file in files]
    return SummaryLedger(names, channels, not names and not channels)


class Losses:
    """Declares entries that can't be read, and those that were entered again, in the journal."""

    def __init__(self, journal: Journal, keeper: Timekeeper, folder: Path) -> None:
        self._journal, self._keeper, self._folder = journal, keeper, folder
        self._lock = threading.Lock()
        self._declared: set[tuple[EntryId, EntryId]] = set()  # runs of entries, in this life

    def declare(self, damage: DamagedRow) -> None:
        """Once, so that a person sees it until it is noted."""
        with self._lock:
            run = damage.first, damage.last
            if run in self._declared or covered(losses_in(self._journal.copies), damage):
                return
            self._declared.add(run)
            self._append(declaration(damage, self._folder))

    def note_entered_again(self, places: frozenset[EntryId], by: EntryId | None) -> None:
        """What was lost of these places is known again by later entries."""
        self._append(entered_again(places, by))

    def _append(self, payload: bytes) -> None:
        self._journal.append([self._keeper.entry(Kind.LOST, "", payload)])


class StoredCheck:
    """`run` is a daily job; `altered` is what it last found of releases."""

    def __init__(
        self,
        storage: Storage,
        on_damage: Callable[[DamagedRow], None],
        on_bad_block: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self._storage, self._stop = storage, stop
        self._on_damage, self._on_bad_block = on_damage, on_bad_block
        self._altered: Altered = {}

    @property
    def altered(self) -> Altered:
        """Releases that are not what was released, those apart that a person has noted."""
        return not_noted(self._storage, self._altered)

    def run(self) -> str | None:
        """Read all; what keeps it from that is a full disk or so, which is shown as such."""
        try:
            self._altered = altered_releases(self._storage)
            for damage in damage_in(read_only(self._storage.layout.journal), self._rest):
                self._on_damage(damage)
            self._read_series()
        except (sqlite3.OperationalError, OSError) as error:
            return str(error)
        return None

    def _read_series(self) -> None:
        path = self._storage.layout.series
        try:
            with closing(Series(path, read_only=True)) as series:
                begun = time.monotonic()
                for words in series.damaged_blocks():
                    if words:
                        return self._on_bad_block(words)
                    if self._rest(time.monotonic() - begun):
                        return None
                    begun = time.monotonic()
        except (sqlite3.DatabaseError, WrongFile) as error:
            if isinstance(error, WrongFile) or fault_of(error, path) in AT_FAULT:
                return self._on_bad_block(str(error))
            raise

    def _rest(self, took_s: float) -> bool:
        return self._stop.wait(REST * took_s)


def damage_in(
    journal: JournalReader, rest: Callable[[float], bool] = lambda _: False
) -> Iterator[DamagedRow]:
    """All runs of entries that can't be read; `rest` gets the seconds of a read, True ends it."""
    place: EntryId | None = EntryId(0, 0)
    while place is not None:
        begun = time.monotonic()
        try:
            items = journal.after(place, ENTRIES)
            place = items[-1][0] if items else None
        except DamagedRow as damage:
            yield damage
            place = damage.last
        if rest(time.monotonic() - begun):
            return


def altered_releases(storage: Storage) -> Altered:
    """Files of releases that are missing, or not as they were released."""
    from edaphon.service.releases import found_releases  # not every plot has releases

    return {each.name: each.problems for each in found_releases(storage) if each.problems}


def not_noted(storage: Storage, altered: Altered) -> Altered:
    """Without what a person has noted of them."""
    if not altered:
        return {}
    noted = acknowledged_releases(read_only(storage.layout.journal).copies)
    open_ones = {n: [w for w in words if (n, w) not in noted] for n, words in altered.items()}
    return {name: words for name, words in open_ones.items() if words}


class LostPart(NamedTuple):
    """`entries` were in the lost part (None: not known), `copied` of them are in copies.

    `records` of it have values, measured from `first_ns` to `last_ns` [UTC ns; 0 without any].
    """

    entries: int | None
    copied: int
    records: int = 0
    first_ns: int = 0
    last_ns: int = 0
    sources: tuple[str, ...] = ()


def lost_with(storage: Storage, loss: DeclaredLoss) -> LostPart | None:
    """None where the damaged file was set aside: what is lost of it shows when it is salvaged."""
    folder = storage.layout.journal
    if loss.whole and any(folder.glob(f"journal-{loss.number:06d}.sqlite.*")):
        return None
    first = EntryId(loss.number, loss.first or 1)
    last = EntryId(loss.number, loss.last or 0xFFFFFFFF)
    copied = len(read_only(folder).copies.within(first, last))
    lost = LostPart(loss.last - first.n + 1 if loss.last else None, copied)
    if not storage.layout.series.exists():
        return lost
    with closing(Series(storage.layout.series, read_only=True)) as series:
        return _with_values(storage, series, lost, (first.number, last.number))


def _with_values(
    storage: Storage, series: Series, lost: LostPart, within: tuple[int, int]
) -> LostPart:
    channels, records, times = set(), set(), []
    for head in series.heads():
        for run in series.read(head.channel, head.day * DAY_NS, (head.day + 1) * DAY_NS):
            own = (run.sequence >= within[0]) & (run.sequence <= within[1])
            if own.any():
                channels.add(head.channel)
                records.update(np.unique(run.sequence[own]).tolist())
                times += [int(run.time_ns[own].min()), int(run.time_ns[own].max())]
    if not records:
        return lost
    facts = known_facts(read_only(storage.layout.journal), series)
    sources = sorted({d.source for d in facts.deployments if d.channel in channels})
    names = tuple(sources or sorted(channels))
    return LostPart(lost.entries, lost.copied, len(records), min(times), max(times), names)


def lost_text(lost: LostPart | None) -> Iterator[str]:
    """In sentences, for a person who decides what to do."""
    if lost is None:
        return
    copies = f"; {lost.copied} are kept as copies" if lost.copied else ""
    if lost.entries is None:
        yield f"how many entries were in it is not known{copies}"
    else:
        yield f"{lost.entries - lost.copied} of {lost.entries} entries are lost{copies}"
    if not lost.records:
        yield "no value was derived from it"
        return
    first, last = (instant_text(t // SECOND_NS * SECOND_NS) for t in lost[3:5])
    n = "1 record" if lost.records == 1 else f"{lost.records} records"
    yield f"{n} with values, measured {first} to {last}: {', '.join(lost.sources)}"
    yield "values that were already derived stay; they can't be derived again"


@dataclass(frozen=True)
class SlotLedger:
    """slots = records + gaps, no slot twice; on a grid, no slot missing either.

    `expected` is None on no grid. `unknown` are slots of entries whose loss a person has noted.
    """

    records: int
    in_gaps: int
    leapt: int
    expected: int | None
    in_flight: int  # a measurement that still goes on
    twice: int
    unknown: int
    closes: bool


@dataclass(slots=True)
class SlotBook:
    """Slots of one source with a record, closed gaps and leaps, less what was withdrawn."""

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
    ) -> SlotLedger:
        """Where the service runs, one measurement may still be going on, with later slots missed.
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
        return SlotLedger(
            records=len(slots),
            in_gaps=n,
            leapt=leapt,
            expected=expected,
            in_flight=int(flying),
            twice=twice + overlaps,
            unknown=0 if expected is None or not lost else expected - counted,
            closes=lost or (not twice and not overlaps and expected in {None, counted}),
        )


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
    account = EntryAccount()
    if start != START:
        first = journal.scan(start=start, on_damage=lambda _: None)
        begun = next((entry.received_ns for _, entry in first), FIRST_NS)
        account.since_ns = begun + SETTLED_NS
    for place, entry in journal.scan(start=start, on_damage=account.damaged.append):
        if place > up_to:
            break
        account.take(entry, place <= derived)
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
    """How many slots lie in a run, both in order; in two of them it counts once."""
    found = at = 0
    for first, last, _ in runs:
        at = bisect_left(slots, first, at)
        end = bisect_right(slots, last, at)
        found, at = found + end - at, end
    return found
