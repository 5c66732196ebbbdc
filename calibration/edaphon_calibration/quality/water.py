"""Tests of soil water content with rain, temperature and neighbours as context.

Water content is in m3/m3, rain in mm a row, temperature in degC at the same depth, times in s.
"""

import numpy as np

from edaphon_calibration.arrays import Float, Small
from edaphon_calibration.quality.results import (
    ENOUGH_OF_A_DAY,
    FAILS,
    HOUR_S,
    MAX_GAP_S,
    PASSES,
    UNKNOWN,
    beyond,
    covered,
    results,
    segments,
    trailing,
)
from edaphon_calibration.quality.stuck import stretches

FREEZES_AT, THAWED_ABOVE = 0.0, 0.5  # degC
_STALE_S = 3 * HOUR_S


def frozen(
    time_s: Float,
    temperature: Float,
    begins: float = FREEZES_AT,
    ends: float = THAWED_ABOVE,
    stale_s: float = _STALE_S,
) -> Small:
    """Whether the soil is frozen: from `begins` or below until above `ends` [degC].

    Temperature that is older than `stale_s` is UNKNOWN. Source: Dorigo et al. 2013, D01
    (doi:10.2136/vzj2012.0097); hysteresis after Mavrovic et al. 2021
    (doi:10.5194/hess-25-1117-2021).
    """
    known = np.isfinite(temperature)
    rows = np.arange(len(time_s))
    with np.errstate(invalid="ignore"):
        turns = np.where(temperature <= begins, 1, np.where(temperature > ends, 0, -1))
    turn = np.maximum.accumulate(np.where(turns >= 0, rows, -1))
    last = np.maximum.accumulate(np.where(known, rows, -1))
    fresh = (last >= 0) & (time_s - time_s[last] <= stale_s)
    return results(fresh, (turn >= 0) & (turns[turn] == 1))


def saturated(
    time_s: Float,
    value: Float,
    porosity: float,
    margin: float = 0.03,
    tolerance: float = 0.01,
    hours: float = 6.0,
) -> Small:
    """Whether a row lies in a plateau near porosity: context, and no failure by itself.

    A plateau is `hours` of rows at porosity - margin or above within `tolerance`. UNKNOWN where
    porosity is. Source: Dorigo et al. 2013, D10 (doi:10.2136/vzj2012.0097).
    """
    known = np.isfinite(value)
    at = np.flatnonzero(known & ~beyond(porosity - margin, value) & (porosity > 0))
    plateau = np.zeros(len(value), bool)
    if len(at):
        low = np.cumsum(known & beyond(porosity - margin, value))
        group = segments(time_s[at]) + low[at]
        _, still, first = stretches(time_s[at], value[at], group, hours * HOUR_S, tolerance)
        hit = np.flatnonzero(still)
        plateau[at] = covered(first[hit], hit, len(at))
    return results(known & np.full(len(value), porosity > 0), plateau)


def no_response(
    time_s: Float,
    value: Float,
    water: Float,
    temperature: Float,
    porosity: float,
    least: float = 0.01,
    amount: float = 10.0,
    within_s: float = MAX_GAP_S,
    after_s: float = 12 * HOUR_S,
    wet: float = 0.05,
) -> list[tuple[int, int]]:
    """Row and result of each rain event: FAILS without a rise of `least` until `after_s` later.

    An event begins at the row at which `amount` mm fell within `within_s`; what falls in the
    `after_s` that follow belongs to it. UNKNOWN where the soil is frozen or within `wet` of
    porosity, one of these is not known, or the time is not over. Source: the converse of Dorigo
    et al. 2013, D04 (doi:10.2136/vzj2012.0097).
    """
    total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(water))))
    begin = np.searchsorted(time_s, time_s - within_s, side="right")
    fallen = total[1:] - total[begin]
    events: list[tuple[int, int]] = []
    open_until = -np.inf
    for row in np.flatnonzero(~beyond(amount, fallen)):
        if time_s[row] <= open_until:
            continue
        open_until = time_s[row] + after_s
        end = int(np.searchsorted(time_s, open_until, side="right"))
        rows = slice(int(begin[row]), end)
        judged = time_s[-1] >= open_until and _can_take_up(
            value[rows], temperature[rows], porosity - wet
        )
        events.append(
            (int(row), _deaf(value[rows], row - begin[row], least) if judged else UNKNOWN)
        )
    return events


def _can_take_up(value: Float, temperature: Float, wet_above: float) -> bool:
    """Whether the soil is known to be thawed and drier than that."""
    known = value[np.isfinite(value)]
    warm = np.isfinite(temperature).any() and np.nanmin(temperature) > THAWED_ABOVE
    return bool(len(known) and warm and known[0] < wet_above)


def _deaf(value: Float, event: int, least: float) -> int:
    """FAILS where no value rises by `least` above the smallest before it."""
    before, whole = value[: event + 1], value
    if not np.isfinite(before).any() or not np.isfinite(value[event + 1 :]).any():
        return UNKNOWN
    lowest = np.fmin.accumulate(whole)
    rise = np.nanmax(whole - np.minimum(lowest, np.nanmax(before)))
    return FAILS if beyond(least, rise) else PASSES


def rise_without_water(
    time_s: Float,
    value: Float,
    water: Float,
    temperature: Float,
    neighbour: Float | None = None,
    rise: float = 0.03,
    least_water: float = 1.0,
    within_s: float = 24 * HOUR_S,
    share: float = 0.5,
) -> Small:
    """Whether water content rises by more than `rise` in an hour that nothing explains.

    Explained is a rise with `least_water` mm of rain, irrigation or snow melt in the last 24 h,
    with soil at or below 0.5 degC then, or with a neighbour that rises by `share` of it within 3 h.
    UNKNOWN where the rain of 24 h or, at a rise, the temperature is not known.
    Source: Dorigo et al. 2013, D04, D05 (doi:10.2136/vzj2012.0097).
    """
    known, gauge = np.isfinite(value), np.isfinite(water)
    hour, day = trailing(time_s, HOUR_S), trailing(time_s, within_s)
    lowest = _lowest_before(value, hour)
    rain = np.concatenate(([0.0], np.cumsum(np.nan_to_num(water))))
    seen = np.concatenate(([0], np.cumsum(gauge)))
    fallen, rows = rain[1:] - rain[day], seen[1:] - seen[day]
    evaluated = known & np.isfinite(lowest) & (rows > 0)
    with np.errstate(invalid="ignore"):
        rises = evaluated & beyond(value - lowest, rise) & beyond(least_water, fallen)
    out = results(evaluated, rises)
    for row in np.flatnonzero(rises):
        last_day = slice(day[row], row + 1)
        whole = rows[row] == row + 1 - day[row]
        enough = share * float(value[row] - lowest[row])
        shared = neighbour is not None and not beyond(
            enough, _rise_around(time_s, neighbour, int(row))
        )
        out[row] = PASSES if shared else _unexplained(temperature[last_day], gauge=bool(whole))
    return out


def _unexplained(temperature: Float, *, gauge: bool) -> int:
    if not np.isfinite(temperature).any():
        return UNKNOWN
    if np.nanmin(temperature) <= THAWED_ABOVE:
        return PASSES
    return FAILS if gauge else UNKNOWN


def _lowest_before(value: Float, first: np.ndarray) -> Float:
    """The smallest value from row `first` to the row before; NaN where there is none."""
    lowest = np.full(len(value), np.nan)
    back = np.arange(len(value)) - first
    for steps in range(1, int(back.max(initial=0)) + 1):
        use = np.flatnonzero(back >= steps)
        lowest[use] = np.fmin(lowest[use], value[use - steps])
    return lowest


def _rise_around(time_s: Float, value: Float, row: int) -> float:
    """The largest rise of a neighbour that ends at most 3 h before or after the row."""
    first = np.searchsorted(time_s, time_s[row] - 4 * HOUR_S)
    last = np.searchsorted(time_s, time_s[row] + 3 * HOUR_S, side="right")
    near = value[first:last][np.isfinite(value[first:last])]
    return float((near - np.minimum.accumulate(near)).max()) if len(near) else -np.inf


def temperature_sensitivity(
    value: Float,
    temperature: Float,
    limit: float = 0.0012,
    least_r2: float = 0.6,
    swing: float = 3.0,
) -> int:
    """Whether water content follows temperature through a dry day, by more than `limit` per degC.

    The straight lines of the day are taken away from both first, so a dry-down is none. UNKNOWN
    with less than 80 % of the rows or a `swing` of temperature below 3 degC.
    Source: Rosenbaum et al. 2011 (doi:10.2136/vzj2010.0083); doi:10.3390/s7040548.
    """
    line = _sensitivity(value, temperature, swing)
    if line is None:
        return UNKNOWN
    slope, r2 = line
    return FAILS if beyond(abs(slope), limit) and beyond(r2, least_r2) else PASSES


def more_sensitive_of_two(
    value: Float,
    other: Float,
    temperature: Float,
    limit: float = 0.0025,
    least_r2: float = 0.5,
    swing: float = 0.9,
) -> int:
    """Whether the difference of two probes follows temperature, and this one is why.

    Rain and frost act on both, so days with these count too. FAILS for the one that follows
    temperature more by itself. UNKNOWN as `temperature_sensitivity`. Source: own; limits by
    simulated plots.
    """
    difference = _sensitivity(value - other, temperature, swing)
    if difference is None:
        return UNKNOWN
    slope, r2 = difference
    if not (beyond(abs(slope), limit) and beyond(r2, least_r2)):
        return PASSES
    both = np.isfinite(value) & np.isfinite(other)
    mine = _sensitivity(np.where(both, value, np.nan), temperature, swing)
    its = _sensitivity(np.where(both, other, np.nan), temperature, swing)
    return FAILS if mine and its and abs(mine[0]) > abs(its[0]) else PASSES


def _sensitivity(value: Float, temperature: Float, swing: float) -> tuple[float, float] | None:
    """Slope per degC and r2 without the straight lines of the day; None where it is not known."""
    both = np.isfinite(value) & np.isfinite(temperature)
    if both.sum() < max(ENOUGH_OF_A_DAY * len(value), 4):
        return None
    x, degrees, row = value[both], temperature[both], np.flatnonzero(both).astype(float)
    if beyond(swing, np.ptp(degrees)):
        return None
    x, degrees = _without_line(row, x), _without_line(row, degrees)
    if not beyond(np.abs(x).max(), 1e-9) or not beyond(np.abs(degrees).max(), 1e-9):
        return 0.0, 0.0
    slope = float(degrees @ x / (degrees @ degrees))
    return slope, float((degrees @ x) ** 2 / ((degrees @ degrees) * (x @ x)))


def _without_line(row: Float, value: Float) -> Float:
    slope, start = np.polyfit(row, value, 1)
    return np.asarray(value - (slope * row + start))
