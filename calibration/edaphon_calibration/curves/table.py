"""A table of up to twelve points with straight lines between them.

y is interpolated between (x1, y1), (x2, y2), … [units stated by the calibration]; `points` says how
many of them hold, and x must rise. The first and the last line go on beyond the table: the range
in which it holds belongs to the calibration.

>>> import numpy as np
>>> points = {"points": 3, "x1": 0, "y1": 1, "x2": 2, "y2": 5, "x3": 4, "y3": 6}
>>> CURVE.value(np.array([1.0, 3.0]), CURVE.parameter_vector(points))
array([3. , 5.5])
"""

import numpy as np

from edaphon_calibration.arrays import Float, Int
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

_MOST = 12


def _lines(x: Float, p: Float) -> tuple[Float, Float, Int, Float]:
    """The points' x and y, the number of the line that holds at x, and how far along it x is."""
    n = int(round(float(p[0])))
    xs, ys = p[1 : 2 * _MOST : 2][:n], p[2 : 2 * _MOST + 1 : 2][:n]
    if not 2 <= n <= _MOST or (xs[1:] <= xs[:-1]).any():
        xs, ys = np.array([0.0, 1.0]), np.array([np.nan, np.nan])
    at = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, len(xs) - 2)
    return xs, ys, at, (x - xs[at]) / (xs[at + 1] - xs[at]) + x * 0.0


def value(x: Float, p: Float) -> Float:
    _, ys, at, along = _lines(x, p)
    return ys[at] + along * (ys[at + 1] - ys[at])


def slope(x: Float, p: Float) -> Float:
    xs, ys, at, along = _lines(x, p)
    return (ys[at + 1] - ys[at]) / (xs[at + 1] - xs[at]) + along * 0.0


def gradient(x: Float, p: Float) -> Float:
    _, _, at, along = _lines(x, p)
    steep = slope(x, p)
    rows = np.zeros((2 * _MOST + 1, len(x))) + along * 0.0
    column = np.arange(len(x))
    for place, share in ((at, 1.0 - along), (at + 1, along)):
        rows[1 + 2 * place, column] = -steep * share
        rows[2 + 2 * place, column] = share
    return rows


CURVE = Curve(
    name="table",
    parameters={
        "points": None,
        **{f"{axis}{k}": None if k <= 2 else 0.0 for k in range(1, _MOST + 1) for axis in "xy"},
    },
    value=value,
    slope=slope,
    gradient=gradient,
    reference="definition",
)
