"""Tests for a channel that does not move, or that rests on the end of its range."""

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Int, Small
from edaphon_calibration.quality.results import (
    HOUR_S,
    UNKNOWN,
    beyond,
    covered,
    extremes,
    results,
    runs,
    segments,
    trailing,
)

_STEPS = 2.5  # of resolution: a slow peak reaches its top by one step, a clipped one by many


def flat(
    time_s: Float,
    value: Float,
    window_hours: float,
    tolerance: float = 0.0,
    *,
    causal: bool = False,
    excused: Bools | None = None,
) -> Small:
    """Whether a row lies in a stretch of at least `window_hours` within `tolerance` (max - min).

    With `causal` a row fails once its own stretch is long enough, as seen live; otherwise the whole
    stretch fails. A missing row does not end a stretch, more than 6 h without rows and a row that
    is `excused` (zero curtain, saturated, declared pause) do. A stretch of rows that is shorter
    than the window is UNKNOWN. Source: NEON persistence; QARTOD flat line (doi:10.7289/V5V40SD4).
    """
    excused = np.zeros(len(value), bool) if excused is None else excused
    use = np.isfinite(value) & ~excused
    at = np.flatnonzero(use)
    out = np.full(len(value), UNKNOWN, np.int8)
    group = segments(time_s[at]) + np.cumsum(excused)[at]
    long, still, first = stretches(time_s[at], value[at], group, window_hours * HOUR_S, tolerance)
    if causal:
        out[at] = results(long, still)
    else:
        rows = np.flatnonzero(long)
        hit = np.flatnonzero(still)
        size = len(at)
        out[at] = results(covered(first[rows], rows, size), covered(first[hit], hit, size))
    return out


def stretches(
    time_s: Float, value: Float, group: Int, window_s: float, tolerance: float
) -> tuple[Bools, Bools, Int]:
    """For each row: does its group reach back `window_s`, is that stretch still, where it begins.

    `group` grows where a stretch ends; no value is missing.
    """
    first = trailing(time_s, window_s, whole=True)
    long = (first >= 0) & (group[np.maximum(first, 0)] == group)
    rows = np.arange(len(value))
    low, high = extremes(value, np.where(long, first, rows))
    return long, long & ~beyond(high - low, tolerance), first


def rail(
    time_s: Float,
    value: Float,
    least: int = 18,
    lowest: float = np.nan,
    highest: float = np.nan,
    least_of_range: int = 3,
    window_s: float = 7 * 24 * HOUR_S,
    moves: Bools | None = None,
    resolution: float = 0.0,
) -> Small:
    """Whether a run of equal rows rests on the end of the range, or on an extreme of the last days.

    A run of `least_of_range` rows on `lowest` or `highest` of the instrument fails; so does a run
    of `least` rows on the largest or smallest number of the last `window_s` that the channel
    reached from elsewhere, by more than 2.5 of its `resolution`, and that no later row of the
    window passes, where a neighbour `moves` on. A missing row ends a run. Plateaus inside of the
    range pass. Source: own; QARTOD flat line is the relative (doi:10.7289/V5V40SD4).
    """
    known = np.isfinite(value)
    fails = np.zeros(len(value), bool)
    for first, last in runs(value[1:] == value[:-1]):
        number, rows = value[first], last - first + 1
        at_end = number in (lowest, highest) and rows >= least_of_range
        free = moves is None or bool(moves[first : last + 1].any())
        clipped = first > 0 and abs(value[first - 1] - number) > _STEPS * resolution
        if at_end or (
            rows >= least and free and clipped and _is_extreme(time_s, value, first, last, window_s)
        ):
            fails[first : last + 1] = True
    return results(known, fails)


def _is_extreme(time_s: Float, value: Float, first: int, last: int, window_s: float) -> bool:
    begin = int(np.searchsorted(time_s, time_s[first] - window_s))
    end = int(np.searchsorted(time_s, time_s[last] + window_s, side="right"))
    before, after = value[begin:first], value[last + 1 : end]
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if not len(before) or before[-1] == value[first]:
        return False
    around, number = np.concatenate((before, after)), value[first]
    return bool(number >= around.max() or number <= around.min())
