"""First-order uncertainty (JCGM 100:2008, 5.1 and 5.2): the variances that a chain adds up.

Random and systematic parts stay apart to the end: the first shrinks in a mean of n values, the
second does not. Left out, because no data sheet can know them: contact between probe and soil,
spread within the soil volume, and the sensor's age where no drift is stated.
"""

from math import sqrt

import numpy as np

from edaphon_calibration.arrays import Float

__all__ = ["from_limits", "parameter_variance", "random_variance"]


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
