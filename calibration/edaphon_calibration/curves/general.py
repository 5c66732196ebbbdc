"""General shapes with the numbers of a certificate or of a person's own fit."""

from math import nan

import numpy as np

from edaphon_calibration.arrays import (
    Float,
    Int,
    finite,
    horner,
    horner_slope,
    nan_like,
    positive,
    powers,
    reciprocal,
)
from edaphon_calibration.curves.shapes import Functions, curves_of, no_parameters, scaled


def _offset(x: Float, p: Float) -> Float:
    return finite(x) + float(p[0])


def _offset_gradient(x: Float, p: Float) -> Float:
    return np.stack([nan_like(1.0, x)])


def _with_temperature(x: Float, p: Float, z: Float) -> Float:
    c0, c1, c2, t0, t1, s0, _ = p.tolist()
    x, warmer = finite(x), finite(z - float(p[6]))
    y: Float = c0 + x * (c1 + x * c2) + warmer * (t0 + t1 * x + s0 * warmer)
    return y


def _with_temperature_slope(x: Float, p: Float, z: Float) -> Float:
    warmer = finite(z - float(p[6]))
    return float(p[1]) + 2.0 * float(p[2]) * finite(x) + float(p[4]) * warmer


def _with_temperature_in_temperature(x: Float, p: Float, z: Float) -> Float:
    warmer = finite(z - float(p[6]))
    return float(p[3]) + float(p[4]) * finite(x) + 2.0 * float(p[5]) * warmer


def _with_temperature_gradient(x: Float, p: Float, z: Float) -> Float:
    x, warmer = finite(x), finite(z - float(p[6]))
    one = nan_like(1.0, x + warmer)
    rows = (one, x * one, x * x * one, warmer * one, x * warmer, warmer * warmer * one)
    return np.stack([*rows, -_with_temperature_in_temperature(x, p, z) * one])


def _rational_parts(x: Float, p: Float) -> tuple[Float, Float, Float]:
    """The coefficients below the line, 1 over it, and the value."""
    below = np.concatenate(([1.0], p[3:]))
    over = reciprocal(positive(horner(x, below)))
    return below, over, horner(x, p[:3]) * over


def _rational(x: Float, p: Float) -> Float:
    return _rational_parts(x, p)[2]


def _rational_slope(x: Float, p: Float) -> Float:
    below, over, y = _rational_parts(x, p)
    return (horner_slope(x, p[:3]) - y * horner_slope(x, below)) * over


def _rational_gradient(x: Float, p: Float) -> Float:
    _, over, y = _rational_parts(x, p)
    rows = powers(x, 3) * over
    return np.concatenate([rows, -rows[1:] * y])


_TABLE_MOST = 12


def _table_lines(x: Float, p: Float) -> tuple[Float, Float, Int, Float]:
    """The points' x and y, the number of the line that holds at x, and how far along it x is."""
    n = int(round(float(p[0])))
    xs, ys = p[1 : 2 * _TABLE_MOST : 2][:n], p[2 : 2 * _TABLE_MOST + 1 : 2][:n]
    if not 2 <= n <= _TABLE_MOST or (xs[1:] <= xs[:-1]).any():
        xs, ys = np.array([0.0, 1.0]), np.array([np.nan, np.nan])
    at = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, len(xs) - 2)
    return xs, ys, at, nan_like((x - xs[at]) / (xs[at + 1] - xs[at]), x)


def _table(x: Float, p: Float) -> Float:
    _, ys, at, along = _table_lines(x, p)
    return ys[at] + along * (ys[at + 1] - ys[at])


def _table_slope(x: Float, p: Float) -> Float:
    xs, ys, at, along = _table_lines(x, p)
    return nan_like((ys[at + 1] - ys[at]) / (xs[at + 1] - xs[at]), along)


def _table_gradient(x: Float, p: Float) -> Float:
    _, _, at, along = _table_lines(x, p)
    steep = _table_slope(x, p)
    rows = nan_like(np.zeros((2 * _TABLE_MOST + 1, len(x))), along)
    column = np.arange(len(x))
    for place, share in ((at, 1.0 - along), (at + 1, along)):
        rows[1 + 2 * place, column] = -steep * share
        rows[2 + 2 * place, column] = share
    return rows


def _two_point(x: Float, p: Float) -> Float:
    return _two_point_way(x, p) * float(p[3] - p[2]) + float(p[2])


def _two_point_slope(x: Float, p: Float) -> Float:
    return nan_like(float(p[3] - p[2]) * _two_point_inverse(p), x)


def _two_point_gradient(x: Float, p: Float) -> Float:
    gain, way = float(p[3] - p[2]) * _two_point_inverse(p), _two_point_way(x, p)
    return np.stack([(way - 1.0) * gain, -way * gain, 1.0 - way, way])


def _two_point_way(x: Float, p: Float) -> Float:
    """How far from the low to the high reading x lies: 0 to 1 between them."""
    return (finite(x) - float(p[0])) * _two_point_inverse(p)


def _two_point_inverse(p: Float) -> float:
    span = float(p[1] - p[0])
    return 1.0 / span if span else nan


def _drift(x: Float, p: Float, z: Float) -> Float:
    way, _, rise = _drift_line(x, p, z)
    return way * rise + float(p[4])


def _drift_slope(x: Float, p: Float, z: Float) -> Float:
    _, inverse, rise = _drift_line(x, p, z)
    return nan_like(inverse * rise, x)


def _drift_gradient(x: Float, p: Float, z: Float) -> Float:
    way, inverse, rise = _drift_line(x, p, z)
    zero, span = (way - 1.0) * inverse * rise, -way * inverse * rise
    rows = (zero * (1.0 - z), span * (1.0 - z), zero * z, span * z, 1.0 - way, way)
    return np.stack(rows)


def _drift_slope_second(x: Float, p: Float, z: Float) -> Float:
    way, inverse, rise = _drift_line(x, p, z)
    drift_zero, drift_span = float(p[2] - p[0]), float(p[3] - p[1])
    return ((way - 1.0) * drift_zero - way * drift_span) * inverse * rise


def _drift_line(x: Float, p: Float, z: Float) -> tuple[Float, Float, float]:
    """How far x lies between zero and span, 1 over their distance in raw, and that in true."""
    z = finite(z)
    zero = (1.0 - z) * float(p[0]) + z * float(p[2])
    span = (1.0 - z) * float(p[1]) + z * float(p[3])
    inverse = reciprocal(span - zero)
    return (finite(x) - zero) * inverse, inverse, float(p[5] - p[4])


CURVES = curves_of(
    __file__,
    identity=scaled(lambda p: 1.0, no_parameters),
    offset=Functions(_offset, lambda x, p: nan_like(1.0, x), _offset_gradient),
    with_temperature=Functions(
        _with_temperature,
        _with_temperature_slope,
        _with_temperature_gradient,
        _with_temperature_in_temperature,
    ),
    rational=Functions(_rational, _rational_slope, _rational_gradient),
    table=Functions(_table, _table_slope, _table_gradient),
    two_point=Functions(_two_point, _two_point_slope, _two_point_gradient),
    drift=Functions(_drift, _drift_slope, _drift_gradient, _drift_slope_second),
)
