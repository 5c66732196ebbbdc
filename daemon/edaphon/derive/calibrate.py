"""From raw numbers to observations: convert, calibrate, check, mark, for one segment of a channel.

Checks see the readings of a segment in the order they were kept. One that comes with an earlier
time than its predecessor is evaluated by itself, so a result never depends on how the stream of
entries was split, and a value already judged changes only when the value after it is needed.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from typing import NamedTuple

import numpy as np

from edaphon.derive.state import LastValue, Memory
from edaphon.facts import Mark, Period
from edaphon.model import (
    ALONE,
    ALWAYS,
    DEMOTED,
    Columns,
    Float,
    Int,
    Mask,
    Observations,
    Range,
    Readings,
    Small,
    demoted_rank,
)
from edaphon_calibration.chain import SAME, Calibrated, Conversion, SecondInput, Step, apply_chain
from edaphon_calibration.checks import Flag, PreparedCheck, physical_limits, worst_flag
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import Physics
from edaphon_calibration.uncertainty import FieldCheck, widened
from edaphon_drivers.readings import Reading, Status

_SUSPECT, _UNSET, _MISSING = int(Flag.SUSPECT), int(Flag.NOT_EVALUATED), int(Flag.MISSING)
_FAIL = int(Flag.FAIL)
YEAR_NS = 31_556_952 * 10**9
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class SecondInputSource:
    """Where a step's second input comes from: an output of the record, or a channel's value.

    `conversion` turns the output's or the channel's unit into what the curve takes.
    """

    conversion: Conversion
    output: str = ""
    channel: str = ""
    max_age_ns: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """From the reported number to the channel's unit; no steps and `known` False: no value.

    `second_input` is where each step takes its second input from, None for a step without one;
    `calendar` from when to when a step goes from one calibration to another. `deviations` are what
    checks in the field found [unit of the channel].
    """

    conversion: Conversion
    steps: tuple[Step, ...] = ()
    since_ns: tuple[int, ...] = ()  # begin of validity of each step, for its drift
    final: Conversion = SAME
    accuracy: float = 0.0  # standard uncertainty, in the unit of the raw number
    repeatability: float = 0.0
    resolution: float = 0.0
    known: bool = True
    second_input: tuple[SecondInputSource | None, ...] = ()
    calendar: tuple[Range | None, ...] = ()
    deviations: tuple[FieldCheck, ...] = ()
    problem: str = ""  # what of the steps does not fit together, where there is no value

    @property
    def sides(self) -> tuple[SecondInputSource, ...]:
        """The second inputs in the order of the steps that take one."""
        return tuple(side for side in self.second_input if side is not None)

    def apply(self, raw: Float, time_ns: Int, second_input: Float) -> Calibrated:
        """`second_input` holds for each of `sides` three rows: value, u_random, u_systematic."""
        if not self.known:
            nothing = np.full(len(raw), np.nan)
            return Calibrated(nothing, nothing, nothing, np.zeros(len(raw), bool))
        ages: list[Float | float] = [
            np.maximum(time_ns - since, 0) / YEAR_NS if step.drift_per_year else 0.0
            for step, since in zip(self.steps, self.since_ns, strict=True)
        ]
        figures = (self.accuracy, self.repeatability, self.resolution)
        spans = self.calendar or (None,) * len(self.steps)
        passed = [None if span is None else _passed(time_ns, span) for span in spans]
        seconds = self._seconds(second_input, passed)
        found = apply_chain(
            raw, self.conversion, self.steps, *figures, self.final, ages, seconds, passed
        )
        u_systematic = found.u_systematic
        for deviation in self.deviations:
            u_systematic = widened(u_systematic, deviation)
        return found._replace(u_systematic=u_systematic)

    def _seconds(self, second_input: Float, passed: list[Float | None]) -> list[SecondInput | None]:
        rows = iter(range(0, len(second_input), 3))
        found: list[SecondInput | None] = []
        for step, side, share in zip(self.steps, self.second_input, passed, strict=True):
            if side is not None:
                at = next(rows)
                found.append(SecondInput(*second_input[at : at + 3]))
            elif share is not None and step.before is None:
                found.append(SecondInput(share))
            else:
                found.append(None)
        return found


def _passed(time_ns: Int, span: Range) -> Float:
    """How much of a stretch of time has passed: 0 at its begin, 1 at its end."""
    return (time_ns - span[0]) / float(span[1] - span[0])


def bounds_of(period: Period) -> Range:
    start = period.from_ns if period.from_ns is not None else ALWAYS[0]
    return start, period.to_ns if period.to_ns is not None else ALWAYS[1]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One derivation of one channel from start to end; `windows` cut it where marks lie on it."""

    key: str
    channel: str
    derivation: str
    start_ns: int
    end_ns: int
    rank: int
    sensor: str
    chain: Chain
    checks: tuple[PreparedCheck, ...]
    marks: tuple[Mark, ...]
    windows: tuple[tuple[int, str], ...]  # (begin, derivation), sorted
    readings: str  # what decides which readings it has, as a hash
    expires_ns: int | None
    level: int = 0  # lower levels are evaluated first: others take their values
    deployed_ns: int = ALWAYS[0]

    @property
    def looks_back(self) -> int:
        return max((check.rule.looks_back for check in self.checks), default=0)

    @property
    def looks_ahead(self) -> int:
        return max((check.rule.looks_ahead for check in self.checks), default=0)

    @property
    def demoted_key(self) -> str:
        """The key of what is remembered of its demoted readings."""
        return f"{self.key}|demoted"

    def contradicted_by(self, serial: str, told_ns: int) -> bool:
        """Whether a number reported then is another sensor's; before the deployment any may be."""
        return bool(self.sensor) and self.sensor != serial and told_ns >= self.deployed_ns

    def derivation_at(self, time_ns: int) -> str:
        index = bisect_right(self.windows, time_ns, key=lambda window: window[0]) - 1
        return self.windows[max(index, 0)][1]


class FreshValues(NamedTuple):
    """The values of fresh rows, for chains that take them as second inputs.

    `good` leaves out what has no value or fails a check by itself. A check that looks at neighbours
    judges later, and what was taken by then must not depend on when.
    """

    value: Float
    u_random: Float
    u_systematic: Float
    good: Mask

    @property
    def last(self) -> int:
        """The row of the last value that may be taken, -1 for none."""
        if self.good[-1]:
            return len(self.good) - 1
        good = np.flatnonzero(self.good)
        return int(good[-1]) if len(good) else -1

    def latest(self, at: int, rows: Readings, place: int) -> LastValue:
        """The value of that row, which was placed when the journal was read up to `place`."""
        numbers = self.value[at], self.u_random[at], self.u_systematic[at]
        return LastValue(place, int(rows.time_ns[at]), *map(float, numbers))


def evaluate(
    segment: Segment, memory: Memory | None, fresh: Readings
) -> tuple[list[Observations], Memory, FreshValues]:
    """(new observations and revisions of earlier ones, what to remember, the fresh values).

    All rows are demoted, or none; the two have memories of their own.
    """
    late = _late(memory, fresh)
    if late is None:
        return _evaluated(segment, memory, fresh)
    found: list[Observations] = []
    n = len(fresh)
    whole = FreshValues(np.empty(n), np.empty(n), np.empty(n), np.empty(n, bool))
    for i in np.flatnonzero(late):
        here = slice(int(i), int(i) + 1)
        run, good = _judged(segment, fresh.take(here))
        _put(whole, here, FreshValues(run.value, run.u_random, run.u_systematic, good))
        run = replace(run, source_flag=run.source_flag + np.int8(ALONE))
        found.extend(_by_derivation(segment, run))
    if late.all():
        assert memory is not None  # noqa: S101  only a memory can make every reading late
        return found, memory, whole
    runs, memory, taken = _evaluated(segment, memory, fresh.take(~late))
    _put(whole, ~late, taken)
    return found + runs, memory, whole


def _evaluated(
    segment: Segment, memory: Memory | None, fresh: Readings
) -> tuple[list[Observations], Memory, FreshValues]:
    """Rows that come in the order of their times."""
    rows = Readings.concat([memory.rows, fresh]) if memory else fresh
    run, good = _judged(segment, rows)
    found = list(_by_derivation(segment, run.take(_issued(segment, memory, run.flag))))
    keep = slice(max(0, len(rows) - segment.looks_back - segment.looks_ahead), len(rows))
    newest = int(rows.time_ns[-1])
    new = slice(len(rows) - len(fresh), None)
    taken = FreshValues(run.value[new], run.u_random[new], run.u_systematic[new], good[new])
    return found, Memory(rows.take(keep), run.flag[keep], newest), taken


def _put(whole: FreshValues, where: slice | Mask, part: FreshValues) -> None:
    for column, values in zip(whole, part, strict=True):
        column[where] = values


def _late(memory: Memory | None, fresh: Readings) -> Mask | None:
    """Which fresh rows come with an earlier time than one before them; None: none."""
    before = memory.newest_ns if memory else -(2**63)
    time = fresh.time_ns
    if time[0] > before and (len(time) == 1 or (time[1:] > time[:-1]).all()):
        return None
    newest = np.maximum.accumulate(np.concatenate([[before], time]))[:-1]
    return time <= newest


def _issued(segment: Segment, memory: Memory | None, flag: Small) -> slice | Mask:
    """The fresh rows, and those remembered whose flag has changed now that more is known."""
    if memory is None:
        return slice(None)
    known = len(memory.flag)
    # Further back a row's own predecessors are forgotten, so it can't be judged again.
    again = slice(max(0, known - segment.looks_ahead), known)
    revised = flag[again] != memory.flag[again]
    if not revised.any():
        return slice(known, None)
    issued = np.ones(len(flag), bool)
    issued[:known] = False
    issued[again] = revised
    return issued


def _judged(segment: Segment, rows: Readings) -> tuple[Observations, Mask]:
    """(the observations, what neither lacks a value nor fails by itself)."""
    value, u_random, u_systematic, outside = segment.chain.apply(
        rows.raw, rows.time_ns, rows.second_input
    )
    missing = np.isnan(value)
    own, rank = rows.source_flag, segment.rank
    earned = own & np.int8(ALONE - 1) if own[0] >= ALONE else own
    if own[0] & DEMOTED:  # all of them are, or none
        rank = demoted_rank(rank)
    flags = [earned]
    good = ~missing & (earned != _FAIL)
    for check in segment.checks:
        levels = check.flags_by_level(rows.time_ns, value)
        flags.extend(levels)
        if not check.rule.looks_back and not check.rule.looks_ahead:
            for level in levels:
                good &= level != _FAIL
    if outside.any():
        flags.append(_where(outside, _SUSPECT))
    if segment.expires_ns is not None:
        flags.append(_where(rows.time_ns >= segment.expires_ns, _SUSPECT))
    for mark in segment.marks:
        start, end = bounds_of(mark)
        inside = (start <= rows.time_ns) & (rows.time_ns < end)
        flags.append(_where(inside, mark.flag))
    flag = worst_flag(flags, len(rows))
    flag[missing] = _MISSING
    run = Observations(
        channel=segment.channel,
        derivation=segment.derivation,
        time_ns=rows.time_ns,
        start_ns=rows.start_ns,
        raw=rows.raw,
        value=value,
        u_random=u_random,
        u_systematic=u_systematic,
        flag=flag,
        source_flag=own,
        sequence=rows.sequence,
        rank=rank,
    )
    return run, good


def _where(touched: Mask, flag: int) -> Small:
    return np.where(touched, flag, _UNSET).astype(np.int8)


def _by_derivation(segment: Segment, run: Observations) -> Iterator[Observations]:
    """A mark changes the derivation of what it covers, and of nothing else."""
    if not segment.marks:
        yield run
        return
    begins = np.array([begin for begin, _ in segment.windows], np.int64)
    window = np.maximum(np.searchsorted(begins, run.time_ns, side="right") - 1, 0)
    for name in dict.fromkeys(segment.windows[at][1] for at in np.unique(window)):
        here = [at for at, (_, own) in enumerate(segment.windows) if own == name]
        yield replace(run.take(np.isin(window, here)), derivation=name)


class _Noted(NamedTuple):
    """Rows of one channel in the order in which they were placed, with their values."""

    order: Sequence[int]
    fresh: Readings
    taken: FreshValues


@dataclass(frozen=True, slots=True, eq=False)
class _Column(Columns):
    """The values of one channel in the order in which they were placed; numbers are three rows."""

    order: Int
    time_ns: Int
    numbers: Float


class SecondInputValues:
    """The values that channels had in this batch and, by `latest`, before it.

    An order counts the records of the batch as they were placed: one whose clock was unknown is
    placed later than its sequence says. `places` holds up to where the journal was read by then.
    """

    def __init__(self, latest: dict[str, LastValue], places: Sequence[int]) -> None:
        self._latest = latest
        self._places = places
        self._noted: dict[str, list[_Noted]] = {}

    def note(
        self, segment: Segment, fresh: Readings, order: Sequence[int], taken: FreshValues
    ) -> None:
        """Remember the values of these rows for whoever takes them; only of primary sources."""
        if segment.rank == 0:
            self._noted.setdefault(segment.channel, []).append(_Noted(order, fresh, taken))

    def finish(self) -> None:
        """Keep the last value of each channel for the batches to come."""
        for channel, noted in self._noted.items():
            lasts = [(one.order[at], at, one) for one in noted if (at := one.taken.last) >= 0]
            if lasts:
                order, at, (_, fresh, taken) = max(lasts, key=lambda last: last[0])
                self._latest[channel] = taken.latest(at, fresh, self._places[order])

    def taken(self, side: SecondInputSource, fresh: Readings, order: Sequence[int]) -> Float:
        """Three rows for each row of `fresh`, in the unit that the curve takes."""
        column = self._column(side.channel)
        taken = np.full((3, len(fresh)), _NAN)
        if len(column.order):
            at = np.searchsorted(column.order, order, side="right") - 1
            age = np.abs(fresh.time_ns - column.time_ns[at])
            use = (at >= 0) & (age <= side.max_age_ns)
            taken[:, use] = column.numbers[:, at[use]]
        line = side.conversion
        taken[0] = line.apply(taken[0])
        taken[1:] *= abs(line.scale)
        return taken

    def _column(self, channel: str) -> _Column:
        known = self._latest.get(channel)
        columns = [_of_latest(known)] if known is not None else []
        columns += map(_of_noted, self._noted.get(channel, ()))
        if not columns:
            nothing = np.zeros(0, np.int64)
            return _Column(nothing, nothing, np.zeros((3, 0)))
        whole = _Column.concat(columns)
        return whole.take(np.argsort(whole.order, kind="stable"))


def _of_noted(noted: _Noted) -> _Column:
    taken, good = noted.taken, noted.taken.good
    numbers = np.stack([taken.value, taken.u_random, taken.u_systematic])[:, good]
    return _Column(np.array(noted.order, np.int64)[good], noted.fresh.time_ns[good], numbers)


def _of_latest(known: LastValue) -> _Column:
    numbers = np.array([[known.value], [known.u_random], [known.u_systematic]])
    return _Column(np.array([-1]), np.array([known.time_ns]), numbers)


def filled(
    segment: Segment,
    fresh: Readings,
    order: Sequence[int],
    values: SecondInputValues,
    reported: Mapping[str, Sequence[float]],
) -> Readings:
    """The rows with their second inputs; `reported` are numbers of the same records by output."""
    sides = segment.chain.sides
    if not sides:
        return fresh
    blocks = [
        values.taken(side, fresh, order) if side.channel else _reported(side, reported, len(fresh))
        for side in sides
    ]
    return replace(fresh, second_input=np.concatenate(blocks))


def _reported(side: SecondInputSource, reported: Mapping[str, Sequence[float]], n: int) -> Float:
    numbers = np.array(reported.get(side.output, [_NAN] * n), np.float64)
    return np.stack([side.conversion.apply(numbers), np.zeros(n), np.zeros(n)])


@cache
def possible(quantity: str, unit: str) -> Physics:
    """The limits of a quantity [unit]; none where the unit does not suit, which `check` reports."""
    try:
        return physical_limits(quantity, unit)
    except CalibrationError:
        return Physics(-inf, inf, "none: the unit does not suit the quantity")


def within_physics(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """The readings in their order; an impossible number gives way to the status that says so."""
    for _, quantity, number, unit, *_ in readings:  # each reading of ten years passes here
        if number is not None:
            lowest, highest = possible(quantity, unit)[:2]
            if not lowest <= number <= highest:
                break
    else:
        return readings
    return tuple(
        r if _is_possible(r) else r._replace(number=None, status=Status.IMPOSSIBLE)
        for r in readings
    )


def _is_possible(reading: Reading) -> bool:
    _, quantity, number, unit, *_ = reading
    if number is None:
        return True
    lowest, highest = possible(quantity, unit)[:2]
    return lowest <= number <= highest


def why_impossible(reading: Reading) -> str:
    """The number, the limit beyond which it is, and the reason of that limit; "" for one within."""
    _, quantity, number, unit, *_ = reading
    if number is None or _is_possible(reading):
        return ""
    limits = possible(quantity, unit)
    word, limit = ("above the highest", limits.highest)
    if number < limits.lowest:
        word, limit = ("below the lowest", limits.lowest)
    return f"{number:.10g} is {word} possible {quantity}, {limit:.10g} {unit} ({limits.why})"
