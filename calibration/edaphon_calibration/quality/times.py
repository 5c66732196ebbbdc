"""Tests of time itself: is a channel silent, does its clock agree with a reference."""

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.quality.results import FAILS, PASSES, UNKNOWN

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
