"""Campbell CS616 and CS625: the period [µs] brought to 20 °C.

P = P' + (20 - T) (0.526 - 0.052 P' + 0.00136 P'²), T the soil temperature [°C].

References: Campbell Scientific CS616 and CS625 manual, section 6.4 (sample programs, read); four
public copies agree.
Notes: made with a sandy loam of low conductivity, from 10 to 40 °C; the maker asks for an own
correction in finer or saltier soil. It comes before `cs616_quadratic`.

>>> import numpy as np
>>> CURVE.value(np.array([25.0]), CURVE.parameter_vector(), np.array([10.0])).round(3)
array([25.76])
"""

from edaphon_calibration.arrays import Float, horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]

_TO_C = 20.0


def _colder(z: Float) -> Float:
    """Degrees to 20 °C; not finite gives NaN."""
    return _TO_C - z + z * 0.0


def value(x: Float, p: Float, z: Float) -> Float:
    return x + _colder(z) * horner(x, p)


def slope(x: Float, p: Float, z: Float) -> Float:
    return 1.0 + _colder(z) * horner_slope(x, p)


def gradient(x: Float, p: Float, z: Float) -> Float:
    return powers(x, len(p)) * _colder(z)


def slope_in_temperature(x: Float, p: Float, z: Float) -> Float:
    return z * 0.0 - horner(x, p)


CURVE = Curve(
    name="cs616_temperature",
    parameters={"t0": 0.526, "t1": -0.052, "t2": 0.00136},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Campbell Scientific CS616 and CS625 manual, section 6.4",
    from_unit="us",
    to_unit="us",
    quantity="period",
    domain=(14.0, 42.0),
    compensates=("temperature",),
    second=Second("soil_temperature", "degC", slope_in_temperature, (10.0, 40.0)),
)
