"""The array types and polynomials by Horner's rule, bit-identical however an array is split."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Number: TypeAlias = Float | float
Int = npt.NDArray[np.int64]
Small = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

_FEW = 100  # numbers up to which working in place is slower than making a new array
AT_ONCE = 16384  # numbers that fit into a core's cache with what is made of them


def horner(x: Float, c: Float) -> Float:
    """c[0] + c[1] x + c[2] x² + …, elementwise; not finite in, NaN out.

    >>> horner(np.array([2.0]), np.array([1.0, 0.0, 3.0]))
    array([13.])
    """
    return _horner(x, c.tolist())


def horner_slope(x: Float, c: Float) -> Float:
    """The derivative of `horner` with respect to x, exact.

    >>> horner_slope(np.array([2.0]), np.array([1.0, 0.0, 3.0]))
    array([12.])
    """
    slopes = [k * coefficient for k, coefficient in enumerate(c.tolist())]
    return _horner(x, slopes[1:] or [0.0])


def _horner(x: Float, c: list[float]) -> Float:
    *lower, highest = c
    y: Float = x * 0.0 + highest  # carries a NaN even where there is no coefficient but the first
    into = y if y.size > _FEW else None
    for coefficient in reversed(lower):
        y = np.add(np.multiply(y, x, out=into), coefficient, out=into)
    return y


def powers(x: Float, n: int) -> Float:
    """1, x, x², … as n rows: the derivative of `horner` with respect to each coefficient.

    >>> powers(np.array([2.0]), 3).ravel()
    array([1., 2., 4.])
    """
    rows = np.empty((n, len(x)))
    if n:
        np.add(x * 0.0, 1.0, out=rows[0])
    for k in range(1, n):
        np.multiply(rows[k - 1], x, out=rows[k])
    return rows


def horner_gradient(x: Float, c: Float) -> Float:
    """The derivative of `horner` with respect to each coefficient."""
    return powers(x, len(c))


def finite(x: Float) -> Float:
    """A copy of x with NaN for what is not finite."""
    return nan_like(x, x)


def nan_like(y: Number, x: Float) -> Float:
    """y for each x, NaN where x is not finite.

    >>> nan_like(3.0, np.array([2.0, np.nan]))
    array([ 3., nan])
    """
    return y + x * 0.0


def positive(x: Float) -> Float:
    """x where it is above 0 and finite, else NaN: for logarithms, roots and permittivities.

    >>> positive(np.array([2.0, 0.0]))
    array([ 2., nan])
    """
    return np.where((x > 0.0) & (x < np.inf), x, np.nan)


def reciprocal(x: Float) -> Float:
    """1/x, NaN at the pole.

    >>> reciprocal(np.array([4.0, 0.0]))
    array([0.25,  nan])
    """
    return 1.0 / np.where(x == 0.0, np.nan, x)
