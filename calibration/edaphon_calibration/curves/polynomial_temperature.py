"""A line or parabola that shifts and turns with temperature: a person's own temperature correction.

y = c0 + c1 x + c2 x² + (t0 + t1 x) (T - T0) + s0 (T - T0)² [units stated by the calibration], T the
temperature beside it [°C]. c1 must be given (1 to correct a number that is right at T0), T0 is 20
and any other coefficient 0 unless given.

References: definition. Such corrections are fitted for dielectric probes and ISFETs in most soils
laboratories; none is general, so none is given here.
Notes: the curve has no domain of its own: the range of a fit belongs to the calibration.

>>> import numpy as np
>>> p = CURVE.parameter_vector({"c1": 1.0, "t0": -0.001, "t1": 0.002})
>>> CURVE.value(np.array([0.25, 0.25]), p, np.array([20.0, 30.0])).round(6)
array([0.25 , 0.245])
"""

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]


def value(x: Float, p: Float, z: Float) -> Float:
    c0, c1, c2, t0, t1, s0, _ = p.tolist()
    x, warmer = _finite(x), _finite(z - float(p[6]))
    y: Float = c0 + x * (c1 + x * c2) + warmer * (t0 + t1 * x + s0 * warmer)
    return y


def slope(x: Float, p: Float, z: Float) -> Float:
    warmer = _finite(z - float(p[6]))
    return float(p[1]) + 2.0 * float(p[2]) * _finite(x) + float(p[4]) * warmer


def slope_in_temperature(x: Float, p: Float, z: Float) -> Float:
    warmer = _finite(z - float(p[6]))
    return float(p[3]) + float(p[4]) * _finite(x) + 2.0 * float(p[5]) * warmer


def gradient(x: Float, p: Float, z: Float) -> Float:
    x, warmer = _finite(x), _finite(z - float(p[6]))
    one = (x + warmer) * 0.0 + 1.0
    rows = (one, x * one, x * x * one, warmer * one, x * warmer, warmer * warmer * one)
    return np.stack([*rows, -slope_in_temperature(x, p, z) * one])


def _finite(x: Float) -> Float:
    """NaN for what is not finite."""
    return x + x * 0.0


CURVE = Curve(
    name="polynomial_temperature",
    parameters={
        "c0": 0.0,
        "c1": None,
        "c2": 0.0,
        "t0": 0.0,
        "t1": 0.0,
        "s0": 0.0,
        "temperature_0": 20.0,
    },
    value=value,
    slope=slope,
    gradient=gradient,
    reference="definition",
    compensates=("temperature",),
    second=Second("soil_temperature", "degC", slope_in_temperature),
)
