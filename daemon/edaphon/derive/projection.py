"""The values of some channels under another plan: what facts would change, what was known then.

Nothing is written: the rows of the series are calibrated again where the readings are the same,
else the journal is read into a scratch series.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from edaphon.clock import DAY_NS
from edaphon.derive.decode import Sources, last_sources
from edaphon.derive.plan import (
    Plan,
    changed_ranges,
    intervals_of_json,
    knowledge_of,
    plan_of,
    read_fact_log,
    whole_segments,
)
from edaphon.derive.recalculate import (
    BeforeAfter,
    NeedsJournal,
    Recalibration,
    can_recalibrate,
    same_readings,
)
from edaphon.derive.rederive import Replay
from edaphon.derive.segments import PlanInterval
from edaphon.facts import Knowledge
from edaphon.journal import JournalReader
from edaphon.journal.fact_log import CHECKPOINT, recalled
from edaphon.model import ALWAYS, Columns, EntryId, Float, Int, Observations, Range, Small
from edaphon.series import Series

ROWS, ENTRIES = 100_000, 4000
BINS = 360
ABSENT = 0  # the flag of a row that is not there


@dataclass(frozen=True)
class Derived:
    """What the rows of a series were derived by; `pending` channels are not all yet."""

    intervals: Mapping[str, tuple[PlanInterval, ...]]
    displaced: tuple[tuple[int, int], ...]
    waited: tuple[tuple[int, int, int], ...]
    from_journal: frozenset[str]
    pending: frozenset[str]
    position: EntryId


def derived_by(series: Series) -> Derived:
    """From the place to go on from that was written with the rows."""
    table = orjson.loads(series.checkpoint(CHECKPOINT) or "{}")
    state = table.get("state", {})
    return Derived(
        intervals_of_json(table.get("extents", {})),
        tuple((a, b) for a, b in state.get("displaced", ())),
        tuple((a, b, c) for a, b, c in state.get("waited", ())),
        frozenset(table.get("from_journal", ())),
        frozenset(table.get("pending", ())),
        EntryId.of(table.get("position", 0)),
    )


def readings_suffice(
    derived: Derived, plan: Plan, series: Series, channel: str, ranges: list[Range]
) -> bool:
    """Whether the series' readings are those of the plan, as far as that is known beforehand."""
    before, after = derived.intervals.get(channel, ()), plan.intervals.get(channel, ())
    same = same_readings(before, after, ranges) and channel not in derived.from_journal
    return same and can_recalibrate(plan, series, channel, ranges)


class Projection:
    """Channels of a series as another plan derives them from entries up to a place."""

    def __init__(
        self,
        journal: JournalReader,
        series: Series,
        plan: Plan,
        sources: Sources,
        scratch: Path,
        until: EntryId | None = None,
    ) -> None:
        """`sources` are those in force there; `scratch` is a path at which no file is."""
        self._journal, self._series, self._plan = journal, series, plan
        self._sources, self._scratch = sources, scratch
        self._derived = derived_by(series)
        self._until = until or self._derived.position

    def parts(self, ranges: Mapping[str, Sequence[Range]]) -> Iterator[tuple[str, BeforeAfter]]:
        """Part by part, channel by channel: all rows of these times, and where need be of more."""
        wanted = {channel: sorted(own) for channel, own in ranges.items()}
        whole = whole_segments(wanted, self._derived.intervals, self._plan.intervals)
        hard: dict[str, list[Range]] = {}
        for channel, own in sorted(whole.items()):
            try:
                yield from ((channel, part) for part in self._from_series(channel, own))
            except NeedsJournal:
                hard[channel] = own
        if hard:
            yield from self._from_journal(hard)

    def _from_series(self, channel: str, ranges: list[Range]) -> Iterator[BeforeAfter]:
        """Raises NeedsJournal before the first part."""
        if not readings_suffice(self._derived, self._plan, self._series, channel, ranges):
            raise NeedsJournal
        # a first walk over the rows alone, since none may be given and then taken back
        self._recalibration(channel, ranges).expect_order(ROWS)
        job = self._recalibration(channel, ranges)
        held: BeforeAfter | None = None
        while (found := job.turn(ROWS)) is not None:
            first_ns = int(found.old[0].time_ns[0])
            if held is not None:
                yield BeforeAfter(held.old, _in_order(_revised(held.new, found.new, first_ns)))
            held = BeforeAfter(found.old, _from(found.new, first_ns))
        if held is not None:
            yield BeforeAfter(held.old, _in_order(held.new))

    def _recalibration(self, channel: str, ranges: list[Range]) -> Recalibration:
        displaced, until = self._derived.displaced, self._until.number
        # what waited for its clock then had no time yet, and so no value
        waiting = [(first, last) for first, last, clock in self._derived.waited if clock > until]
        return Recalibration(self._series, self._plan, channel, ranges, displaced, until, waiting)

    def _from_journal(self, ranges: Mapping[str, list[Range]]) -> Iterator[tuple[str, BeforeAfter]]:
        plan = self._plan.only(ranges)
        replay = Replay(
            self._journal, plan, self._scratch, partial(recalled, self._journal), self._sources
        )
        try:
            while not replay.turn(self._until, ENTRIES):
                pass
            replay.series.flush()
            for channel, own in ranges.items():
                heads = (*self._series.heads(channel), *replay.series.heads(channel))
                for day in sorted({head.day for head in heads}):
                    old, new = (
                        _within(series, channel, day, own)
                        for series in (self._series, replay.series)
                    )
                    yield channel, BeforeAfter(old, new)
        finally:
            replay.close()


def _from(runs: list[Observations], first_ns: int) -> list[Observations]:
    found = [run.take(run.time_ns >= first_ns) for run in runs]
    return [run for run in found if len(run)]


def _in_order(runs: list[Observations]) -> list[Observations]:
    """The same rows by time: a mark takes rows out of the middle of a run."""
    times = np.concatenate([run.time_ns for run in runs]) if runs else np.zeros(0, np.int64)
    order = np.argsort(times, kind="stable")
    lengths = [len(run) for run in runs]
    of_run = np.repeat(np.arange(len(runs)), lengths)
    within = np.concatenate([np.zeros(0, np.int64), *map(np.arange, lengths)])
    cuts = np.flatnonzero(np.diff(of_run[order])) + 1
    pieces = np.split(order, cuts) if len(order) else []
    return [runs[of_run[piece[0]]].take(within[piece]) for piece in pieces]


def _revised(
    held: list[Observations], later: list[Observations], first_ns: int
) -> list[Observations]:
    """Rows with those of the next slice in their place that revise them: a few at the end."""
    again = [run for run in later if int(run.time_ns[0]) < first_ns]
    for revision in again:
        held = [_patched(run, revision.take(revision.time_ns < first_ns)) for run in held]
    return held


def _patched(run: Observations, revision: Observations) -> Observations:
    place = np.minimum(np.searchsorted(run.time_ns, revision.time_ns), len(run) - 1)
    same = run.time_ns[place] == revision.time_ns
    if not same.any():
        return run
    columns = {}
    for name in ("value", "u_random", "u_systematic", "flag"):
        columns[name] = getattr(run, name).copy()
        columns[name][place[same]] = getattr(revision, name)[same]
    return replace(run, **columns)


def _within(series: Series, channel: str, day: int, ranges: list[Range]) -> list[Observations]:
    found: list[Observations] = []
    for start, end in ranges:
        first, last = max(start, day * DAY_NS), min(end, (day + 1) * DAY_NS)
        if first < last:
            found += series.read(channel, first, last)
    return found


@dataclass(slots=True, eq=False)
class Sketch:
    """The lowest and highest value of each of BINS stretches of time, before and after; NaN: none.

    Rows are: lowest before, highest before, lowest after, highest after.
    """

    start_ns: int
    end_ns: int
    ends: Float = field(default_factory=lambda: np.full((4, BINS), np.nan))

    def add(self, time_ns: Int, value: Float, after: bool) -> None:
        good = np.isfinite(value)
        share = (time_ns[good] - self.start_ns) / max(self.end_ns - self.start_ns, 1)
        at = np.clip((share * BINS).astype(np.int64), 0, BINS - 1)
        row = 2 * after
        np.fmin.at(self.ends[row], at, value[good])
        np.fmax.at(self.ends[row + 1], at, value[good])


@dataclass(slots=True, eq=False)
class Comparison:
    """Filled part by part; sizes are in the channel's unit, `largest` with its sign.

    `flags[a, b]` counts rows whose flag goes from a to b, 0 for a row that is not there.
    """

    sketch: Sketch
    rows: int = 0  # before or after
    changed: int = 0  # rows with another number, an uncertainty or a flag
    moved: int = 0  # of those, with a value before and after that differ
    sum: float = 0.0
    largest: float = 0.0
    largest_ns: int | None = None
    lost: int = 0  # a value before, none after
    gained: int = 0
    flags: Int = field(default_factory=lambda: np.zeros((10, 10), np.int64))
    first_ns: int | None = None
    last_ns: int | None = None

    @property
    def mean(self) -> float:
        """Mean change of the values that move."""
        return self.sum / self.moved if self.moved else 0.0

    def add(self, part: BeforeAfter) -> None:
        before, after = _Values.of(part.old), _Values.of(part.new)
        self.sketch.add(before.time_ns, before.numbers[0], after=False)
        self.sketch.add(after.time_ns, after.numbers[0], after=True)
        time_ns = np.union1d(before.time_ns, after.time_ns)
        old, new = before.at(time_ns), after.at(time_ns)
        self.rows += len(time_ns)
        self.flags += np.bincount(old.flag * 10 + new.flag, minlength=100).reshape(10, 10)
        same = (old.numbers == new.numbers) | (np.isnan(old.numbers) & np.isnan(new.numbers))
        differs = (old.flag != new.flag) | ~same.all(axis=0)
        self.changed += int(differs.sum())
        if differs.any():
            ends = time_ns[differs]
            self.first_ns = int(ends[0]) if self.first_ns is None else self.first_ns
            self.last_ns = int(ends[-1])
        self._add_values(time_ns, old.numbers[0], new.numbers[0])

    def _add_values(self, time_ns: Int, old: Float, new: Float) -> None:
        there, then = ~np.isnan(old), ~np.isnan(new)
        self.lost += int((there & ~then).sum())
        self.gained += int((then & ~there).sum())
        by = new - old
        moved = there & then & (by != 0.0)
        if moved.any():
            self.moved += int(moved.sum())
            self.sum += float(by[moved].sum())
            at = int(np.nanargmax(np.where(moved, np.abs(by), np.nan)))
            if self.largest_ns is None or abs(by[at]) > abs(self.largest):
                self.largest, self.largest_ns = float(by[at]), int(time_ns[at])


@dataclass(frozen=True, slots=True, eq=False)
class _Values(Columns):
    time_ns: Int
    numbers: Float  # rows of the value, u_random and u_systematic
    flag: Small | Int

    @classmethod
    def of(cls, runs: list[Observations]) -> "_Values":
        none = cls(np.zeros(0, np.int64), np.zeros((3, 0)), np.zeros(0, np.int8))
        own = [
            cls(r.time_ns, np.stack([r.value, r.u_random, r.u_systematic]), r.flag) for r in runs
        ]
        return cls.concat([none, *own])

    def at(self, time_ns: Int) -> "_Values":
        """The rows of these times; one that is not there has no numbers and the flag ABSENT."""
        place, n = np.searchsorted(time_ns, self.time_ns), len(time_ns)
        numbers, flag = np.full((3, n), np.nan), np.full(n, ABSENT, np.int64)
        numbers[:, place], flag[place] = self.numbers, self.flag
        return _Values(time_ns, numbers, flag)


def previewed(
    journal: JournalReader,
    series: Series,
    knowledge: Knowledge,
    sources: Sources,
    scratch: Path,
    ranges: Mapping[str, Sequence[Range]] | None = None,
) -> dict[str, Comparison]:
    """By channel, how much the rows of the series differ from what this knowledge makes of them.

    Without `ranges`, where it makes anything else of them; a channel without rows there is left
    out. `scratch` is a path at which no file is.
    """
    plan = plan_of(knowledge, sources)
    if ranges is None:
        ranges = changed_ranges(derived_by(series).intervals, plan.intervals)
    projection = Projection(journal, series, plan, sources, scratch)
    found: dict[str, Comparison] = {}
    for channel, part in projection.parts(ranges):
        if channel not in found:
            found[channel] = Comparison(Sketch(*_reach(series, channel, ranges[channel])))
        found[channel].add(part)
    return {channel: one for channel, one in found.items() if one.rows}


def _reach(series: Series, channel: str, ranges: Sequence[Range]) -> Range:
    """From when to when there are rows that may change."""
    start = max(min(a for a, _ in ranges), ALWAYS[0])
    end = min(max(b for _, b in ranges), ALWAYS[1])
    days = series.days(channel, start, end)
    if not days:
        return 0, DAY_NS
    return max(start, days[0] * DAY_NS), min(end, (days[-1] + 1) * DAY_NS)


class AsOf(NamedTuple):
    """What was known once the entry of that place had been written."""

    place: EntryId
    knowledge: Knowledge
    sources: Sources
    plan: Plan


def known_as_of(journal: JournalReader, series: Series, time_ns: int) -> AsOf | None:
    """What was known at that time [UTC ns]; None before the first entry."""
    place = journal.place_at(time_ns)
    if place is None:
        return None
    reported = tuple(item for item in read_fact_log(journal, series) if item[0] <= place)
    knowledge, sources = knowledge_of(reported), last_sources(reported)
    return AsOf(place, knowledge, sources, plan_of(knowledge, sources))


def values_then(
    journal: JournalReader,
    series: Series,
    known: AsOf,
    channel: str,
    start_ns: int,
    end_ns: int,
    scratch: Path,
) -> Iterator[Observations]:
    """The observations from start to before end [UTC ns] as they were derived then.

    The software is today's: a derivation that the series still names says that nothing differs.
    """
    projection = Projection(journal, series, known.plan, known.sources, scratch, known.place)
    for _, part in projection.parts({channel: [(start_ns, end_ns)]}):
        for run in part.new:
            inside = (run.time_ns >= start_ns) & (run.time_ns < end_ns)
            if inside.any():
                yield run.take(inside)
