"""A quotient of two polynomials with the coefficients of a certificate or of an own fit.

y = (a0 + a1 x + a2 x²) / (1 + b1 x + b2 x²) [units stated by the calibration]; a1 must be
given, any other coefficient that is not given is 0.

Notes: the branch that holds is the one around x = 0, where the denominator is 1; where it is not
above 0 there is no value. The range in which a fit holds belongs to the calibration.

>>> import numpy as np
>>> p = CURVE.parameter_vector({"a0": 1.0, "a1": 2.0, "b1": 0.5})
>>> CURVE.value(np.array([2.0]), p)
array([2.5])
"""

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, positive, powers, reciprocal
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def _parts(x: Float, p: Float) -> tuple[Float, Float, Float]:
    """The coefficients below the line, 1 over it, and the value."""
    below = np.concatenate(([1.0], p[3:]))
    over = reciprocal(positive(horner(x, below)))
    return below, over, horner(x, p[:3]) * over


def value(x: Float, p: Float) -> Float:
    return _parts(x, p)[2]


def slope(x: Float, p: Float) -> Float:
    below, over, y = _parts(x, p)
    return (horner_slope(x, p[:3]) - y * horner_slope(x, below)) * over


def gradient(x: Float, p: Float) -> Float:
    _, over, y = _parts(x, p)
    rows = powers(x, 3) * over
    return np.concatenate([rows, -rows[1:] * y])


CURVE = Curve(
    name="rational",
    parameters={"a0": 0.0, "a1": None, "a2": 0.0, "b1": 0.0, "b2": 0.0},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="definition",
)
