"""Through one step: the value, both uncertainties behind it, and where an input left the domain."""

from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Number
from edaphon_calibration.scores import correlated, drawn_variance, draws
from edaphon_calibration.steps import SecondInput, Step
from edaphon_calibration.uncertainty import parameter_variance

__all__ = ["Known", "through"]


class Known(NamedTuple):
    """Numbers on their way, with the standard uncertainty of one and the variance they share."""

    value: Float
    u_random: Number
    systematic: Number


class _Along(NamedTuple):
    """What a step makes of numbers: value, df/dx, df/dz, its own variance, outside."""

    value: Float
    slope: Float
    beside: Number
    own: Number
    outside: Bools


def through(
    step: Step, came: Known, second: SecondInput | None, share: Number | None
) -> tuple[Known, Bools]:
    """Variances of first order, or of draws where a curve is `nonlinear`."""
    if not step.takes_second:
        second = None
    bent = step.nonlinear
    at = _along(step, came.value, second, bent)
    if step.before is not None and share is not None:
        at = _between(_along(step.before, came.value, second, bent), at, share)
    if not bent:
        return _first_order(at, came, second), at.outside
    u_z = (0.0, 0.0) if second is None else (second.u_random, second.u_systematic)
    u_x = np.sqrt(came.systematic)
    random = _drawn(step, came.value, second, share, at.value, (came.u_random, u_z[0]), False)
    systematic = _drawn(step, came.value, second, share, at.value, (u_x, u_z[1]), True)
    return Known(at.value, np.sqrt(random), systematic + at.own), at.outside


def _along(step: Step, came: Float, second: SecondInput | None, bent: bool) -> _Along:
    """One calibration; where it needs a second input and has none, that is NaN.

    Its own variance is without the parameters' where a bent step has it from draws.
    """
    curve, p, x = step.curve, step.parameters, step.conversion.apply(came)
    inputs, outside = [x, p], step.outside(x)
    beside: Number = 0.0
    if curve.second is not None:
        z = np.full(len(x), np.nan) if second is None else second.value
        inputs.append(z)
        beside = curve.second.slope(x, p, z)
        outside |= curve.second.outside(z)
    own: Number = step.model * step.model
    if step.covariance is not None and not bent:
        own = own + parameter_variance(curve.gradient(*inputs), step.covariance)
    slope = curve.slope(*inputs)
    if step.conversion.scale != 1.0:
        slope = slope * step.conversion.scale
    return _Along(curve.value(*inputs), slope, beside, own, outside)


def _between(before: _Along, after: _Along, share: Number) -> _Along:
    """A share of the way from the calibration before to that after; their errors independent."""
    rest = 1.0 - share
    return _Along(
        _mixed(share, before.value, after.value),
        _mixed(share, before.slope, after.slope),
        _mixed(share, before.beside, after.beside),
        _at_ends(
            share, before.own, after.own, rest * rest * before.own + share * share * after.own
        ),
        before.outside | after.outside | (share < 0.0) | (share > 1.0),
    )


def _mixed(share: Number, before: Number, after: Number) -> Float:
    return _at_ends(share, before, after, (1.0 - share) * before + share * after)


def _at_ends(share: Number, before: Number, after: Number, between: Number) -> Float:
    """At either end the other calibration counts for nothing, not even where it has no value."""
    return np.where(share == 0.0, before, np.where(share == 1.0, after, between))


def _first_order(at: _Along, came: Known, second: SecondInput | None) -> Known:
    random = np.abs(at.slope) * came.u_random
    systematic = at.slope * at.slope * came.systematic + at.own
    if second is not None:
        of_z = at.beside * second.u_random
        random = np.sqrt(random * random + of_z * of_z)
        of_z = at.beside * second.u_systematic
        systematic = systematic + of_z * of_z
    return Known(at.value, random, systematic)


def _drawn(
    step: Step,
    came: Float,
    second: SecondInput | None,
    share: Number | None,
    middle: Float,
    u: tuple[Number, Number],
    parameters_too: bool,
) -> Number:
    """The variance that errors of x, of the second input and of the parameters make together."""
    covariances = [s.covariance if parameters_too else None for s in step.calibrations]
    if not any(isinstance(part, np.ndarray) or part for part in (*u, *covariances)):
        return 0.0
    first = 1 if second is None else 2
    scores, weights = draws(first + sum(len(s.parameters) for s in step.calibrations))
    parameters = []
    for calibration, covariance in zip(step.calibrations, covariances, strict=True):
        p = calibration.parameters
        of_these = scores[first : (first := first + len(p))]
        parameters.append(p if covariance is None else correlated(p, covariance, of_these))

    def value(at: slice) -> Float:
        x = came + u[0] * scores[0, at, np.newaxis]
        z = None if second is None else second.value + u[1] * scores[1, at, np.newaxis]
        values = [
            _value(calibration, x, z, p if p.ndim == 1 else p[at])
            for calibration, p in zip(step.calibrations, parameters, strict=True)
        ]
        return values[0] if share is None or len(values) == 1 else _mixed(share, *values)

    return drawn_variance(value, middle, weights)


def _value(step: Step, came: Float, z: Float | None, p: Float) -> Float:
    """Rows of draws through one calibration; p is a vector or one for each draw."""
    curve, x = step.curve, step.conversion.apply(came)
    inputs = (x,) if curve.second is None or z is None else (x, z)
    if p.ndim == 1:
        return curve.value(x, p, *inputs[1:])
    if curve.nonlinear:
        return curve.value(x, p.T[:, :, np.newaxis], *inputs[1:])
    return np.stack([curve.value(row[0], q, *row[1:]) for q, *row in zip(p, *inputs, strict=True)])
