"""Deriving again from the readings that the series keeps: no byte is read or decoded for it.

A row of the series holds the number as reported, its times, and the flag that its record earned.
Where only what comes after that has changed (calibrations, checks, marks), the line's own
`evaluate` over these rows gives, bit for bit, what the journal would. Where that can't be known
from the rows, `NeedsJournal` says so, and the journal is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edaphon.clock import DAY_NS
from edaphon.derive.calibrate import Segment, evaluate
from edaphon.derive.plan import Plan
from edaphon.derive.segments import PlanInterval
from edaphon.derive.state import LastValue, Memory
from edaphon.model import ALONE, ALWAYS, Observations, Range, Readings
from edaphon.series import Series

_LATE, _CLASH, _NOWHERE = "a late reading", "two readings of one time", "a reading of no segment"
_DISPLACED = "a record whose clock became known after those of a later boot"


class NeedsJournal(Exception):
    """The rows of the series do not hold all that the pipeline would see; why."""


class BeforeAfter(NamedTuple):
    """Rows as they are, and as they should be; the latter may revise rows of earlier slices."""

    old: list[Observations]
    new: list[Observations]


def can_recalibrate(plan: Plan, series: Series, channel: str, ranges: Iterable[Range]) -> bool:
    """Whether rows with the same readings hold all that `plan` needs to derive them again.

    What only the rows themselves show is found on the way.
    """
    reported = list(ranges)
    own = plan.intervals.get(channel, ())
    if not same_readings(own, own, reported):
        return False
    # The pipeline passes over further readings of a record for one time.
    lost = (c.time_ns for c in series.conflicts(channel) if not c.ordinal)
    if any(_inside(time_ns, reported) for time_ns in lost):
        return False
    return not any(segment.chain.sides for segment in _touched(plan, channel, reported))


def same_readings(
    before: Sequence[PlanInterval], after: Sequence[PlanInterval], ranges: Iterable[Range]
) -> bool:
    """Whether at every moment the same one deployment, or none, brings the channel's readings."""
    for start, end in ranges:
        bounds = {start, *(t for e in (*before, *after) for t in (e.start_ns, e.end_ns))}
        for moment in sorted(t for t in bounds if start <= t < end):
            old, new = (
                [e.readings for e in intervals if e.start_ns <= moment < e.end_ns]
                for intervals in (before, after)
            )
            if old != new or len(new) > 1:
                return False
    return True


def _inside(time_ns: int, ranges: Iterable[Range]) -> bool:
    return any(start <= time_ns < end for start, end in ranges)


def _touched(plan: Plan, channel: str, ranges: Iterable[Range]) -> tuple[Segment, ...]:
    reported = list(ranges)
    own = (s for s in plan.segments() if s.channel == channel)
    touched = (s for s in own if any(s.start_ns < b and a < s.end_ns for a, b in reported))
    return tuple(sorted(touched, key=lambda s: s.start_ns))


class Recalibration:
    """One channel in some stretches of time, slice by slice, with the segments of a plan.

    `displaced` are sequences, from one to another, of records that were placed behind later ones;
    `until` leaves out rows of records behind that sequence, `without` those within these.
    """

    def __init__(
        self,
        series: Series,
        plan: Plan,
        channel: str,
        ranges: Sequence[Range],
        displaced: Sequence[tuple[int, int]] = (),
        until: int = 2**63 - 1,
        without: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.channel = channel
        self.position_ns = ALWAYS[0]  # everything before it is done
        self.memory: dict[str, Memory] = {}
        self.latest: LastValue | None = None
        self._series, self._ranges, self._displaced = series, ranges, displaced
        self._until, self._without = until, without
        self._segments = _touched(plan, channel, ranges)
        self.last_sequence = -1  # of the records behind the rows that are done
        self.done = False  # no row was left behind the last slice

    def to_json(self) -> dict[str, Any]:
        """Where it is; exact."""
        return {
            "channel": self.channel,
            "position_ns": self.position_ns,
            "memory": {key: memory.to_json() for key, memory in self.memory.items()},
            "latest": self.latest.to_json() if self.latest else None,
            "last_sequence": self.last_sequence,
        }

    def go_on(self, table: Mapping[str, Any]) -> None:
        """From where an earlier one with the same plan was."""
        self.position_ns = table["position_ns"]
        self.memory = {key: Memory.of_json(own) for key, own in table["memory"].items()}
        self.latest = LastValue.of_json(table["latest"]) if table["latest"] else None
        self.last_sequence = table["last_sequence"]

    def second_input(self, runs: list[Observations]) -> list[Observations] | None:
        """Live rows without revisions behind the place that is reached; the work issues these.

        It does with all that it remembers. None where a reading comes behind that place: the work
        has not seen it, and the channel must be read from the journal.
        """
        kept: list[Observations] = []
        for run in runs:
            behind = run.time_ns < self.position_ns
            if run.channel != self.channel or run.ordinal is not None or not behind.any():
                kept.append(run)
            elif (run.sequence[behind] > self.last_sequence).any():
                return None
            elif not behind.all():
                kept.append(run.take(~behind))
        return kept

    def turn(self, limit: int) -> BeforeAfter | None:
        """The next rows, some `limit`; None: all is done. Raises NeedsJournal."""
        old = self._next(limit)
        if not old:
            return None
        new: list[Observations] = []
        rows = Readings.concat([run.readings for run in old])
        self._expect_order(rows)
        done = 0
        for segment in self._segments:
            here = slice(*np.searchsorted(rows.time_ns, [segment.start_ns, segment.end_ns]))
            if here.stop > here.start:
                done += here.stop - here.start
                new += self._evaluated(segment, rows.take(here))
        if done < len(rows):
            raise NeedsJournal(_NOWHERE)
        self.position_ns = int(rows.time_ns[-1]) + 1
        return BeforeAfter(old, new)

    def expect_order(self, limit: int) -> None:
        """A walk over the rows alone; raises NeedsJournal."""
        while old := self._next(limit):
            rows = Readings.concat([run.readings for run in old])
            self._expect_order(rows)
            self.position_ns = int(rows.time_ns[-1]) + 1

    def _next(self, limit: int) -> list[Observations]:
        """As many rows as wanted, in the order of time."""
        found: list[Observations] = []
        n = 0
        for start, end in self._ranges:
            begin = max(start, self.position_ns)
            for day in self._series.days(self.channel, begin, end) if begin < end else ():
                first, last = max(begin, day * DAY_NS), min(end, (day + 1) * DAY_NS)
                for run in self._series.read(self.channel, first, last):
                    part = self._known(run)
                    if n + len(part) > limit:
                        part = part.take(slice(limit - n))
                    found += [part] if len(part) else []
                    n += len(part)
                    if n >= limit:
                        return found
        self.done = True
        return found

    def _known(self, run: Observations) -> Observations:
        known = run.sequence <= self._until
        for first, last in self._without:
            known &= (run.sequence < first) | (run.sequence > last)
        return run if known.all() else run.take(known)

    def _expect_order(self, rows: Readings) -> None:
        """As they were placed: each later than the one before, and none judged by itself."""
        order = np.concatenate([[self.last_sequence], rows.sequence])
        if (np.diff(order) < 0).any() or (rows.source_flag >= ALONE).any():
            raise NeedsJournal(_LATE)
        if (np.diff(rows.time_ns) <= 0).any():
            raise NeedsJournal(_CLASH)
        for first, last in self._displaced:
            if ((first <= rows.sequence) & (rows.sequence <= last)).any():
                raise NeedsJournal(_DISPLACED)
        self.last_sequence = int(order[-1])

    def _evaluated(self, segment: Segment, rows: Readings) -> list[Observations]:
        runs, memory, taken = evaluate(segment, self.memory.get(segment.key), rows)
        self.memory[segment.key] = memory
        if segment.rank == 0:
            at = taken.last
            self.latest = taken.latest(at, rows, int(rows.sequence[at])) if at >= 0 else self.latest
        return runs
