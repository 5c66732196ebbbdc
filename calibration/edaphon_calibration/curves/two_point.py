"""A straight line through two comparisons: ice and warm bath, dry and wet, two buffers.

y = true_low + (x - reading_low) (true_high - true_low) / (reading_high - reading_low)
[units stated by the calibration].

References: definition.
Notes: the parameters are what a certificate prints, so their covariance is what it states: usually
the squares of four uncertainties. Beyond the two points the uncertainty grows with the distance.
Two equal readings give no number.

>>> import numpy as np
>>> bath = {"reading_low": 0.12, "reading_high": 40.52, "true_low": 0.0, "true_high": 40.0}
>>> CURVE.value(np.array([20.32]), CURVE.parameter_vector(bath)).round(9)
array([20.])
"""

from math import nan

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE", "gradient", "slope", "value"]


def value(x: Float, p: Float) -> Float:
    return _way(x, p) * float(p[3] - p[2]) + float(p[2])


def slope(x: Float, p: Float) -> Float:
    return x * 0.0 + float(p[3] - p[2]) * _inverse(p)


def gradient(x: Float, p: Float) -> Float:
    gain, way = float(p[3] - p[2]) * _inverse(p), _way(x, p)
    return np.stack([(way - 1.0) * gain, -way * gain, 1.0 - way, way])


def _way(x: Float, p: Float) -> Float:
    """How far from the low to the high reading x lies: 0 to 1 between them."""
    return (x + x * 0.0 - float(p[0])) * _inverse(p)


def _inverse(p: Float) -> float:
    span = float(p[1] - p[0])
    return 1.0 / span if span else nan


CURVE = Curve(
    name="two_point",
    parameters={"reading_low": None, "reading_high": None, "true_low": None, "true_high": None},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="definition",
)
