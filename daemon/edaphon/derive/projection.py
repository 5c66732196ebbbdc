"""The values of some channels under another plan: what facts would change, what was known then.

Nothing is written: the rows of the series are calibrated again where the readings are the same,
else the journal is read into a scratch series.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from edaphon.derive.chains import Extent, Range
from edaphon.derive.checkpoint import CHECKPOINT, extents_of_json
from edaphon.derive.decode import Sources
from edaphon.derive.fact_log import recalled
from edaphon.derive.plan import Plan, whole_segments
from edaphon.derive.recalculate import (
    NeedsJournal,
    Recalibration,
    can_recalibrate,
    chosen,
    same_readings,
)
from edaphon.derive.replay import Replay
from edaphon.journal import JournalReader
from edaphon.model import EntryId, Observations
from edaphon.series import DAY_NS, Series

__all__ = ["Projection", "Derived", "Part", "derived_by", "tells_all"]

ROWS, ENTRIES = 100_000, 4000


@dataclass(frozen=True)
class Derived:
    """What the rows of a series were derived by; `pending` channels are not all yet."""

    extents: Mapping[str, tuple[Extent, ...]]
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
        extents_of_json(table.get("extents", {})),
        tuple((a, b) for a, b in state.get("displaced", ())),
        tuple((a, b, c) for a, b, c in state.get("waited", ())),
        frozenset(table.get("from_journal", ())),
        frozenset(table.get("pending", ())),
        EntryId.of(table.get("position", 0)),
    )


def tells_all(
    derived: Derived, plan: Plan, series: Series, channel: str, ranges: list[Range]
) -> bool:
    """Whether the series' readings are those of the plan, as far as that is known beforehand."""
    before, after = derived.extents.get(channel, ()), plan.extents.get(channel, ())
    same = same_readings(before, after, ranges) and channel not in derived.from_journal
    return same and can_recalibrate(plan, series, channel, ranges)


class Part(NamedTuple):
    """Rows of a stretch of time as they are, and as they would be; both in the order of time."""

    old: list[Observations]
    new: list[Observations]


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

    def parts(self, ranges: Mapping[str, Sequence[Range]]) -> Iterator[tuple[str, Part]]:
        """Part by part, channel by channel: all rows of these times, and where need be of more."""
        whole = whole_segments(
            {channel: sorted(own) for channel, own in ranges.items()},
            self._derived.extents,
            self._plan.extents,
        )
        hard: dict[str, list[Range]] = {}
        for channel, own in sorted(whole.items()):
            try:
                yield from ((channel, part) for part in self._from_series(channel, own))
            except NeedsJournal:
                hard[channel] = own
        if hard:
            yield from self._from_journal(hard)

    def _from_series(self, channel: str, ranges: list[Range]) -> Iterator[Part]:
        """Raises NeedsJournal before the first part."""
        if not tells_all(self._derived, self._plan, self._series, channel, ranges):
            raise NeedsJournal
        # a first walk over the rows alone, since none may be told and then taken back
        self._recalibration(channel, ranges).expect_order(ROWS)
        job = self._recalibration(channel, ranges)
        held: Part | None = None
        while (found := job.turn(ROWS)) is not None:
            first_ns = int(found.old[0].time_ns[0])
            if held is not None:
                yield Part(held.old, _in_order(_revised(held.new, found.new, first_ns)))
            held = Part(found.old, _from(found.new, first_ns))
        if held is not None:
            yield Part(held.old, _in_order(held.new))

    def _recalibration(self, channel: str, ranges: list[Range]) -> Recalibration:
        displaced, until = self._derived.displaced, self._until.number
        # what waited for its clock then had no time yet, and so no value
        waiting = [(first, last) for first, last, clock in self._derived.waited if clock > until]
        return Recalibration(self._series, self._plan, channel, ranges, displaced, until, waiting)

    def _from_journal(self, ranges: Mapping[str, list[Range]]) -> Iterator[tuple[str, Part]]:
        plan = self._plan.only(ranges)
        rework = Replay(
            self._journal, plan, self._scratch, partial(recalled, self._journal), self._sources
        )
        try:
            while not rework.turn(self._until, ENTRIES):
                pass
            rework.series.flush()
            for channel, own in ranges.items():
                for day in self._days(rework.series, channel):
                    old, new = (
                        _within(series, channel, day, own)
                        for series in (self._series, rework.series)
                    )
                    yield channel, Part(old, new)
        finally:
            rework.close()

    def _days(self, other: Series, channel: str) -> list[int]:
        return sorted({h.day for s in (self._series, other) for h in s.heads(channel)})


def _from(runs: list[Observations], first_ns: int) -> list[Observations]:
    found = [chosen(run, run.time_ns >= first_ns) for run in runs]
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
    return [chosen(runs[of_run[piece[0]]], within[piece]) for piece in pieces]


def _revised(
    held: list[Observations], later: list[Observations], first_ns: int
) -> list[Observations]:
    """Rows with those of the next slice in their place that revise them: a few at the end."""
    again = [run for run in later if int(run.time_ns[0]) < first_ns]
    for revision in again:
        held = [_patched(run, chosen(revision, revision.time_ns < first_ns)) for run in held]
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
