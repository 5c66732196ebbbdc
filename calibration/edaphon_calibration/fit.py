"""From the points of a calibration to the parameters of a curve, with covariance and reach.

The result goes into a calibration as it is: curve, parameters, covariance, domain. Everything here
is closed form or Gauss and Newton's method on the curve's exact gradient (JCGM 100:2008, H.3).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.chain import parameter_variance
from edaphon_calibration.curves import Curve, find_curve
from edaphon_calibration.errors import FitError, suggestion
from edaphon_calibration.uncertainty import coverage_factor, welch_satterthwaite

_STEPS = 60
_CLOSE = 1e-12  # the last step, against the size of what is fitted
_SMALLEST = 1e-10  # singular values against the largest, of columns brought to length 1
_CANCELLED = 1e12  # how much of a variance may cancel when powers of x are centred

Numbers = Sequence[float] | Float


class _Solution(NamedTuple):
    """Parameters, the inverse of the normal matrix, and what one unit more of each y does."""

    parameters: Float
    spread: Float
    response: Float


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """A curve through the points of a calibration.

    `covariance` has rows in the order of `parameters`; None where the points alone say nothing of
    their scatter (as many parameters as points, and no `u_point`). `residuals` are y - f(x) and
    `residual_sd` their standard deviation, NaN without degrees of freedom, both in the unit of y.
    `range` is that of x: beyond it the fit is an extrapolation. `shared` is the part of the
    parameters' uncertainty that the reference brought into all points alike.
    """

    curve: str
    parameters: Mapping[str, float]
    covariance: Float | None
    residuals: Float
    residual_sd: float
    dof: float
    range: tuple[float, float]
    n: int
    shared: Float

    def value(self, x: Numbers) -> Float:
        """The fitted curve at x."""
        return self._curve.value(_column(x), self._vector)

    def uncertainty(self, x: Numbers) -> Float:
        """Standard uncertainty of the curve at x, without that of x; NaN without covariance."""
        at = _column(x)
        if self.covariance is None:
            return np.full(len(at), nan)
        return np.sqrt(parameter_variance(self._gradient(at), self.covariance))

    def expanded(self, x: Numbers, level: float = 0.95) -> Float:
        """Half width of the interval around `value(x)`, k from the effective degrees of freedom.

        The scatter has `dof` of them and the reference infinitely many (JCGM 100:2008, G.4.1).
        """
        u, shared = self.uncertainty(x), np.abs(self.shared @ self._gradient(_column(x)))
        scatter = np.sqrt(np.maximum(u * u - shared * shared, 0.0))
        return u * self._factors(scatter, shared, level)

    def _factors(self, scatter: Float, shared: Float, level: float) -> Float:
        if self.covariance is None:
            return np.full(len(scatter), nan)
        pairs = zip(scatter.tolist(), shared.tolist(), strict=True)
        parts = [welch_satterthwaite(pair, (self.dof, inf))[1] for pair in pairs]
        return np.array([coverage_factor(level, dof) for dof in parts])

    @property
    def _curve(self) -> Curve:
        return find_curve(self.curve)

    @property
    def _vector(self) -> Float:
        return self._curve.parameter_vector(self.parameters)

    def _gradient(self, x: Float) -> Float:
        names = list(self._curve.parameters)
        return self._curve.gradient(x, self._vector)[[names.index(n) for n in self.parameters]]


def fit_curve(
    curve_name: str,
    x: Numbers,
    y: Numbers,
    free: Iterable[str] = (),
    fixed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    u_point: float = 0.0,
    u_reference: float | Numbers = 0.0,
) -> FitResult:
    """The curve's `free` parameters (else all) from readings x and true values y; raises FitError.

    `u_point` is the standard uncertainty of one point alone (scatter of the reading,
    of the reference): it counts where there are too few points to show it, and where they show
    less. `u_reference` is one error of all points together (the bath, the gas bottle), for each its
    own size where it says so. `start` is needed for curves that bend in a parameter without a
    default.

    >>> done = fit_curve("offset", [0.12, 0.1, 0.13, 0.11, 0.12], [0.0] * 5, u_reference=0.01)
    >>> round(done.parameters["offset"], 6), round(float(done.uncertainty([0.0])[0]), 6)
    (-0.116, 0.011225)
    """
    found = find_curve(curve_name)
    held = {_own_name(found, name): number for name, number in (fixed or {}).items()}
    names = _free(found, [_own_name(found, name) for name in free], held)
    points = _column(x), _column(y)
    _check_points(found, *points, len(names))
    begin = {found.parameter_name(name): number for name, number in (start or {}).items()}
    vector = found.parameter_vector(_beginning(found, names, held, begin))
    return _fitted(found, names, held, vector, *points, u_point, u_reference)


def fit_polynomial(
    x: Numbers, y: Numbers, degree: int, u_point: float = 0.0, u_reference: float = 0.0
) -> FitResult:
    """Degree 0 (an offset: x + c) to 3; at least 1, 3, 3 and 4 points; raises FitError.

    References: number of points as in the Campbell Scientific CS650 manual, section 8.4.

    >>> line = fit_polynomial([1.0, 2.0, 3.0, 4.0], [2.1, 3.9, 6.1, 7.9], 1)
    >>> {name: round(number, 6) for name, number in line.parameters.items()}
    {'c0': 0.1, 'c1': 1.96}
    """
    if degree not in {0, 1, 2, 3}:
        raise FitError(f"expected a degree of 0, 1, 2 or 3; came {degree!r}")
    if degree == 0:
        return fit_curve("offset", x, y, u_point=u_point, u_reference=u_reference)
    free = [f"c{k}" for k in range(degree + 1)]
    return fit_curve("polynomial", x, y, free, None, None, u_point, u_reference)


def fit_two_point(
    readings: tuple[float, float],
    truths: tuple[float, float],
    u_readings: tuple[float, float] = (0.0, 0.0),
    u_truths: tuple[float, float] = (0.0, 0.0),
    curve_name: str = "two_point",
) -> FitResult:
    """The line through two points, low (or zero gas) first; raises FitError.

    `curve_name` is "two_point" or "zero_span". The four uncertainties are independent: two points
    have no scatter of their own, so without any of them there is no covariance.

    >>> bottle = {"u_truths": (0.0, 5.0), "curve_name": "zero_span"}
    >>> gas = fit_two_point((3.2, 1004.8), (0.0, 998.0), **bottle)
    >>> gas.value([412.7]).round(6), gas.uncertainty([412.7]).round(6)
    (array([408.028155]), array([2.044229]))
    """
    if curve_name not in {"two_point", "zero_span"}:
        raise FitError(f"expected the curve two_point or zero_span; came {curve_name!r}")
    numbers, spread = (*readings, *truths), (*u_readings, *u_truths)
    if not np.isfinite([*numbers, *spread]).all():
        raise FitError(f"expected two finite points; came {readings!r} and {truths!r}")
    if readings[0] == readings[1]:
        raise FitError(f"expected two readings apart; came {readings[0]!r} twice: no span")
    names = find_curve(curve_name).parameters
    known = any(spread)
    return FitResult(
        curve=curve_name,
        parameters=dict(zip(names, map(float, numbers), strict=True)),
        covariance=np.diag(np.square(spread)) if known else None,
        residuals=np.zeros(2),
        residual_sd=nan,
        dof=inf if known else 0,
        range=(float(min(readings)), float(max(readings))),
        n=2,
        shared=np.zeros(4),
    )


def fit_gravimetric(
    curve_name: str,
    x: Numbers,
    gravimetric: Numbers,
    bulk_density: float,
    u_gravimetric: float = 0.0,
    u_bulk_density: float = 0.0,
    free: Iterable[str] = (),
    start: Mapping[str, float] | None = None,
) -> FitResult:
    """Soil of one's own: readings x against water by mass [g/g] and one bulk density [g/cm³].

    θ = w ρ / ρ_w, ρ_w = 1 g/cm³. An error of the bulk density makes all θ wrong by one share, so
    it is common to all points and no number of samples takes it away; that of w is each one's own.

    >>> done = fit_gravimetric("square_root", [4.0, 9.0, 16.0, 25.0], [0.02, 0.1, 0.2, 0.29], 1.3)
    >>> done.value([12.0]).round(3)
    array([0.194])
    """
    if not 0.0 < bulk_density < 3.0:
        raise FitError(f"expected a bulk density from 0 to 3 g/cm**3; came {bulk_density!r}")
    theta = _column(gravimetric) * bulk_density
    common = theta * (u_bulk_density / bulk_density)
    u_point = u_gravimetric * bulk_density
    return fit_curve(curve_name, x, theta, free, None, start, u_point, common)


def _fitted(
    found: Curve,
    names: tuple[str, ...],
    fixed: dict[str, float],
    vector: Float,
    x: Float,
    y: Float,
    u_point: float,
    u_reference: float | Numbers,
) -> FitResult:
    places = [list(found.parameters).index(name) for name in names]
    best = _solution(found, places, vector, x, y)
    full = _placed(vector, places, best.parameters)
    left = y - found.value(x, full)
    dof = len(x) - len(names)
    scatter = sqrt(float(left @ left) / dof) if dof else nan
    of_point, counted = (u_point, inf) if not scatter >= u_point else (scatter, float(dof))
    common, zeros = np.broadcast_to(u_reference, len(x)), np.zeros(len(fixed))
    shared = np.concatenate([best.response @ common, zeros])
    covariance = np.zeros((len(shared), len(shared)))
    covariance[: len(names), : len(names)] = best.spread * of_point**2
    known = dof > 0 or u_point > 0.0
    return FitResult(
        curve=found.name,
        parameters={**dict(zip(names, best.parameters.tolist(), strict=True)), **fixed},
        covariance=covariance + np.outer(shared, shared) if known else None,
        residuals=left,
        residual_sd=scatter,
        dof=counted if known else 0,
        range=(float(x.min()), float(x.max())),
        n=len(x),
        shared=shared,
    )


def _solution(found: Curve, places: list[int], vector: Float, x: Float, y: Float) -> _Solution:
    def model(p: Float) -> Float:
        return found.value(x, _placed(vector, places, p))

    def gradient(p: Float) -> Float:
        return found.gradient(x, _placed(vector, places, p))[places].T

    powers = found.name == "polynomial" and places == list(range(len(places)))
    basis = _centred(x, len(places)) if powers and len(places) > 1 else None
    return _solve(model, gradient, y, vector[places], basis)


def _placed(vector: Float, places: list[int], p: Float) -> Float:
    full = vector.copy()
    full[places] = p
    return full


def _own_name(found: Curve, given: str) -> str:
    name = found.parameter_name(given)
    if name is None:
        raise FitError(
            f"curve {found.name}: expected its parameters; came {given!r}"
            + suggestion(given, found.parameters)
        )
    return name


def _free(found: Curve, free: Sequence[str], fixed: Mapping[str, float]) -> tuple[str, ...]:
    """The free parameters in the curve's order; raises FitError."""
    if found.second is not None:
        raise FitError(f"expected a curve of one input; {found.name} takes two")
    wanted = free or tuple(found.parameters)
    names = tuple(n for n in found.parameters if n in wanted and n not in fixed)
    if not names:
        raise FitError(f"curve {found.name}: expected at least one free parameter")
    return names


def _beginning(
    found: Curve,
    names: Sequence[str],
    fixed: Mapping[str, float],
    start: Mapping[str | None, float],
) -> dict[str, float]:
    """A number for each parameter to begin with: given, else the default, else 1."""
    begin = {name: 1.0 if number is None else number for name, number in found.parameters.items()}
    if found.name == "polynomial":
        begin |= dict.fromkeys(found.parameters, 0.0)
    return {**begin, **{n: start[n] for n in names if n in start}, **fixed}


def _check_points(found: Curve, x: Float, y: Float, free: int) -> None:
    if len(x) != len(y):
        raise FitError(f"expected a true value for each reading; came {len(x)} and {len(y)}")
    for what, column in (("reading", x), ("true value", y)):
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            raise FitError(f"expected finite points; {what} {bad[0] + 1} is {column[bad[0]]}")
    least = free if free == 1 else max(free, 3)
    if len(x) < least:
        two = "; two points alone fit the curve two_point" if len(x) == free == 2 else ""
        raise FitError(
            f"expected at least {least} points for {free} free parameters of {found.name}; "
            f"came {len(x)}{two}"
        )
    apart = len(np.unique(x))
    if apart < free:
        span = "they have no span" if apart == 1 else f"only {apart} of {len(x)} differ"
        raise FitError(f"expected {free} different readings for {found.name}; {span}")


def _column(numbers: Numbers) -> Float:
    column = np.array(numbers, np.float64)
    if column.ndim != 1:
        raise FitError(f"expected a row of numbers; came {column.ndim} dimensions")
    return column


def _solve(
    model: Callable[[Float], Float],
    gradient: Callable[[Float], Float],
    y: Float,
    start: Float,
    basis: Float | None,
) -> _Solution:
    """Gauss and Newton's way from `start` to the least sum of squares; raises FitError.

    `model(p)` gives one number for each y and `gradient(p)` one row for each of them; the columns
    of `basis` are steps in p that differ well, without it each parameter alone.
    """
    p, left = start, y - model(start)
    for _ in range(_STEPS):
        rows = gradient(p)
        steps = _scaled(rows) if basis is None else basis
        columns = rows @ steps
        _check_rank(columns)
        way = np.linalg.lstsq(columns, left)[0]
        if np.linalg.norm(columns @ way) <= _CLOSE * (np.linalg.norm(y) + np.linalg.norm(y - left)):
            inverse = np.linalg.pinv(columns)
            spread = steps @ (inverse @ inverse.T) @ steps.T
            return _Solution(p, (spread + spread.T) / 2.0, steps @ inverse)
        p, left = _nearer(model, y, p, left, steps @ way)
    raise FitError(f"expected a fit within {_STEPS} steps; give a start nearer to the points")


def _scaled(rows: Float) -> Float:
    """A basis that brings every column to length 1."""
    length = np.sqrt((rows * rows).sum(axis=0))
    return np.diag(1.0 / np.where(length > 0.0, length, 1.0))


def _centred(x: Float, n: int) -> Float:
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
            "expected points that separate the free parameters; these don't: "
            "add points elsewhere or fix a parameter"
        )
