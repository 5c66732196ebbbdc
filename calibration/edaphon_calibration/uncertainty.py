"""Uncertainty: first-order variances (JCGM 100:2008, 5.1 and 5.2), and draws where they fail.

Random and systematic parts stay apart to the end: the first shrinks in a mean of n values, the
second does not. Left out, because no data sheet can know them: contact between probe and soil,
spread within the soil volume, and the sensor's age where no drift is stated.
"""

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Float

__all__ = [
    "FieldCheck",
    "from_limits",
    "monte_carlo",
    "parameter_variance",
    "random_variance",
    "widened",
]

_COVERAGE = 2.0  # the k of the expanded uncertainties in an E_n number


def from_limits(half_width: float) -> float:
    """The standard uncertainty of a maker's "± a": rectangular, a/√3 (JCGM 100:2008, 4.3.7).

    >>> round(from_limits(0.03), 5)
    0.01732
    """
    return half_width / sqrt(3.0)


def random_variance(repeatability: float, resolution: float) -> float:
    """Scatter of repeated readings plus rounding to the resolution (JCGM 100:2008, F.2.2.1).

    >>> round(sqrt(random_variance(0.0, 0.1)), 5)
    0.02887
    """
    return repeatability * repeatability + resolution * resolution / 12.0


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


def parameter_variance(gradient: Float, covariance: Float) -> Float:
    """g' C g for each column g, written out in a fixed order so that no split changes a bit.

    >>> parameter_variance(np.array([[1.0], [2.0]]), np.array([[4.0, -1.0], [-1.0, 1.0]]))
    array([4.])
    """
    total = np.zeros(gradient.shape[1])
    for i, (row, own) in enumerate(zip(gradient, covariance.tolist(), strict=True)):
        if own[i] == 0.0:
            continue  # a parameter that is known exactly: its covariances are 0 too
        part = row * own[i]
        for j in range(i):
            if own[j] != 0.0:
                part += gradient[j] * (2.0 * own[j])
        part *= row
        total += part
    # rounding can leave a tiny negative sum where parameters are strongly correlated
    return np.maximum(total, 0.0)


def monte_carlo(
    value: Callable[..., Float],
    x: Float,
    u: Float | float,
    p: Float,
    covariance: Float | None = None,
    z: Float | None = None,
    u_z: Float | float = 0.0,
    draws: int = 20_000,
    seed: int = 20080101,
) -> tuple[Float, Float]:
    """Mean and standard uncertainty of value(x, p[, z]) for each x, all errors normal.

    Plain draws (JCGM 101:2008), for work by hand and to check what a chain gives for a `nonlinear`
    curve with fewer, chosen ones (`scores`). Every x meets the same `draws` of the fixed seed, so
    no split changes a bit; x whose draws leave what the curve can give is NaN.

    >>> mean, u = monte_carlo(lambda x, p: x * x, np.array([0.0]), 1.0, np.empty(0), draws=5000)
    >>> mean.round(1), u.round(1)
    (array([1.]), array([1.4]))
    """
    rng = np.random.default_rng(seed)
    errors = rng.standard_normal((draws, 2)).tolist()
    drawn = np.broadcast_to(p, (draws, len(p)))
    if covariance is not None:
        drawn = rng.multivariate_normal(p, covariance, draws)
    mean, squares = np.zeros(len(x)), np.zeros(len(x))
    for k, ((of_x, of_z), parameters) in enumerate(zip(errors, drawn, strict=True), 1):
        second = () if z is None else (z + u_z * of_z,)
        y = value(x + u * of_x, parameters, *second)
        step = y - mean
        mean += step / k
        squares += step * (y - mean)
    return mean, np.sqrt(squares / (draws - 1))
