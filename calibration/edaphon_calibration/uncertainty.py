"""Standard uncertainty from limits, after a check in the field, and expanded to an interval."""

from collections.abc import Sequence
from math import atan, cos, floor, inf, isfinite, nan, pi, sin, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.errors import ParameterError

_COVERAGE = 2.0  # the k of the expanded uncertainties in an E_n number


def from_limits(half_width: float) -> float:
    """The standard uncertainty of a maker's "± a": rectangular, a/√3 (JCGM 100:2008, 4.3.7).

    >>> round(from_limits(0.03), 5)
    0.01732
    """
    return half_width / sqrt(3.0)


class FieldCheck(NamedTuple):
    """A comparison at the place of the sensor, both in the unit of the values it is used for.

    `deviation` is instrument minus reference; `u` is the standard uncertainty of the reference,
    with what lies between the two: placement, soil, time.
    """

    deviation: float
    u: float


def widened(u_systematic: Float, check: FieldCheck) -> Float:
    """The systematic uncertainty after a check in the field; NaN stays NaN.

    Where |d| <= 2 √(u_systematic² + u²), an E_n number of at most 1 with k = 2, the check confirms
    and nothing changes. Elsewhere it is √(u_systematic² + d²): a deviation that is known and not
    corrected is part of the uncertainty.

    References: E_n: ISO/IEC 17043 and ISO 13528. JCGM 100:2008, 6.3.1 NOTE and F.2.4.5. Root sum of
    squares with the deviation: "About not Correcting for Systematic Effects", Measurement Science
    Review 2019, doi:10.2478/msr-2019-0026.
    Notes: the GUM asks for a correction and wants enlarging avoided; where it lets one correction
    stand for a range (F.2.4.5), it adds the variance of what is left. This rule takes from there
    only that what is left uncorrected counts as a variance, and here all of d is left: one check
    does not say if it is an offset, a gain or the place. It is the root mean square error to
    be expected, not a standard uncertainty of the best estimate: who trusts d should correct by a
    calibration. The uncertainty of the reference decides if d is real and is not added again.

    >>> widened(np.array([0.02, 0.03, np.nan]), FieldCheck(deviation=-0.06, u=0.01)).round(4)
    array([0.0632, 0.03  ,    nan])
    """
    d, u = check
    confirmed = abs(d) <= _COVERAGE * np.sqrt(u_systematic * u_systematic + u * u)
    return np.where(confirmed, u_systematic, np.sqrt(u_systematic * u_systematic + d * d))


_MANY = 10_000  # degrees of freedom from which t is the normal distribution to four digits


def welch_satterthwaite(u: Sequence[float], dof: Sequence[float]) -> tuple[float, float]:
    """Combined standard uncertainty and its effective degrees of freedom (JCGM 100:2008, G.4.1).

    A component known from data sheets has `inf` degrees of freedom.

    >>> uc, nu = welch_satterthwaite([0.02, 0.03], [4, 9])
    >>> round(uc, 6), round(nu, 6)
    (0.036056, 13.0)
    """
    if len(u) != len(dof) or not u:
        raise ParameterError(
            f"expected for each uncertainty its degrees of freedom; came {len(u)} and {len(dof)}"
        )
    if any(part < 0.0 for part in u) or any(not nu > 0.0 for nu in dof):
        raise ParameterError("expected uncertainties >= 0 and degrees of freedom > 0")
    combined = sqrt(sum(part * part for part in u))
    share = sum(part**4 / nu for part, nu in zip(u, dof, strict=True) if isfinite(nu))
    return combined, combined**4 / share if share else inf


def coverage_factor(level: float, dof: float) -> float:
    """k for an interval that holds with probability `level`: two-sided t (JCGM 100:2008, G.3).

    Degrees of freedom that are no whole number count as the next lower one; below 1 there is no
    interval, which is NaN.

    >>> round(coverage_factor(0.95, 9.8), 2), round(coverage_factor(0.95, inf), 2)
    (2.26, 1.96)
    """
    if not 0.0 < level < 1.0:
        raise ParameterError(f"expected a level between 0 and 1; came {level!r}")
    if not dof >= 1.0:
        return nan
    if dof >= _MANY:
        return NormalDist().inv_cdf(0.5 + level / 2.0)
    whole = floor(dof)
    low, high = 0.0, 1.0
    while _within(high, whole) < level:
        high *= 2.0
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _within(middle, whole) < level else (low, middle)
    return high


def _within(t: float, dof: int) -> float:
    """P(|T| <= t): Abramowitz and Stegun 1964, 26.7.3 and 26.7.4."""
    angle = atan(t / sqrt(dof))
    square, odd = cos(angle) ** 2, dof % 2
    if dof == 1:
        return 2.0 * angle / pi
    term, total = (cos(angle), cos(angle)) if odd else (1.0, 1.0)
    for k in range(2 if odd else 1, dof - 2, 2):
        term *= square * k / (k + 1)
        total += term
    return 2.0 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
