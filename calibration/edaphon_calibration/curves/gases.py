"""Infrared gas analysers: density of the gas they measured, and its water vapour."""

import numpy as np

from edaphon_calibration.arrays import Float, finite, positive, reciprocal
from edaphon_calibration.curves import ICE_K
from edaphon_calibration.curves.shapes import curves_of, no_parameters, scaled

_P0_KPA, _T0_C, _T0_K = 101.3, 25.0, 298.15


def _ideal_factor(p: Float) -> float:
    return float(_P0_KPA / p[0] * (p[1] + ICE_K) / _T0_K)


def _ideal_gradient(x: Float, p: Float) -> Float:
    per_pressure = -(finite(x) * _ideal_factor(p)) / p[0]
    per_temperature = finite(x) * (_P0_KPA / p[0] / _T0_K)
    return np.stack([per_pressure, per_temperature])


def _ndir_factor(p: Float, z: Float) -> Float:
    return _P0_KPA / positive(z) * (float(p[0] + ICE_K) / _T0_K)


def _ndir_gradient(x: Float, p: Float, z: Float) -> Float:
    return np.stack([finite(x) * (_P0_KPA / positive(z) / _T0_K)])


def _ndir_slope_second(x: Float, p: Float, z: Float) -> Float:
    return -(finite(x) * _ndir_factor(p, z)) / positive(z)


def _gmp343_factor(p: Float, z: Float) -> Float:
    temperature, per_degree, per_kpa = p.tolist()
    error = per_degree * (temperature - _T0_C) + per_kpa * (finite(z) - _P0_KPA)
    return reciprocal(1.0 + error)


def _gmp343_gradient(x: Float, p: Float, z: Float) -> Float:
    temperature, per_degree, _ = p.tolist()
    factor = _gmp343_factor(p, z)
    parts = (per_degree, temperature - _T0_C, z - _P0_KPA)
    return np.stack([-(finite(x) * factor) * factor * part for part in parts])


def _gmp343_slope_second(x: Float, p: Float, z: Float) -> Float:
    factor = _gmp343_factor(p, z)
    return -(finite(x) * factor) * factor * float(p[2])


def _dry_factor(p: Float, z: Float) -> Float:
    """1 over the share of dry air, NaN where there is none."""
    return reciprocal(positive(1.0 - z * 1e-3))


def _dry_slope_second(x: Float, p: Float, z: Float) -> Float:
    factor = _dry_factor(p, z)
    return finite(x) * factor * factor * 1e-3


CURVES = curves_of(
    __file__,
    ideal=scaled(_ideal_factor, _ideal_gradient),
    ndir=scaled(_ndir_factor, _ndir_gradient, _ndir_slope_second),
    gmp343=scaled(_gmp343_factor, _gmp343_gradient, _gmp343_slope_second),
    dry=scaled(_dry_factor, no_parameters, _dry_slope_second),
)
