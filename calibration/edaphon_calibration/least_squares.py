"""Least squares on a curve's own gradient: one step where it is linear in its parameters."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.errors import FitError

__all__ = ["Solution", "centred", "scaled", "solve"]

_STEPS = 60
_CLOSE = 1e-12  # the last step, against the size of what is fitted
_SMALLEST = 1e-10  # singular values against the largest, of columns brought to length 1
_CANCELLED = 1e12  # how much of a variance may cancel when powers of x are centred


class Solution(NamedTuple):
    """Parameters, the inverse of the normal matrix, and what one unit more of each y does."""

    parameters: Float
    spread: Float
    response: Float


def solve(
    model: Callable[[Float], Float],
    gradient: Callable[[Float], Float],
    y: Float,
    start: Float,
    basis: Callable[[Float], Float],
) -> Solution:
    """Gauss and Newton's way from `start` to the least sum of squares; raises FitError.

    `model(p)` gives one number for each y and `gradient(p)` one row for each of them; `basis` makes
    from that gradient the matrix whose columns are steps in p that are told apart well.
    """
    p, left = start, y - model(start)
    for _ in range(_STEPS):
        steps = basis(gradient(p))
        columns = gradient(p) @ steps
        _check_rank(columns)
        way = np.linalg.lstsq(columns, left)[0]
        if np.linalg.norm(columns @ way) <= _CLOSE * (np.linalg.norm(y) + np.linalg.norm(y - left)):
            inverse = np.linalg.pinv(columns)
            spread = steps @ (inverse @ inverse.T) @ steps.T
            return Solution(p, (spread + spread.T) / 2.0, steps @ inverse)
        p, left = _nearer(model, y, p, left, steps @ way)
    raise FitError(f"expected a fit within {_STEPS} steps; give a start nearer to the points")


def scaled(rows: Float) -> Float:
    """A basis that brings every column to length 1."""
    length = np.sqrt((rows * rows).sum(axis=0))
    return np.diag(1.0 / np.where(length > 0.0, length, 1.0))


def centred(x: Float, n: int) -> Float:
    """A basis of 1, x, x² … (n of them) in powers of (x - middle) / half; raises FitError.

    The variance of the highest powers cancels when it is brought back to x: where more than twelve
    digits would go, another zero of x is needed.
    """
    middle, half = float(x.max() + x.min()) / 2.0, float(x.max() - x.min()) / 2.0
    if (1.0 + abs(middle) / half) ** (2 * (n - 1)) > _CANCELLED:
        raise FitError(
            f"expected points that span more of their distance from zero for degree {n - 1}; came "
            f"{x.min():g} to {x.max():g}: subtract a round number from x or lower the degree"
        )
    basis = np.zeros((n, n))
    basis[0, 0] = 1.0
    for k in range(1, n):
        basis[1:, k] = basis[:-1, k - 1] / half
        basis[:, k] -= basis[:, k - 1] * (middle / half)
    return basis


def _nearer(
    model: Callable[[Float], Float], y: Float, p: Float, left: Float, step: Float
) -> tuple[Float, Float]:
    """The whole step or the first half of it that does not lose ground."""
    before = float(left @ left)
    for _ in range(40):
        with np.errstate(all="ignore"):
            after = y - model(p + step)
        if float(after @ after) <= before * (1.0 + 1e-9):
            return p + step, after
        step = step / 2.0
    return p + step, left


def _check_rank(columns: Float) -> None:
    if not np.isfinite(columns).all():
        raise FitError("expected a curve with a slope at every point; give a start nearer to them")
    length = np.sqrt((columns * columns).sum(axis=0))
    if (length == 0.0).any():
        raise FitError("expected every free parameter to matter at some point; one does not")
    sizes = np.linalg.svd(columns / length, compute_uv=False)
    if len(sizes) < columns.shape[1] or sizes[-1] < _SMALLEST * sizes[0]:
        raise FitError(
            "expected points that tell the free parameters apart; these don't: "
            "add points elsewhere or fix a parameter"
        )
