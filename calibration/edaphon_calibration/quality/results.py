"""The results of a test, and what all tests need of rows: limits, gaps and trailing windows."""

from collections.abc import Collection

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Int, Small

FAILS, PASSES, UNKNOWN = 1, 0, -1
HOUR_S = 3600.0
ENOUGH_OF_A_DAY = 0.8  # of the rows that were due
MAX_GAP_S = 6 * HOUR_S  # rows further apart have nothing to say about each other

# The last digits of decimal numbers as binary ones: 0.23 - 0.20 is on a limit of 0.03.
_RELATIVE, _LEAST = 1e-9, 1e-12


def beyond(size: Float | float, limit: Float | float) -> Bools:
    """Whether `size` is above `limit` by more than the rounding of decimal numbers."""
    return np.asarray(size) > np.asarray(limit) * (1 + _RELATIVE) + _LEAST


def results(evaluated: Bools, fails: Bools) -> Small:
    """FAILS, PASSES or UNKNOWN for each row."""
    return np.where(evaluated, np.where(fails, FAILS, PASSES), UNKNOWN).astype(np.int8)


def last_before(holds: Bools) -> Int:
    """For each row the last row before it for which `holds`; -1 where there is none."""
    own = np.where(holds, np.arange(len(holds)), -1)
    return np.concatenate(([-1], np.maximum.accumulate(own)[:-1])) if len(own) else own


def trailing(time_s: Float, window_s: float, *, whole: bool = False) -> Int:
    """For each row the first row of the window that ends with it: not more than `window_s` older.

    With `whole` the last row that is at least `window_s` older, -1 where there is none.
    """
    if whole:
        return np.searchsorted(time_s, time_s - window_s, side="right") - 1
    return np.searchsorted(time_s, time_s - window_s, side="left")


def segments(time_s: Float, max_gap_s: float = MAX_GAP_S) -> Int:
    """The number of the segment of each row; a longer gap begins a new one."""
    return (
        np.concatenate(([0], np.cumsum(np.diff(time_s) > max_gap_s)))
        if len(time_s)
        else (np.zeros(0, np.int64))
    )


def extremes(value: Float, first: Int) -> tuple[Float, Float]:
    """The smallest and the largest value of each stretch from row `first` to the row itself.

    Overlapping spans of a power of two rows answer it (a sparse table), so the cost does not grow
    with the length of the stretches.
    """
    rows = np.arange(len(value))
    level = np.frexp(rows - first + 1)[1] - 1  # the largest power of two within the stretch
    low, high = np.empty(len(value)), np.empty(len(value))
    lowest, highest = value, value
    for power in range(int(level.max(initial=0)) + 1):
        at = np.flatnonzero(level == power)
        left, right = first[at], rows[at] - (1 << power) + 1
        low[at] = np.minimum(lowest[left], lowest[right])
        high[at] = np.maximum(highest[left], highest[right])
        step = 1 << power
        lowest = np.minimum(lowest[:-step], lowest[step:])
        highest = np.maximum(highest[:-step], highest[step:])
    return low, high


def runs(holds: Bools) -> list[tuple[int, int]]:
    """Where it holds without a break: each first row, and the row behind the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], holds, [0]))))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def covered(first: Int, last: Int, size: int) -> Bools:
    """Which of `size` rows lie in one of the stretches from row `first` to row `last`."""
    change = np.zeros(size + 1, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, last + 1, -1)
    return np.cumsum(change[:-1]) > 0


def medians(spans: Float) -> Float:
    """The median of each row without its NaN; NaN where nothing else is there."""
    ranked = np.sort(spans, axis=1)  # NaN come last
    n = np.count_nonzero(~np.isnan(ranked), axis=1)
    rows = np.arange(len(ranked))
    low, high = ranked[rows, np.maximum(n - 1, 0) // 2], ranked[rows, n // 2]
    return np.asarray((low + high) / 2)


def sentinel(value: Float, codes: Collection[float]) -> Small:
    """Whether a number is exactly a failure code of the instrument (84.94 is a number, 85 a code).

    Source: manuals of the instruments; DS18B20 data sheet (85 degC is the register at power-on).
    """
    return results(np.isfinite(value), np.isin(value, list(codes)))


def in_range(value: Float, lowest: float, highest: float) -> Small:
    """Whether a value lies in [lowest, highest]; a NaN limit makes the test UNKNOWN.

    Source: QARTOD gross range (doi:10.7289/V5V40SD4); porosity as the limit of water content after
    Liao et al. 2019 (doi:10.1007/s13351-019-8121-2).
    """
    known = np.isfinite(value) & ~np.isnan(lowest) & ~np.isnan(highest)
    with np.errstate(invalid="ignore"):
        return results(known, (value < lowest) | (value > highest))


def diagnostics(bad: Float, window: int = 18, share: float = 0.2, need: int = 6) -> Small:
    """Whether more than `share` of the last `window` rows carry a fault of the instrument itself.

    `bad` is 0 for a row in order, any other number for a fault (status words, r2 of a fit, humidity
    in the box, temperature of the cell out of bounds), NaN where the instrument did not say.
    Fewer than `need` known rows are UNKNOWN. Source: Campbell status table; NEON sensor health.
    """
    known = np.isfinite(bad)
    wrong = known & (bad != 0)
    rows = _trailing_sum(known, window)
    return results(known & (rows >= need), beyond(_trailing_sum(wrong, window), share * rows))


def _trailing_sum(holds: np.ndarray, window: int) -> Float:
    total = np.concatenate(([0], np.cumsum(holds))).astype(float)
    first = np.maximum(np.arange(len(holds)) - window + 1, 0)
    return np.asarray(total[1:] - total[first])
