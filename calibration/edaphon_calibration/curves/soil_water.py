"""Water content of soil from its permittivity alone, and back."""

from pathlib import Path

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, positive, powers, reciprocal
from edaphon_calibration.curves.shapes import Functions, curves_of

_TOPP_INVERSE_START = np.array([3.03, 9.3, 146.0, -76.7])

_TOPP_INVERSE_STEPS = 12

_TOPP_INVERSE_SETTLED = 1e-12


def _topp_inverse(x: Float, p: Float) -> Float:
    epsilon = horner(x, _TOPP_INVERSE_START)
    for _ in range(_TOPP_INVERSE_STEPS):
        epsilon = epsilon - (horner(epsilon, p) - x) * reciprocal(horner_slope(epsilon, p))
    return np.where(np.abs(horner(epsilon, p) - x) < _TOPP_INVERSE_SETTLED, epsilon, np.nan)


def _topp_inverse_slope(x: Float, p: Float) -> Float:
    return reciprocal(horner_slope(_topp_inverse(x, p), p))


def _topp_inverse_gradient(x: Float, p: Float) -> Float:
    epsilon = _topp_inverse(x, p)
    return -powers(epsilon, len(p)) * reciprocal(horner_slope(epsilon, p))


def _schaap_bracket(x: Float, p: Float) -> tuple[Float, Float]:
    root = np.sqrt(positive(x))
    return positive(float(p[0]) * root + float(p[1])), root


def _schaap(x: Float, p: Float) -> Float:
    bracket, _ = _schaap_bracket(x, p)
    return np.exp(float(p[2]) * np.log(bracket))


def _schaap_slope(x: Float, p: Float) -> Float:
    bracket, root = _schaap_bracket(x, p)
    return _schaap(x, p) / bracket * (0.5 * float(p[2]) * float(p[0])) / root


def _schaap_gradient(x: Float, p: Float) -> Float:
    bracket, root = _schaap_bracket(x, p)
    y = _schaap(x, p)
    inner = y / bracket * float(p[2])
    return np.stack([inner * root, inner, y * np.log(bracket)])


CURVES = curves_of(
    Path(__file__).with_suffix(".toml"),
    topp_inverse=Functions(_topp_inverse, _topp_inverse_slope, _topp_inverse_gradient),
    schaap=Functions(_schaap, _schaap_slope, _schaap_gradient),
)
