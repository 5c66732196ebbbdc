"""TOMST TMS-4: volumetric water content from raw counts, corrected for temperature.

θ(R) = a R² + b R + c [m³/m³] with R + (24 - T) (1.91133 + (0.64108 - 1.91133) θ(R)) in place of R,
T the soil temperature [°C].

References: Wild et al. 2019, Agricultural and Forest Meteorology 268, 40-47,
doi:10.1016/j.agrformet.2018.12.018; Kopecký et al. 2021, Science of the Total Environment 757,
143785, doi:10.1016/j.scitotenv.2020.143785; computed like myClim, mc_calc_vwc.
Notes: a, b and c are of the maker's soil class; the default is "universal". In frozen soil (T < 0)
there is no value. myClim clips to 0 to 1; here nothing is clipped and the domain, air to water,
tells. The drift of 1.911 counts/°C in air and 0.641 in water is the same for all classes.

>>> import numpy as np
>>> CURVE.value(np.array([1500.0]), CURVE.parameter_vector(), np.array([5.0])).round(6)
array([0.193044])
"""

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]

_AT_C, _IN_AIR, _IN_WATER = 24.0, 1.91132689118083, 0.64108
_WETTER = _IN_WATER - _IN_AIR


def _line(x: Float, p: Float) -> tuple[Float, Float]:
    """θ and its slope at R; p are a, b, c."""
    a, b, c = p.tolist()
    return (a * x + b) * x + c, 2.0 * a * x + b


def _corrected(x: Float, p: Float, z: Float) -> tuple[Float, Float]:
    """R at 24 °C and the degrees to there; NaN where the soil is frozen."""
    cold = _AT_C - np.where((z >= 0.0) & (z < np.inf), z, np.nan)
    return x + cold * (_IN_AIR + _WETTER * _line(x, p)[0]), cold


def value(x: Float, p: Float, z: Float) -> Float:
    return _line(_corrected(x, p, z)[0], p)[0]


def slope(x: Float, p: Float, z: Float) -> Float:
    at, cold = _corrected(x, p, z)
    return _line(at, p)[1] * (1.0 + cold * _WETTER * _line(x, p)[1])


def gradient(x: Float, p: Float, z: Float) -> Float:
    at, cold = _corrected(x, p, z)
    through = _line(at, p)[1] * cold * _WETTER
    return np.stack([at * at + through * (x * x), at + through * x, 1.0 + through])


def slope_in_temperature(x: Float, p: Float, z: Float) -> Float:
    at, _ = _corrected(x, p, z)
    return -_line(at, p)[1] * (_IN_AIR + _WETTER * _line(x, p)[0])


CURVE = Curve(
    name="tomst_tms",
    parameters={"a": -1.34e-8, "b": 2.49622e-4, "c": -0.157888813},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Wild et al. 2019, doi:10.1016/j.agrformet.2018.12.018",
    from_unit="count",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(655.0, 3634.0),
    compensates=("temperature",),
    second=Second("soil_temperature", "degC", slope_in_temperature, (0.0, 60.0)),
)
