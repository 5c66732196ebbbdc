"""Uncertainty: first-order variances (JCGM 100:2008, 5.1 and 5.2), and draws where they fail.

Random and systematic parts stay apart to the end: the first shrinks in a mean of n values, the
second does not. Left out, because no data sheet can know them: contact between probe and soil,
spread within the soil volume, and the sensor's age where no drift is stated.
"""

from collections.abc import Callable
from math import sqrt

import numpy as np

from edaphon_calibration.arrays import Float

__all__ = ["from_limits", "monte_carlo", "parameter_variance", "random_variance"]


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

    For curves that are `nonlinear` (JCGM 101:2008). Every x meets the same `draws` of the fixed
    seed, so no split changes a bit; x whose draws leave what the curve can give is NaN.

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
