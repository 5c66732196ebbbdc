"""A polynomial up to degree 6 with the coefficients of a certificate or of a person's own fit.

y = c0 + c1 x + … + c6 x⁶ [units stated by the calibration]; c1 must be given (1 for an offset
alone), any other coefficient that is not given is 0. The curve has no domain of its own: the range
in which a fit holds belongs to the calibration.

>>> import numpy as np
>>> p = CURVE.parameter_vector({"c0": -0.12, "c1": 1.004})
>>> CURVE.value(np.array([20.0]), p).round(6)
array([19.96])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="polynomial",
    parameters={"c0": 0.0, "c1": None, "c2": 0.0, "c3": 0.0, "c4": 0.0, "c5": 0.0, "c6": 0.0},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="definition",
)
