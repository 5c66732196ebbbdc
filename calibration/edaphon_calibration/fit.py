"""From the points of a calibration to the parameters of a curve, with covariance and reach.

The result goes into a calibration as it is: curve, parameters, covariance, domain. Everything here
is closed form or Gauss and Newton's method on the curve's exact gradient (JCGM 100:2008, H.3).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, nan, sqrt

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.coverage import coverage_factor, welch_satterthwaite
from edaphon_calibration.curves import Curve
from edaphon_calibration.curves import curve as curve_named
from edaphon_calibration.errors import FitError, suggestion
from edaphon_calibration.least_squares import Solution, centred, scaled, solve
from edaphon_calibration.uncertainty import parameter_variance

__all__ = ["FitResult", "fit_curve", "fit_gravimetric", "fit_polynomial", "fit_two_point"]

Numbers = Sequence[float] | Float


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
        return curve_named(self.curve)

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

    `u_point` is the standard uncertainty of one point beside the others (scatter of the reading,
    of the reference): it stands where there are too few points to show it, and where they show
    less. `u_reference` is one error of all points together (the bath, the gas bottle), for each its
    own size where it says so. `start` is needed for curves that bend in a parameter without a
    default.

    >>> done = fit_curve("offset", [0.12, 0.1, 0.13, 0.11, 0.12], [0.0] * 5, u_reference=0.01)
    >>> round(done.parameters["offset"], 6), round(float(done.uncertainty([0.0])[0]), 6)
    (-0.116, 0.011225)
    """
    found = curve_named(curve_name)
    names = _free(found, tuple(free), fixed or {})
    points = _column(x), _column(y)
    _check_points(found, *points, len(names))
    vector = found.parameter_vector(_beginning(found, names, fixed or {}, start or {}))
    return _fitted(found, names, dict(fixed or {}), vector, *points, u_point, u_reference)


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
    names = curve_named(curve_name).parameters
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


def _solution(found: Curve, places: list[int], vector: Float, x: Float, y: Float) -> Solution:
    def model(p: Float) -> Float:
        return found.value(x, _placed(vector, places, p))

    def gradient(p: Float) -> Float:
        return found.gradient(x, _placed(vector, places, p))[places].T

    powers = found.name == "polynomial" and places == list(range(len(places)))
    basis = partial(_always, centred(x, len(places))) if powers and len(places) > 1 else scaled
    return solve(model, gradient, y, vector[places], basis)


def _always(basis: Float, _rows: Float) -> Float:
    return basis


def _placed(vector: Float, places: list[int], p: Float) -> Float:
    full = vector.copy()
    full[places] = p
    return full


def _free(found: Curve, free: tuple[str, ...], fixed: Mapping[str, float]) -> tuple[str, ...]:
    """The free parameters in the curve's order; raises FitError."""
    for name in (*free, *fixed):
        if name not in found.parameters:
            raise FitError(
                f"curve {found.name}: expected its parameters; came {name!r}"
                + suggestion(name, found.parameters)
            )
    if found.second is not None:
        raise FitError(f"expected a curve of one input; {found.name} takes two")
    wanted = free or tuple(found.parameters)
    names = tuple(n for n in found.parameters if n in wanted and n not in fixed)
    if not names:
        raise FitError(f"curve {found.name}: expected at least one free parameter")
    return names


def _beginning(
    found: Curve, names: Sequence[str], fixed: Mapping[str, float], start: Mapping[str, float]
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
