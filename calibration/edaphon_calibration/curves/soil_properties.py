"""Water content of soil with its density, porosity or texture, and the permittivity of water."""

from pathlib import Path

import numpy as np

from edaphon_calibration.arrays import (
    Float,
    finite,
    horner,
    horner_slope,
    nan_like,
    positive,
    powers,
)
from edaphon_calibration.curves.shapes import Functions, curves_of

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


def _gravimetric(x: Float, p: Float) -> Float:
    return finite(x) * float(p[0] / p[1])


def _gravimetric_slope(x: Float, p: Float) -> Float:
    return nan_like(float(p[0] / p[1]), x)


def _gravimetric_gradient(x: Float, p: Float) -> Float:
    return np.stack([finite(x) / float(p[1]), -_gravimetric(x, p) / float(p[1])])


CURVES = curves_of(
    Path(__file__).with_suffix(".toml"),
    jacobsen=Functions(_jacobsen, _jacobsen_slope, _jacobsen_gradient),
    zhao=Functions(_zhao, _zhao_slope, _zhao_gradient),
    crim=Functions(_crim, _crim_slope, _crim_gradient),
    water=Functions(_water, _water_slope, _water_gradient),
    gravimetric=Functions(_gravimetric, _gravimetric_slope, _gravimetric_gradient),
)
