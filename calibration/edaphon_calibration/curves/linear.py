"""A straight line with the two numbers of a certificate or of a person's own fit.

y = c0 + c1 x [units stated by the calibration].

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector({"c0": -0.12, "c1": 1.004})).round(6)
array([19.96])
"""

from edaphon_calibration.arrays import Float, horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def gradient(x: Float, p: Float) -> Float:
    return powers(x, 2)


CURVE = Curve(
    name="linear",
    parameters={"c0": 0.0, "c1": None},
    value=horner,
    slope=horner_slope,
    gradient=gradient,
    reference="definition",
)
