"""Tests of how fast, how noisily and how far a channel leaves its own level."""

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Small
from edaphon_calibration.quality.results import (
    MAX_GAP_S,
    UNKNOWN,
    beyond,
    last_before,
    results,
)

MAD_TO_SIGMA = 1.4826  # median absolute deviation of a normal distribution
_HOUR_S = 3600.0


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
    hours = (time_s - time_s[before]) / _HOUR_S
    change = value - value[before]
    evaluated = known & (before >= 0) & (hours * _HOUR_S <= max_gap_s)
    with np.errstate(invalid="ignore"):
        too_fast = beyond(change, rise_per_hour * hours) | beyond(-change, fall_per_hour * hours)
        return results(evaluated, too_fast & beyond(np.abs(change), least_change))


def noise(value: Float, window: int = 36, limit: Float | float = 0.2, need: int = 12) -> Small:
    """Whether 1.4826 median|second difference| / sqrt(6) of the last `window` rows is too large.

    A ramp has no second difference and a step touches two of them, so only noise moves the median.
    UNKNOWN with fewer than `need` differences. Source: robust form of the variance test of Taylor
    and Loescher 2013 (doi:10.5194/bg-10-4957-2013).
    """
    return results(*_noise(value, window, limit, need))


def noise_of(value: Float, window: int = 36, need: int = 12) -> Float:
    """That spread, for each row, in the value's unit; NaN with fewer than `need` differences."""
    second = np.full(len(value), np.nan)
    second[2:] = np.abs(value[2:] - 2 * value[1:-1] + value[:-2])
    padded = np.concatenate((np.full(window - 2, np.nan), second))
    spans = np.lib.stride_tricks.sliding_window_view(padded, window - 1)
    enough = np.flatnonzero(np.isfinite(spans).sum(axis=1) >= need)
    spread = np.full(len(value), np.nan)
    for part in np.array_split(enough, len(enough) // 4096 + 1):
        spread[part] = np.nanmedian(spans[part], axis=1) if len(part) else np.nan
    return np.asarray(MAD_TO_SIGMA * spread / np.sqrt(6))


def _noise(value: Float, window: int, limit: Float | float, need: int) -> tuple[Bools, Bools]:
    spread = noise_of(value, window, need)
    with np.errstate(invalid="ignore"):
        return np.isfinite(spread) & np.isfinite(value), beyond(spread, limit)


def offset(
    time_s: Float,
    value: Float,
    water: Float,
    least: float,
    within_s: float = _HOUR_S,
    window_s: float = 7 * 24 * _HOUR_S,
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
