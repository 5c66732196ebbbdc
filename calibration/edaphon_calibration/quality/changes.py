"""Tests of how fast, how noisily and how far a channel leaves its own level."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edaphon_calibration.arrays import Bools, Float, Int, Small
from edaphon_calibration.quality.results import (
    HOUR_S,
    MAX_GAP_S,
    UNKNOWN,
    beyond,
    last_before,
    medians,
    results,
)

MAD_TO_SIGMA = 1.4826  # median absolute deviation of a normal distribution
_AT_ONCE = 200_000  # numbers of windows in memory


def rate(
    time_s: Float,
    value: Float,
    bad: Bools,
    rise_per_hour: Float | float,
    fall_per_hour: Float | float,
    least_change: float,
    max_gap_s: float = MAX_GAP_S,
) -> Small:
    """Whether a value leaves the last good value too fast and by more than `least_change`.

    The measure is the last row that has a value and is not `bad` (fails sentinel, range or
    spike_single), so a good row after a bad one is not its victim and a missing row hides nothing.
    Limits may differ from row to row (water, freezing). Older than `max_gap_s` is UNKNOWN.
    Source: QARTOD rate of change (doi:10.7289/V5V40SD4); doi:10.5194/bg-10-4957-2013.
    """
    known = np.isfinite(value)
    before = last_before(known & ~bad)
    hours = (time_s - time_s[before]) / HOUR_S
    change = value - value[before]
    evaluated = known & (before >= 0) & (hours * HOUR_S <= max_gap_s)
    with np.errstate(invalid="ignore"):
        too_fast = beyond(change, rise_per_hour * hours) | beyond(-change, fall_per_hour * hours)
        return results(evaluated, too_fast & beyond(np.abs(change), least_change))


def noise(value: Float, window: int = 36, limit: Float | float = 0.2, need: int = 12) -> Small:
    """Whether 1.4826 median|second difference| / sqrt(6) of the last `window` rows is too large.

    A ramp has no second difference and a step touches two of them, so only noise moves the median.
    UNKNOWN with fewer than `need` differences. Source: robust form of the variance test of Taylor
    and Loescher 2013 (doi:10.5194/bg-10-4957-2013).
    """
    spread = noise_of(value, window, need)
    with np.errstate(invalid="ignore"):
        return results(np.isfinite(spread) & np.isfinite(value), beyond(spread, limit))


def noise_of(value: Float, window: int = 36, need: int = 12) -> Float:
    """That spread, for each row, in the value's unit; NaN with fewer than `need` differences."""
    second = np.full(len(value), np.nan)
    if len(value) < 3:
        return second
    second[2:] = np.abs(value[2:] - 2 * value[1:-1] + value[:-2])
    padded = np.concatenate((np.full(window - 2, np.nan), second))
    spans = sliding_window_view(padded, window - 1)
    enough = np.flatnonzero(np.isfinite(spans).sum(axis=1) >= need)
    spread = np.full(len(value), np.nan)
    for part in np.array_split(enough, len(enough) * window // _AT_ONCE + 1):
        spread[part] = medians(spans[part])
    return np.asarray(MAD_TO_SIGMA * spread / np.sqrt(6))


def offset(
    time_s: Float,
    value: Float,
    water: Float,
    least: float,
    within_s: float = HOUR_S,
    window_s: float = 7 * 24 * HOUR_S,
) -> Small:
    """Whether rows stand on another level for a time: away within an hour, and back as far.

    A level leaves by more than `least` within `within_s` and comes back by as much within
    `window_s`: the rows between fail, the edge rows with them. `water` is 1 where rain, irrigation,
    snow melt or a visit explains a change there, NaN where that is not known; a change with water
    is none, and rows that could be the inside of one whose beginning is explained pass.
    Source: own; the idea is the offset test of SaQC.
    """
    known = np.isfinite(value)
    at = np.flatnonzero(known)
    out = np.full(len(value), UNKNOWN, np.int8)
    out[at] = _offset(time_s[at], value[at], water[at], least, within_s, window_s)
    return out


def _offset(
    time_s: Float, value: Float, water: Float, least: float, within_s: float, window_s: float
) -> Small:
    before = np.arange(len(value)) - 1
    jump = np.where(before >= 0, value - value[before], 0.0)
    fast = (before >= 0) & (time_s - time_s[before] <= within_s)
    jumps = np.flatnonzero(fast & beyond(np.abs(jump), least) & (water == 0))
    fails = np.zeros(len(value), bool)
    over = 0  # the jump that ends one stretch begins no other
    for start in jumps[jumps > 0]:
        if start < over:
            continue
        level, sign = value[start - 1], np.sign(jump[start])
        last = np.searchsorted(time_s, time_s[start] + window_s, side="right")
        away = beyond(sign * (value[start:last] - level), least)
        back = np.flatnonzero(~away)
        end = int(start + back[0]) if len(back) else 0
        if end and fast[end] and beyond(-sign * jump[end], least):
            fails[start:end] = True
            over = end + 1
    return results(np.ones(len(value), bool), fails)


_DAY_ROWS = 25  # hourly rows: twelve before, the row, twelve after


def spike_single(
    time_s: Float, value: Float, difference: float, max_gap_s: float = MAX_GAP_S
) -> Small:
    """Whether both neighbours are more than `difference` away, on the same side.

    Neighbours are the nearest rows with a value, at most `max_gap_s` away; without both of them the
    row is UNKNOWN. Source: differential method of QARTOD's spike test (doi:10.7289/V5V40SD4).
    """
    known = np.isfinite(value)
    before, after = last_before(known), _next_after(known)
    there = known & (before >= 0) & (after >= 0)
    near = (time_s - time_s[before] <= max_gap_s) & (time_s[after] - time_s <= max_gap_s)
    up, down = value - value[before], value - value[after]
    with np.errstate(invalid="ignore"):
        least = np.minimum(np.abs(up), np.abs(down))
        return results(there & near, (np.sign(up) == np.sign(down)) & beyond(least, difference))


def _next_after(holds: np.ndarray) -> Int:
    """For each row the next row for which it holds; -1 where there is none."""
    reverse = last_before(holds[::-1])[::-1]
    return np.where(reverse < 0, -1, len(holds) - 1 - reverse)


def spike_mad(
    value: Float, half: int = 6, k: float = 9.0, least: Float | float = 0.0, need: int = 6
) -> Small:
    """Whether |value - median of the rows around| is above max(least, k 1.4826 MAD).

    Around are `half` rows on each side without the row itself; UNKNOWN with fewer than `need`
    values there or none after the row. `least` may be a number or one for each row.
    Source: NEON's despiking by running median; doi:10.5194/bg-10-4957-2013.
    """
    size, out = len(value), np.zeros((2, len(value)), bool)
    if not size:
        return results(out[0], out[1])
    padded = np.concatenate((np.full(half, np.nan), value, np.full(half, np.nan)))
    spans = sliding_window_view(padded, 2 * half + 1)
    others = np.arange(2 * half + 1) != half
    has_after = np.isfinite(spans[:, half + 1 :]).any(axis=1)
    evaluated = np.isfinite(value) & has_after & (np.isfinite(spans[:, others]).sum(axis=1) >= need)
    at = np.flatnonzero(evaluated)
    least_of = np.broadcast_to(np.asarray(least, float), (size,))
    for part in np.array_split(at, len(at) * half // _AT_ONCE + 1):
        if len(part):
            around = spans[part][:, others]
            centre = medians(around)
            mad = medians(np.abs(around - centre[:, None]))
            limit = np.maximum(least_of[part], k * MAD_TO_SIGMA * mad)
            out[1, part] = beyond(np.abs(value[part] - centre), limit)
    return results(evaluated, out[1])


def spike_dorigo(value: Float) -> Small:
    """The spike test of the International Soil Moisture Network, of hourly water content.

    Three conditions: the value is more than 15 % from the one before; the second derivatives before
    and after differ by less than 20 %; the variance of the 24 rows around is below their mean.
    UNKNOWN where one of these 25 rows is missing. For comparison only: the network's own default.
    Source: Dorigo et al. 2013, flag D06 (doi:10.2136/vzj2012.0097).
    """
    middle = _DAY_ROWS // 2
    evaluated, fails = np.zeros(len(value), bool), np.zeros(len(value), bool)
    if len(value) < _DAY_ROWS:
        return results(evaluated, fails)
    spans = sliding_window_view(value, _DAY_ROWS)
    rows = slice(middle, len(value) - middle)
    x = [spans[:, middle + shift] for shift in (-2, -1, 0, 1, 2)]
    around = np.delete(spans, middle, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = x[2] / x[1]
        bend = (x[0] - 2 * x[1] + x[2]) / (x[2] - 2 * x[3] + x[4])
        calm = np.abs(around.var(axis=1) / around.mean(axis=1)) < 1
        sharp = beyond(ratio, 1.15) | beyond(0.85, ratio)
        fails[rows] = sharp & beyond(bend, 0.8) & beyond(1.2, bend) & calm
    evaluated[rows] = np.isfinite(spans).all(axis=1)
    return results(evaluated, fails)
