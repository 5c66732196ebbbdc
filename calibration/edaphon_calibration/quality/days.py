"""Tests of whole days: replicates that part or drift, swings with depth, clocks; NaN is no day."""

import numpy as np

from edaphon_calibration.arrays import Float, Small
from edaphon_calibration.quality.results import (
    ENOUGH_OF_A_DAY,
    FAILS,
    PASSES,
    UNKNOWN,
    beyond,
    results,
)


def replicate(
    a_daily: Float,
    b_daily: Float,
    least: float,
    learn: int = 14,
    need: int = 5,
    u: float = 0.0,
) -> Small:
    """Whether the difference of two neighbours leaves its own usual value.

    `a_daily`, `b_daily` are daily medians. Usual is the median of the good days among the `learn`
    days before, of which `need` must be there; the limit is max(least, 3 u) with `u` the standard
    uncertainty of the difference. A failed day is not learnt, and no day that can't be judged while
    a failed one is within `learn` days: a level that stays off is accepted by a person or late.
    Source: WMO-No. 8, spatial consistency.
    """
    difference = a_daily - b_daily
    out = np.full(len(difference), UNKNOWN, np.int8)
    learnt = np.zeros(len(difference), bool)
    limit = max(least, 3 * u)
    for day in np.flatnonzero(np.isfinite(difference)):
        begin = max(day - learn, 0)
        good = difference[begin:day][learnt[begin:day]]
        if len(good) >= need:
            fails = beyond(abs(difference[day] - np.median(good)), limit)
            out[day] = FAILS if fails else PASSES
        recently_failed = (out[begin:day] == FAILS).any()
        learnt[day] = out[day] == PASSES or (out[day] == UNKNOWN and not recently_failed)
    return out


def amplitude(shallow: Float, deep: Float, factor: float = 0.9, plus: float = 0.2) -> Small:
    """Whether the deeper sensor swings more in a day than factor x shallower + plus [degC].

    `shallow`, `deep` are daily maximum less minimum of temperature [degC]. Source: conduction of
    heat: the amplitude falls by exp(-dz / d), d = sqrt(2 D / omega), 0.08 to 0.15 m for a day.
    """
    known = np.isfinite(shallow) & np.isfinite(deep)
    return results(known, beyond(deep, factor * shallow + plus))


def drift(
    difference_daily: Float,
    limit_per_day: float,
    days: int = 14,
    need: int = 10,
    z: float = 2.58,
) -> Small:
    """Whether a difference of daily medians climbs or falls faster than the limit, and surely so.

    Theil-Sen slope [unit per day] of the last `days` days, Mann-Kendall with continuity correction
    and without ties; a single step is no drift. Source: Sen 1968
    (doi:10.1080/01621459.1968.10480934), Mann 1945 (doi:10.2307/1907187).
    """
    out = np.full(len(difference_daily), UNKNOWN, np.int8)
    for day in range(len(difference_daily)):
        at = np.arange(max(day - days + 1, 0), day + 1)
        at = at[np.isfinite(difference_daily[at])]
        if len(at) >= need and at[-1] == day:
            steep, sure = _trend(at.astype(float), difference_daily[at])
            out[day] = FAILS if beyond(abs(steep), limit_per_day) and sure > z else PASSES
    return out


def _trend(day: Float, value: Float) -> tuple[float, float]:
    """Theil-Sen slope and |z| of Mann-Kendall."""
    first, second = np.triu_indices(len(day), 1)
    change = value[second] - value[first]
    slope = float(np.median(change / (day[second] - day[first])))
    n, score = len(day), float(np.sign(change).sum())
    spread = np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    return slope, max(abs(score) - 1, 0.0) / float(spread)


def daily(day: Float, value: Float, due: int) -> tuple[Float, Float, Float, Float]:
    """Days, medians, minima and maxima of the days that `day` (whole numbers) puts the rows into.

    Days with less than 80 % of the `due` rows are NaN; days without any row between the first and
    the last are there too.
    """
    use = np.isfinite(value)
    if not use.any():
        return (np.zeros(0),) * 4
    days = np.arange(day[use].min(), day[use].max() + 1)
    found = np.full((3, len(days)), np.nan)
    edges = np.searchsorted(day[use], np.append(days, days[-1] + 1))
    for n, (first, last) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        if last - first >= ENOUGH_OF_A_DAY * due:
            rows = value[use][first:last]
            found[:, n] = np.median(rows), rows.min(), rows.max()
    return days, found[0], found[1], found[2]


_MOST_LAG_S = 3 * 3600.0
_FEWEST_PAIRS = 3


def silence(
    last_s: float | None,
    now_s: float,
    interval_s: float,
    allowed_until_s: float | None = None,
    late: float = 2,
    silent: float = 3,
) -> str:
    """Of a channel with its last row at `last_s`: "planned", "on time", "late" or "silent".

    Late is more than `late` intervals, silent more than `silent` (LoRaWAN: 6); up to the very end
    of a declared pause it is planned. Source: QARTOD timing/gap test (doi:10.7289/V5V40SD4).
    """
    if allowed_until_s is not None and now_s <= allowed_until_s:
        return "planned"
    if last_s is None or now_s - last_s > silent * interval_s:
        return "silent"
    return "late" if now_s - last_s > late * interval_s else "on time"


def clock(
    value: Float,
    reference: Float,
    step_s: float,
    limit_s: float = 1800.0,
    need_r: float = 0.9,
) -> tuple[int | None, int]:
    """Lag [s] at which a day of rows is most like the reference's, and the result.

    Rows are `step_s` apart; a lag above zero means that the channel is late. Lags up to 3 h are
    tried; of equally good ones the smallest counts. A correlation below `need_r` is UNKNOWN, a lag
    of `limit_s` or more FAILS. Source: own.
    """
    most = min(int(_MOST_LAG_S // step_s), len(value) - _FEWEST_PAIRS)
    lags = sorted(range(-most, most + 1), key=lambda lag: (abs(lag), lag))
    likeness = [_correlation(value, reference, lag) for lag in lags]
    if not likeness or not max(likeness) >= need_r:
        return None, UNKNOWN
    best = max(range(len(lags)), key=lambda n: (round(likeness[n], 12), -n))
    lag_s = round(lags[best] * step_s)
    return lag_s, FAILS if abs(lag_s) >= limit_s else PASSES


def _correlation(value: Float, reference: Float, lag: int) -> float:
    size = len(value) - abs(lag)
    own, other = value[max(lag, 0) :][:size], reference[max(-lag, 0) :][:size]
    both = np.isfinite(own) & np.isfinite(other)
    own, other = own[both], other[both]
    if len(own) < _FEWEST_PAIRS or np.ptp(own) == 0 or np.ptp(other) == 0:
        return -1.0
    return float(np.corrcoef(own, other)[0, 1])
