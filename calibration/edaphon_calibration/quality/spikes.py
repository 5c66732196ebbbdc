"""Tests for single rows and short bursts that stand out of the rows around them."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edaphon_calibration.arrays import Float, Int, Small
from edaphon_calibration.quality.changes import MAD_TO_SIGMA
from edaphon_calibration.quality.results import MAX_GAP_S, beyond, last_before, results

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
    padded = np.concatenate((np.full(half, np.nan), value, np.full(half, np.nan)))
    spans = sliding_window_view(padded, 2 * half + 1)
    others = np.arange(2 * half + 1) != half
    has_after = np.isfinite(spans[:, half + 1 :]).any(axis=1)
    evaluated = np.isfinite(value) & has_after & (np.isfinite(spans[:, others]).sum(axis=1) >= need)
    at = np.flatnonzero(evaluated)
    least_of = np.broadcast_to(np.asarray(least, float), (size,))
    for part in np.array_split(at, len(at) // 4096 + 1):
        if len(part):
            around = spans[part][:, others]
            centre = np.nanmedian(around, axis=1)
            mad = np.nanmedian(np.abs(around - centre[:, None]), axis=1)
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
