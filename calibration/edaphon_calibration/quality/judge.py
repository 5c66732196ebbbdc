"""All tests of one channel with its context: which were evaluated, which failed, and the flag.

Pure: the same rows, context and rules give the same result. Tests of one row alone come first; rows
that fail sentinel, range or spike_single are no measure for the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Int, Small
from edaphon_calibration.checks import Flag
from edaphon_calibration.quality import changes, days, stuck, water
from edaphon_calibration.quality.results import (
    FAILS,
    HOUR_S,
    PASSES,
    UNKNOWN,
    diagnostics,
    in_range,
    last_before,
    results,
    runs,
    sentinel,
)
from edaphon_calibration.quality.rules import Parameters, Rule

_DAY_S = 86400.0
_STALE_S = 3 * HOUR_S  # context that is older says nothing
_WATER_ACTS_S = 6 * HOUR_S
_MOST_TIMES = 10  # faster than a minute a window of rows stands for less time
_ROW_S = 600.0  # what "a row" of a window of rows stands for
_SEVERE_FLAT = 3  # windows
SEVERE = 2
_CURTAIN_SWING = 1.5  # degC in a day
_DRIEST = 0.3  # of the wilting point: drier than that is a probe that has lost the soil
_ZERO_CURTAIN = 0.5  # degC around 0 at which no rule can tell a stuck thermometer


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Times [s] in order and values; NaN is a missing value."""

    time_s: Float
    value: Float

    def at(self, time_s: Float, stale_s: float = _STALE_S) -> Float:
        """The newest value at each time, NaN where it is older than `stale_s`."""
        known = np.isfinite(self.value)
        times, values = self.time_s[known], self.value[known]
        if not len(times):
            return np.full(len(time_s), np.nan)
        row = np.searchsorted(times, time_s, side="right") - 1
        fresh = (row >= 0) & (time_s - times[row] <= stale_s)
        return np.where(fresh, values[row], np.nan)

    def amounts(self, time_s: Float) -> Float:
        """The sum [value's unit] since the row before; NaN where no row of that time is known."""
        known = np.isfinite(self.value)
        times = self.time_s[known]
        total = np.concatenate(([0.0], np.cumsum(self.value[known])))
        upto = np.searchsorted(times, time_s, side="right")
        step = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
        first = np.searchsorted(times, time_s[:1] - step, side="right")
        before = np.concatenate((first, upto[:-1]))
        amount = total[upto] - total[before]
        last = np.where(
            upto > 0, times[np.maximum(upto - 1, 0)] if len(times) else -np.inf, -np.inf
        )
        return np.where((upto > before) | (time_s - last <= _STALE_S), amount, np.nan)


_NO_ROWS = Rows(np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What else is known where and when the channel measures; None is not known."""

    temperature: Rows | None = None  # degC at the same depth, the probe's own first
    rain: Rows | None = None  # mm: rain, irrigation and snow melt
    replicate: Rows | None = None  # same quantity and depth, another sensor
    above: Rows | None = None  # temperature of the next shallower sensor or of the air
    others: tuple[Rows, ...] = ()  # channels that should move when this one does
    porosity: float = np.nan  # m3/m3 of the horizon
    wilting_point: float = np.nan  # m3/m3 of the horizon
    explained: tuple[tuple[float, float], ...] = ()  # visits and irrigation [s from, s to)
    paused: tuple[tuple[float, float], ...] = ()  # declared pauses [s from, s to)
    fit_r2: Rows | None = None  # of the fits that a flux comes from


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """For each row the tests as bits in the order of `TESTS`, and the worst flag of them."""

    evaluated: Int
    failed: Int
    flag: Small

    def take(self, rows: Int) -> "Judged":
        return Judged(self.evaluated[rows], self.failed[rows], self.flag[rows])

    def names(self, row: int) -> tuple[str, ...]:
        """Of the tests that failed."""
        return tuple(name for bit, name in enumerate(TESTS) if self.failed[row] >> bit & 1)


@dataclass(frozen=True, eq=False)
class Case:
    """One channel's rows, its facts and what the tests of a row share."""

    rows: Rows
    context: Context
    interval_s: float
    resolution: float = 0.0
    lowest: float = np.nan  # of the instrument's range
    highest: float = np.nan
    codes: tuple[float, ...] = ()
    day_offset_s: float = 0.0
    found: dict[str, Small] = field(default_factory=dict)

    @property
    def time_s(self) -> Float:
        return self.rows.time_s

    @cached_property
    def number(self) -> Float:
        """The values without failure codes."""
        codes = self.found.get("sentinel")
        return (
            self.rows.value if codes is None else np.where(codes == FAILS, np.nan, self.rows.value)
        )

    @cached_property
    def bad(self) -> Bools:
        """Rows that are no measure for others."""
        bad = ~np.isfinite(self.number)
        for test in ("range", "spike_single"):
            if test in self.found:
                bad = bad | (self.found[test] == FAILS)
        return bad

    @cached_property
    def good(self) -> Float:
        return np.where(self.bad, np.nan, self.number)

    @cached_property
    def frozen(self) -> Small:
        """1 frozen, 0 not, -1 not known."""
        return water.frozen(self.time_s, self.temperature)

    @cached_property
    def temperature(self) -> Float:
        return (self.context.temperature or _NO_ROWS).at(self.time_s)

    @cached_property
    def rain(self) -> Float:
        """mm since the row before."""
        return (self.context.rain or _NO_ROWS).amounts(self.time_s)

    @cached_property
    def water(self) -> Float:
        """mm since the row before; much while a visit or irrigation explains all."""
        return np.where(self.inside(self.context.explained), 1e3, self.rain)

    def wet(self, within_s: float) -> Float:
        """Whether there was water within that time: 1 or 0, NaN where it is not known."""
        amount = np.nan_to_num(self.rain)
        total = np.concatenate(([0.0], np.cumsum(amount)))
        first = np.searchsorted(self.time_s, self.time_s - within_s)
        fallen = (total[1:] - total[first] > 0) | self.inside(self.context.explained, within_s)
        return np.where(fallen, 1.0, np.where(np.isfinite(self.rain), 0.0, np.nan))

    def inside(self, spans: tuple[tuple[float, float], ...], after_s: float = 0.0) -> Bools:
        time = self.time_s
        held = [(time >= start) & (time < end + after_s) for start, end in spans]
        return np.logical_or.reduce(held) if held else np.zeros(len(time), bool)

    def rows_of(self, rows: float) -> int:
        """As many rows as stand for that many rows at 10 minutes; at most 10 times as many."""
        return int(min(rows * _ROW_S // self.interval_s, rows * _MOST_TIMES))

    @cached_property
    def day(self) -> Float:
        return np.floor((self.time_s + self.day_offset_s) / _DAY_S)

    def daily(self, value: Float) -> tuple[Float, Float, Float, Float]:
        return days.daily(self.day, value, int(_DAY_S // self.interval_s))

    def of_days(self, day: Float, result: Small) -> Small:
        """The result of its day for each row that has a value."""
        if not len(day):
            return np.full(len(self.time_s), UNKNOWN, np.int8)
        at = np.clip((self.day - day[0]).astype(int), 0, len(day) - 1)
        return np.where(
            np.isfinite(self.number) & (self.day == day[at]), result[at], UNKNOWN
        ).astype(np.int8)


# The result of each row; a test with two limits gives SEVERE where the wider one fails too.
Evaluate = Callable[[Case, Parameters], Small]


def judge(case: Case, rules: Mapping[str, Rule]) -> Judged:
    """The tests that `rules` names, of the rows of `case`."""
    evaluated = np.zeros(len(case.time_s), np.int64)
    failed = np.zeros(len(case.time_s), np.int64)
    flag = np.where(np.isfinite(case.rows.value), Flag.NOT_EVALUATED, Flag.MISSING).astype(np.int8)
    for bit, (name, (evaluate, effect)) in enumerate(TESTS.items()):
        if name not in rules:
            continue
        found = evaluate(case, rules[name].parameters)
        case.found[name] = result = np.minimum(found, FAILS)
        evaluated |= (result != UNKNOWN).astype(np.int64) << bit
        failed |= (result == FAILS).astype(np.int64) << bit
        passes = (result != UNKNOWN) & (flag == Flag.NOT_EVALUATED) & (name not in CONTEXT)
        flag = np.where(passes, Flag.PASSED, flag)
        if effect is not None:  # what is missing stays so: its flag is the highest
            worst = np.where(found == SEVERE, Flag.FAIL, effect)
            flag = np.where(result == FAILS, np.maximum(flag, worst), flag)
    return Judged(evaluated, failed, flag.astype(np.int8))


def _all(case: Case, number: int) -> Small:
    return np.full(len(case.time_s), number, np.int8)


def _number(parameters: Parameters, name: str, default: float = np.nan) -> float:
    return float(cast(float, parameters.get(name, default)))


def _numbers(parameters: Parameters, name: str) -> tuple[float, ...]:
    return cast(tuple[float, ...], parameters.get(name, ()))


def _two_levels(severe: Small, mild: Small) -> Small:
    """Of a test with a limit for SUSPECT and a wider one for FAIL."""
    return np.maximum(np.where(severe == FAILS, SEVERE, severe), mild).astype(np.int8)


def _sentinel(case: Case, p: Parameters) -> Small:
    value = case.rows.value
    found = sentinel(value, (*_numbers(p, "codes"), *case.codes))
    lone = _numbers(p, "lone_codes")
    if lone:
        apart = _number(p, "apart")
        at = sentinel(value, lone) == FAILS
        others = np.isfinite(value) & ~at & (found != FAILS)
        before = last_before(others)
        near = np.where(before >= 0, np.abs(value - value[before]), np.inf)
        found = np.where(at & (near > apart), FAILS, found).astype(np.int8)
    return found


def _range(case: Case, p: Parameters) -> Small:
    porosity, highest = case.context.porosity, _number(p, "highest")
    suspect = _number(p, "suspect_lowest", -np.inf), _number(p, "suspect_highest", np.inf)
    if np.isfinite(porosity) and _number(p, "by_horizon", 0.0) > 0:
        driest = np.nan_to_num(_DRIEST * case.context.wilting_point)
        highest, suspect = porosity + 0.05, (max(suspect[0], driest), porosity)
    severe = in_range(case.number, _number(p, "lowest"), highest)
    return _two_levels(severe, in_range(case.number, *suspect))


def _spike_single(case: Case, p: Parameters) -> Small:
    rows = case.time_s, case.number
    severe = changes.spike_single(*rows, _number(p, "fail", np.inf))
    return _two_levels(severe, changes.spike_single(*rows, _number(p, "suspect", np.inf)))


def _rate(case: Case, p: Parameters) -> Small:
    rise: Float | float = _number(p, "rise_per_hour")
    fall: Float | float = _number(p, "fall_per_hour")
    if "rise_with_water" in p:
        dry = (case.wet(_WATER_ACTS_S) == 0) & (case.frozen != FAILS) & ~_thawed(case)
        rise = np.where(dry, rise, _number(p, "rise_with_water"))
        full = case.good > case.context.porosity - 0.05
        soaked = full | (np.concatenate(([False], full[:-1]))) if len(full) else full
        loose = soaked | (case.frozen == FAILS) | _thawed(case) | (case.wet(_WATER_ACTS_S) == 1)
        fall = np.where(loose, _number(p, "fall_when_wet"), fall)
    return changes.rate(
        case.time_s, case.number, case.bad, rise, fall, _number(p, "least_change", 0.0)
    )


def _thawed(case: Case) -> Bools:
    """Whether the soil was frozen within the last 6 h."""
    frozen = np.concatenate(([0], np.cumsum(case.frozen == FAILS)))
    first = np.searchsorted(case.time_s, case.time_s - _WATER_ACTS_S)
    return np.asarray(frozen[1:] - frozen[first] > 0)


def _spike_mad(case: Case, p: Parameters) -> Small:
    half = case.rows_of(_number(p, "half", 6))
    least: Float | float = _number(p, "least", 0.0)
    if "least_share" in p:
        least = _number(p, "least_share") * np.abs(np.nan_to_num(case.number))
    need = max(int(_number(p, "need", 6)), 1)
    if half < 1:
        return _all(case, UNKNOWN)
    result = changes.spike_mad(case.number, half, _number(p, "k", 9.0), least, need)
    known = case.context.rain is not None or case.context.temperature is not None
    if known and _number(p, "not_with_water", 0.0) > 0:
        moved = (case.wet(_WATER_ACTS_S) == 1) | _thawed(case)
        result = np.where(moved, UNKNOWN, result).astype(np.int8)
    return result


def _flat(case: Case, p: Parameters) -> Small:
    window, tolerance = _number(p, "window_hours"), 1.5 * case.resolution
    others = _number(p, "window_hours_if_others_move", window)
    excused = _excused(case, p)
    rows = case.time_s, case.good
    result = stuck.flat(*rows, window, tolerance, excused=excused)
    severe = stuck.flat(*rows, _SEVERE_FLAT * window, tolerance, excused=excused)
    if others < window and case.context.others:
        short = stuck.flat(*rows, others, tolerance, excused=excused)
        result = np.where(_confirmed(case, short), FAILS, result).astype(np.int8)
    return _two_levels(severe, result)


def _excused(case: Case, p: Parameters) -> Bools:
    """Where no rule can tell a stuck sensor: zero curtain, saturation, declared pauses."""
    out = case.inside(case.context.paused)
    if _number(p, "zero_curtain", 0.0) > 0:
        out = out | (np.abs(np.nan_to_num(case.good, nan=np.inf)) < _ZERO_CURTAIN)
    if np.isfinite(case.context.porosity):
        out = out | (case.found.get("saturated", _all(case, PASSES)) == FAILS)
    return np.asarray(out)


def _confirmed(case: Case, short: Small) -> Bools:
    """The runs of failing rows during which another channel moved by more than its own noise."""
    out = np.zeros(len(short), bool)
    for first, end in runs(short == FAILS):
        span = case.time_s[first], case.time_s[end - 1]
        out[first:end] = any(_moves(other, *span) for other in case.context.others)
    return out


def _moves(other: Rows, start_s: float, end_s: float) -> bool:
    inside = other.value[(other.time_s >= start_s) & (other.time_s <= end_s)]
    inside = inside[np.isfinite(inside)]
    return len(inside) > 1 and bool(np.ptp(inside) > 0.01)


def _noise(case: Case, p: Parameters) -> Small:
    window, need = case.rows_of(_number(p, "window", 36)), int(_number(p, "need", 12))
    if window < need:
        return _all(case, UNKNOWN)
    limit: Float | float = _number(p, "limit")
    if "limit_share" in p:
        limit = _number(p, "limit_share") * np.abs(np.nan_to_num(case.good))
    return changes.noise(case.good, window, limit, need)


def _frozen(case: Case, p: Parameters) -> Small:
    known = np.isfinite(case.number)
    return np.where(known, case.frozen, UNKNOWN).astype(np.int8)


def _saturated(case: Case, p: Parameters) -> Small:
    return water.saturated(case.time_s, case.good, case.context.porosity)


def _no_response(case: Case, p: Parameters) -> Small:
    out = _all(case, UNKNOWN)
    if case.context.rain is not None and len(out):
        events = water.no_response(
            case.time_s, case.good, case.rain, case.temperature, case.context.porosity
        )
        for row, result in events:
            out[row] = result
    return out


def _rise_without_water(case: Case, p: Parameters) -> Small:
    other = case.context.replicate
    return water.rise_without_water(
        case.time_s,
        case.good,
        case.water,
        case.temperature,
        None if other is None else other.at(case.time_s),
        _number(p, "rise", 0.03),
    )


def _rail(case: Case, p: Parameters) -> Small:
    moves = np.ones(len(case.time_s), bool) if case.context.others else None
    for other in case.context.others:
        near = other.at(case.time_s)
        moves = np.asarray(moves & (np.concatenate(([0.0], np.diff(near))) != 0))
    least = case.rows_of(_number(p, "least", 18))
    if moves is None or least < 3:
        least = len(case.time_s) + 1  # without a neighbour only the instrument's own range tells
    return stuck.rail(
        case.time_s,
        case.number,
        least,
        case.lowest,
        case.highest,
        moves=moves,
        resolution=case.resolution,
    )


def _offset(case: Case, p: Parameters) -> Small:
    explained = np.where(_thawed(case), 1.0, np.nan_to_num(case.wet(_WATER_ACTS_S)))
    within = max(HOUR_S, case.interval_s)
    return changes.offset(case.time_s, case.good, explained, _number(p, "least"), within)


def _daily_pair(case: Case) -> tuple[Float, Float, Float]:
    """Days, and daily medians of channel and replicate, of rows where both measure, unfrozen."""
    warm = np.where(case.frozen == FAILS, np.nan, case.good)
    other = (case.context.replicate or _NO_ROWS).at(case.time_s)
    both = np.where(np.isfinite(warm), other, np.nan)
    day, own, _, _ = case.daily(np.where(np.isfinite(both), warm, np.nan))
    _, there, _, _ = case.daily(both)
    return day, own, there


def _replicate(case: Case, p: Parameters) -> Small:
    day, own, there = _daily_pair(case)
    return case.of_days(day, days.replicate(own, there, _number(p, "least")))


def _amplitude(case: Case, p: Parameters) -> Small:
    above = (case.context.above or _NO_ROWS).at(case.time_s)
    both = np.where(np.isfinite(case.good), above, np.nan)
    day, _, low, high = case.daily(np.where(np.isfinite(both), case.good, np.nan))
    _, _, low_above, high_above = case.daily(both)
    swing, swing_above = high - low, high_above - low_above
    curtain = _in_curtain(low, high) | _in_curtain(low_above, high_above)
    swing = np.where(curtain, np.nan, swing)
    found = days.amplitude(swing_above, swing, _number(p, "factor", 0.9), _number(p, "plus", 0.2))
    twice = (found == FAILS) & (np.concatenate(([0], found[:-1])) == FAILS) if len(found) else found
    twice = twice | np.concatenate((twice[1:], [False])) if len(found) else twice
    found = np.where((found == FAILS) & ~twice, PASSES, found).astype(np.int8)
    return case.of_days(day, found)


def _in_curtain(low: Float, high: Float) -> Bools:
    """Days near 0 degC with little swing: melting and freezing hold temperature there."""
    near = np.minimum(np.abs(low), np.abs(high)) < _ZERO_CURTAIN
    return near & (high - low < _CURTAIN_SWING)


def _drift(case: Case, p: Parameters) -> Small:
    day, own, there = _daily_pair(case)
    return case.of_days(day, days.drift(own - there, _number(p, "limit_per_day")))


def _temperature_sensitivity(case: Case, p: Parameters) -> Small:
    """Of a day: 3 dry days of the last 5 that follow temperature, or 2 by a replicate."""
    day = np.unique(case.day)
    alone = np.full(len(day), UNKNOWN, np.int8)
    of_two = np.full(len(day), UNKNOWN, np.int8)
    rain, other = case.wet(_DAY_S), case.context.replicate
    there = None if other is None else other.at(case.time_s)
    edges = np.searchsorted(case.day, np.append(day, np.inf))
    for n in range(len(day)):
        rows = slice(edges[n], edges[n + 1])
        own, degrees = case.good[rows], case.temperature[rows]
        if (rain[rows] == 0).all() and (case.frozen[rows] == PASSES).all():
            alone[n] = water.temperature_sensitivity(own, degrees)
        if there is not None:
            of_two[n] = water.more_sensitive_of_two(own, there[rows], degrees)
    failing = _often(alone, 3) | _often(of_two, 2)
    known = (alone != UNKNOWN) | (of_two != UNKNOWN)
    return case.of_days(day, results(known, failing))


def _often(found: Small, least: int) -> Bools:
    """The days that fail, with at least so many of the last five."""
    if not len(found):
        return np.zeros(0, bool)
    often = np.convolve(found == FAILS, np.ones(5, int))[: len(found)]
    return np.asarray((found == FAILS) & (often >= least))


def _diagnostics(case: Case, p: Parameters) -> Small:
    """By the fits of a flux: a lid that stays open gives curves that no line goes through."""
    r2 = case.context.fit_r2
    if r2 is None:
        return _all(case, UNKNOWN)
    own = np.isfinite(case.number)
    fit = r2.at(case.time_s[own], case.interval_s)
    bad = np.where(np.isfinite(fit), fit < _number(p, "least_r2", 0.5), np.nan)
    out = _all(case, UNKNOWN)
    out[own] = diagnostics(bad)
    return out


CONTEXT = {"frozen", "saturated"}  # that they pass says nothing of the value
# In this order, the place is the bit; with the flag of what fails, None for none.
TESTS: dict[str, tuple[Evaluate, Flag | None]] = {
    "sentinel": (_sentinel, Flag.MISSING),
    "range": (_range, Flag.SUSPECT),
    "spike_single": (_spike_single, Flag.SUSPECT),
    "rate": (_rate, Flag.SUSPECT),
    "spike_mad": (_spike_mad, Flag.FAIL),
    "saturated": (_saturated, None),
    "flat": (_flat, Flag.SUSPECT),
    "noise": (_noise, Flag.SUSPECT),
    "frozen": (_frozen, Flag.SUSPECT),
    "no_response": (_no_response, Flag.SUSPECT),
    "rise_without_water": (_rise_without_water, Flag.SUSPECT),
    "rail": (_rail, Flag.FAIL),
    "offset": (_offset, Flag.SUSPECT),
    "replicate": (_replicate, Flag.SUSPECT),
    "amplitude": (_amplitude, Flag.SUSPECT),
    "drift": (_drift, Flag.SUSPECT),
    "temperature_sensitivity": (_temperature_sensitivity, Flag.SUSPECT),
    "diagnostics": (_diagnostics, Flag.FAIL),
}
