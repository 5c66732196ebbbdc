"""Infrared gas analysers: density of the gas they measured, and its water vapour."""

import numpy as np

from edaphon_calibration.arrays import Float, finite, nan_like, positive, reciprocal
from edaphon_calibration.curves.definition import ICE_K
from edaphon_calibration.curves.shapes import Functions, curves_of, no_parameters

_P0_KPA, _T0_C, _T0_K = 101.3, 25.0, 298.15


def _ideal(x: Float, p: Float) -> Float:
    return finite(x) * _ideal_factor(p)


def _ideal_slope(x: Float, p: Float) -> Float:
    return np.full_like(x, _ideal_factor(p)) + (finite(x) - x)


def _ideal_gradient(x: Float, p: Float) -> Float:
    per_pressure = -_ideal(x, p) / p[0]
    per_temperature = finite(x) * (_P0_KPA / p[0] / _T0_K)
    return np.stack([per_pressure, per_temperature])


def _ideal_factor(p: Float) -> float:
    return float(_P0_KPA / p[0] * (p[1] + ICE_K) / _T0_K)


def _ndir(x: Float, p: Float, z: Float) -> Float:
    return finite(x) * _ndir_factor(p, z)


def _ndir_slope(x: Float, p: Float, z: Float) -> Float:
    return nan_like(_ndir_factor(p, z), x)


def _ndir_gradient(x: Float, p: Float, z: Float) -> Float:
    return np.stack([finite(x) * (_P0_KPA / positive(z) / _T0_K)])


def _ndir_slope_second(x: Float, p: Float, z: Float) -> Float:
    return -_ndir(x, p, z) / positive(z)


def _ndir_factor(p: Float, z: Float) -> Float:
    return _P0_KPA / positive(z) * (float(p[0] + ICE_K) / _T0_K)


def _gmp343(x: Float, p: Float, z: Float) -> Float:
    return finite(x) * _gmp343_factor(p, z)


def _gmp343_slope(x: Float, p: Float, z: Float) -> Float:
    return nan_like(_gmp343_factor(p, z), x)


def _gmp343_gradient(x: Float, p: Float, z: Float) -> Float:
    temperature, per_degree, _ = p.tolist()
    falling = -_gmp343(x, p, z) * _gmp343_factor(p, z)
    parts = (per_degree, temperature - _T0_C, z - _P0_KPA)
    return np.stack([falling * part for part in parts])


def _gmp343_slope_second(x: Float, p: Float, z: Float) -> Float:
    return -_gmp343(x, p, z) * _gmp343_factor(p, z) * float(p[2])


def _gmp343_factor(p: Float, z: Float) -> Float:
    temperature, per_degree, per_kpa = p.tolist()
    error = per_degree * (temperature - _T0_C) + per_kpa * (finite(z) - _P0_KPA)
    return reciprocal(1.0 + error)


def _dry(x: Float, p: Float, z: Float) -> Float:
    return finite(x) * _dry_factor(z)


def _dry_slope(x: Float, p: Float, z: Float) -> Float:
    return nan_like(_dry_factor(z), x)


def _dry_slope_second(x: Float, p: Float, z: Float) -> Float:
    return _dry(x, p, z) * _dry_factor(z) * 1e-3


def _dry_factor(z: Float) -> Float:
    """1 over the share of dry air, NaN where there is none."""
    return reciprocal(positive(1.0 - z * 1e-3))


CURVES = curves_of(
    __file__,
    ideal=Functions(_ideal, _ideal_slope, _ideal_gradient),
    ndir=Functions(_ndir, _ndir_slope, _ndir_gradient, _ndir_slope_second),
    gmp343=Functions(_gmp343, _gmp343_slope, _gmp343_gradient, _gmp343_slope_second),
    dry=Functions(_dry, _dry_slope, no_parameters, _dry_slope_second),
)
