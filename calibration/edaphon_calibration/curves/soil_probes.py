"""Probes for soil moisture as their makers calibrate them: water content or permittivity."""

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, nan_like, powers, reciprocal
from edaphon_calibration.curves.shapes import Functions, curves_of


def _cs616_colder(z: Float) -> Float:
    """Degrees to 20 °C; not finite gives NaN."""
    return nan_like(20.0 - z, z)


def _cs616(x: Float, p: Float, z: Float) -> Float:
    return x + _cs616_colder(z) * horner(x, p)


def _cs616_slope(x: Float, p: Float, z: Float) -> Float:
    return 1.0 + _cs616_colder(z) * horner_slope(x, p)


def _cs616_gradient(x: Float, p: Float, z: Float) -> Float:
    return powers(x, len(p)) * _cs616_colder(z)


def _cs616_in_temperature(x: Float, p: Float, z: Float) -> Float:
    return nan_like(-horner(x, p), z)


def _smt100_parts(x: Float, p: Float) -> tuple[Float, Float]:
    """c and 1/(α c + β)."""
    alpha, beta, _ = p.tolist()
    c = (18000.0 - x) / 5000.0
    return c, reciprocal(alpha * c + beta)


def _smt100(x: Float, p: Float) -> Float:
    c, over = _smt100_parts(x, p)
    return float(p[2]) + c * over


def _smt100_slope(x: Float, p: Float) -> Float:
    c, over = _smt100_parts(x, p)
    return nan_like(over * over * (float(p[1]) / -5000.0), c)


def _smt100_gradient(x: Float, p: Float) -> Float:
    c, over = _smt100_parts(x, p)
    by_beta = -c * over * over
    return np.stack([by_beta * c, by_beta, nan_like(1.0, by_beta)])


_TOMST_AT_C, _TOMST_IN_AIR, _TOMST_IN_WATER = 24.0, 1.91132689118083, 0.64108

_TOMST_WETTER = _TOMST_IN_WATER - _TOMST_IN_AIR


def _tomst_line(x: Float, p: Float) -> tuple[Float, Float]:
    """θ and its slope at R; p are a, b, c."""
    a, b, c = p.tolist()
    return (a * x + b) * x + c, 2.0 * a * x + b


def _tomst_corrected(x: Float, p: Float, z: Float) -> tuple[Float, Float]:
    """R at 24 °C and the degrees to there; NaN where the soil is frozen."""
    cold = _TOMST_AT_C - np.where((z >= 0.0) & (z < np.inf), z, np.nan)
    return x + cold * (_TOMST_IN_AIR + _TOMST_WETTER * _tomst_line(x, p)[0]), cold


def _tomst(x: Float, p: Float, z: Float) -> Float:
    return _tomst_line(_tomst_corrected(x, p, z)[0], p)[0]


def _tomst_slope(x: Float, p: Float, z: Float) -> Float:
    at, cold = _tomst_corrected(x, p, z)
    return _tomst_line(at, p)[1] * (1.0 + cold * _TOMST_WETTER * _tomst_line(x, p)[1])


def _tomst_gradient(x: Float, p: Float, z: Float) -> Float:
    at, cold = _tomst_corrected(x, p, z)
    through = _tomst_line(at, p)[1] * cold * _TOMST_WETTER
    return np.stack([at * at + through * (x * x), at + through * x, 1.0 + through])


def _tomst_in_temperature(x: Float, p: Float, z: Float) -> Float:
    at, _ = _tomst_corrected(x, p, z)
    return -_tomst_line(at, p)[1] * (_TOMST_IN_AIR + _TOMST_WETTER * _tomst_line(x, p)[0])


CURVES = curves_of(
    __file__,
    cs616=Functions(_cs616, _cs616_slope, _cs616_gradient, _cs616_in_temperature),
    smt100=Functions(_smt100, _smt100_slope, _smt100_gradient),
    tomst=Functions(_tomst, _tomst_slope, _tomst_gradient, _tomst_in_temperature),
)
