"""Electrical conductivity of soil and of its water."""

import numpy as np

from edaphon_calibration.arrays import Float, finite, nan_like, positive, reciprocal
from edaphon_calibration.curves.shapes import Functions, curves_of, scaled

_TO_C = 25.0


def _at_25_over(p: Float, z: Float) -> Float:
    return reciprocal(positive(1.0 + float(p[0]) * (z - _TO_C)))


def _at_25_gradient(x: Float, p: Float, z: Float) -> Float:
    over = _at_25_over(p, z)
    return (-(finite(x) * over) * (z - _TO_C) * over)[np.newaxis]


def _at_25_in_temperature(x: Float, p: Float, z: Float) -> Float:
    over = _at_25_over(p, z)
    return -(finite(x) * over) * float(p[0]) * over


_PORE_WATER_PER_DEGREE = -0.37


def _pore_water_factor(p: Float, z: Float) -> tuple[float, Float]:
    """ε_p and 1/(ε_b - ε_0)."""
    offset, temperature = p.tolist()
    return 80.3 + _PORE_WATER_PER_DEGREE * (temperature - 20.0), reciprocal(positive(z - offset))


def _pore_water(x: Float, p: Float, z: Float) -> Float:
    water, over = _pore_water_factor(p, z)
    return water * finite(x) * over


def _pore_water_slope(x: Float, p: Float, z: Float) -> Float:
    water, over = _pore_water_factor(p, z)
    return nan_like(water * over, x)


def _pore_water_gradient(x: Float, p: Float, z: Float) -> Float:
    _, over = _pore_water_factor(p, z)
    return np.stack([_pore_water(x, p, z) * over, _PORE_WATER_PER_DEGREE * finite(x) * over])


def _pore_water_in_permittivity(x: Float, p: Float, z: Float) -> Float:
    _, over = _pore_water_factor(p, z)
    return -_pore_water(x, p, z) * over


CURVES = curves_of(
    __file__,
    at_25=scaled(_at_25_over, _at_25_gradient, _at_25_in_temperature),
    pore_water=Functions(
        _pore_water, _pore_water_slope, _pore_water_gradient, _pore_water_in_permittivity
    ),
)
