"""Tests of a row by itself, and of what an instrument says of its own state."""

from collections.abc import Collection

import numpy as np

from edaphon_calibration.arrays import Float, Small
from edaphon_calibration.quality.results import beyond, results


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
