"""Schaap et al. 1997: volumetric water content of forest floor from apparent permittivity.

θ = (0.133 √ε - 0.146)^0.885 [m³/m³].

References: Schaap, de Lange, Heimovaara 1997, Soil Technology 11(2), 147-154, as
Vaz et al. 2013, equation 2b, quotes it. Coefficients read in FDR2soilmoisture, R/eps2theta.R.
Notes: organic layers of forests (litter to humus); below ε = 1.21 the bracket is negative and there
is no value. No uncertainty was at hand.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(5)
array([0.49211])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def _bracket(x: Float, p: Float) -> tuple[Float, Float]:
    root = np.sqrt(positive(x))
    return positive(float(p[0]) * root + float(p[1])), root


def value(x: Float, p: Float) -> Float:
    bracket, _ = _bracket(x, p)
    return np.exp(float(p[2]) * np.log(bracket))


def slope(x: Float, p: Float) -> Float:
    bracket, root = _bracket(x, p)
    return value(x, p) / bracket * (0.5 * float(p[2]) * float(p[0])) / root


def gradient(x: Float, p: Float) -> Float:
    bracket, root = _bracket(x, p)
    y = value(x, p)
    inner = y / bracket * float(p[2])
    return np.stack([inner * root, inner, y * np.log(bracket)])


CURVE = Curve(
    name="schaap_1997",
    parameters={"a": 0.133, "b": -0.146, "exponent": 0.885},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Schaap et al. 1997, Soil Technology 11(2), 147-154",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 60.0),
)
