"""Water content of soil from permittivity, density and texture, and the permittivity of water."""

import numpy as np

from edaphon_calibration.arrays import (
    Float,
    finite,
    horner,
    horner_slope,
    positive,
    powers,
    reciprocal,
)
from edaphon_calibration.curves.shapes import Functions, curves_of, scaled

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


_JACOBSEN_CUBIC = np.array([-3.41e-2, 3.45e-2, -11.4e-4, 17.1e-6])

_JACOBSEN_PER_DENSITY, _JACOBSEN_PER_CLAY, _JACOBSEN_PER_ORGANIC = -3.7e-2, 7.36e-4, 47.7e-4


def _jacobsen(x: Float, p: Float) -> Float:
    density, clay, organic = p.tolist()
    soil: float = (
        _JACOBSEN_PER_DENSITY * density
        + _JACOBSEN_PER_CLAY * clay
        + _JACOBSEN_PER_ORGANIC * organic
    )
    return horner(x, _JACOBSEN_CUBIC) + soil


def _jacobsen_slope(x: Float, p: Float) -> Float:
    return horner_slope(x, _JACOBSEN_CUBIC)


def _jacobsen_gradient(x: Float, p: Float) -> Float:
    one = powers(x, 1)[0]
    return np.stack(
        [one * _JACOBSEN_PER_DENSITY, one * _JACOBSEN_PER_CLAY, one * _JACOBSEN_PER_ORGANIC]
    )


def _zhao_parts(x: Float, p: Float) -> tuple[Float, Float, Float]:
    """Above and below the line, and √ε; NaN beyond the pole."""
    density = float(p[0])
    root = np.sqrt(positive(x))
    below = (18.0283 * density - 17.9531) + (1.8351 - 0.6806 * density) * root
    return (0.3039 * density - 2.1851) + root, positive(below), root


def _zhao(x: Float, p: Float) -> Float:
    above, below, _ = _zhao_parts(x, p)
    return above / below


def _zhao_slope(x: Float, p: Float) -> Float:
    above, below, root = _zhao_parts(x, p)
    per_root = (1.0 - above / below * (1.8351 - 0.6806 * float(p[0]))) / below
    return per_root * 0.5 / root


def _zhao_gradient(x: Float, p: Float) -> Float:
    above, below, root = _zhao_parts(x, p)
    row = (0.3039 - above / below * (18.0283 - 0.6806 * root)) / below
    return row[np.newaxis]


def _crim(x: Float, p: Float) -> Float:
    n, solid, water, air = _crim_roots(p)
    return (np.sqrt(positive(x)) - (1.0 - n) * solid - n * air) / (water - air)


def _crim_slope(x: Float, p: Float) -> Float:
    _, _, water, air = _crim_roots(p)
    return 0.5 / (np.sqrt(positive(x)) * (water - air))


def _crim_gradient(x: Float, p: Float) -> Float:
    n, solid, water, air = _crim_roots(p)
    wide = (water - air) or float("nan")
    y = _crim(x, p)
    even = y * 0.0
    return np.stack(
        [
            even + (solid - air) / wide,
            even - (1.0 - n) * 0.5 / solid / wide,
            -y / wide * (0.5 / water),
            (y - n) / wide * (0.5 / air),
        ]
    )


def _crim_roots(p: Float) -> tuple[float, float, float, float]:
    """Porosity and √ε of solids, water and air; NaN where a permittivity is not above 0."""
    solid, water, air = np.sqrt(positive(p[1:])).tolist()
    return float(p[0]), solid, water, air


_WATER_AT_C = 25.0


def _water_ratio(x: Float, p: Float) -> tuple[Float, Float]:
    d = x - _WATER_AT_C
    c = np.concatenate(([1.0], p[1:]))
    return horner(d, c), horner_slope(d, c)


def _water(x: Float, p: Float) -> Float:
    return float(p[0]) * _water_ratio(x, p)[0]


def _water_slope(x: Float, p: Float) -> Float:
    return float(p[0]) * _water_ratio(x, p)[1]


def _water_gradient(x: Float, p: Float) -> Float:
    rows = powers(x - _WATER_AT_C, len(p)) * float(p[0])
    rows[0] = _water_ratio(x, p)[0]
    return rows


def _per_mass(p: Float) -> float:
    return float(p[0] / p[1])


def _gravimetric_gradient(x: Float, p: Float) -> Float:
    by_density = finite(x) / float(p[1])
    return np.stack([by_density, -(finite(x) * _per_mass(p)) / float(p[1])])


CURVES = curves_of(
    __file__,
    topp_inverse=Functions(_topp_inverse, _topp_inverse_slope, _topp_inverse_gradient),
    schaap=Functions(_schaap, _schaap_slope, _schaap_gradient),
    jacobsen=Functions(_jacobsen, _jacobsen_slope, _jacobsen_gradient),
    zhao=Functions(_zhao, _zhao_slope, _zhao_gradient),
    crim=Functions(_crim, _crim_slope, _crim_gradient),
    water=Functions(_water, _water_slope, _water_gradient),
    gravimetric=scaled(_per_mass, _gravimetric_gradient),
)
