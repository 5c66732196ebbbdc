"""The chain from a reported number to a trusted one: conversions, curves, uncertainty.

A step is a curve with the parameters of one calibration. Uncertainty goes along as first-order
variances (JCGM 100:2008, 5.1 and 5.2), or as draws where a curve bends too much. Random and
systematic parts stay apart to the end: the first shrinks in a mean of n values, the second does
not. Left out, because no data sheet can know them: contact between probe and soil, spread within
the soil volume, and the sensor's age where no drift is stated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import AT_ONCE, Bools, Float, Number
from edaphon_calibration.curves import Curve
from edaphon_calibration.draws import correlated, drawn_variance, fixed_draws
from edaphon_calibration.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Conversion:
    """y [to] = x [from] * scale + offset."""

    scale: float
    offset: float

    def apply(self, x: Float) -> Float:
        """Elementwise; x itself where there is nothing to do."""
        if self.offset:
            return x * self.scale + self.offset
        return x if self.scale == 1.0 else x * self.scale


SAME = Conversion(1.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One curve of a chain with the parameters of one calibration.

    `conversion` turns what comes (the number's or the former curve's unit) into the curve's input.
    `domain` [curve's input] is where this calibration holds, None for the curve's own. `covariance`
    is that of the parameters; `model` is the standard uncertainty of the curve itself
    and `drift_per_year` the standard uncertainty that each year adds [both: curve's output].
    `before` is the calibration of the same place made before the deployment, from which this one,
    made after it, was reached by an even drift; both must give the same unit. A pair is two: the
    `before` and the drift per year of the earlier one are not read.
    """

    curve: Curve
    parameters: Float
    covariance: Float | None = None
    conversion: Conversion = SAME
    model: float = 0.0
    drift_per_year: float = 0.0
    domain: tuple[float, float] | None = None
    before: "Step | None" = None

    def outside(self, x: Float) -> Bools:
        """Where the curve's input lies beyond what this calibration covers; never for NaN."""
        lowest, highest = self.domain or self.curve.domain
        return (x < lowest) | (x > highest)

    @property
    def calibrations(self) -> "tuple[Step, ...]":
        """That before the deployment, if there is one, and this."""
        return (self,) if self.before is None else (self.before, self)

    @property
    def takes_second(self) -> bool:
        if self.curve.second is not None:
            return True
        return self.before is not None and self.before.takes_second

    @property
    def nonlinear(self) -> bool:
        return self.curve.nonlinear or (self.before is not None and self.before.nonlinear)


class SecondInput(NamedTuple):
    """The second input of one step, in the unit that its curve names; NaN where it is unknown."""

    value: Float
    u_random: Number = 0.0
    u_systematic: Number = 0.0


class Calibrated(NamedTuple):
    """Columns of equal length; `outside` marks values beyond the domain of a curve."""

    value: Float
    u_random: Float
    u_systematic: Float
    outside: Bools


class _StepInputs(NamedTuple):
    """What goes with one step: years since its calibration, second input, progress."""

    age: Number
    second: SecondInput | None
    share: Number | None

    def part(self, at: slice) -> "_StepInputs":
        second = self.second
        if second is not None:
            u_random, u_systematic = _part(second.u_random, at), _part(second.u_systematic, at)
            second = SecondInput(second.value[at], u_random, u_systematic)
        share = None if self.share is None else _part(self.share, at)
        return _StepInputs(_part(self.age, at), second, share)


class _Known(NamedTuple):
    """Numbers on their way, with the standard uncertainty of one and the variance they share."""

    value: Float
    u_random: Number
    systematic: Number


class _Evaluated(NamedTuple):
    """What a step makes of numbers: value, df/dx, df/dz, its own variance, outside."""

    value: Float
    slope: Float
    slope_second: Number
    own: Number
    outside: Bools


def apply_chain(
    raw: Float,
    conversion: Conversion,
    steps: Sequence[Step],
    accuracy: Number = 0.0,
    repeatability: float = 0.0,
    resolution: float = 0.0,
    final: Conversion = SAME,
    ages: Sequence[Number] = (),
    seconds: Sequence[SecondInput | None] = (),
    progress: Sequence[Number | None] = (),
) -> Calibrated:
    """Numbers as reported (length >= 1) to values with uncertainty in the unit `final` leads to.

    `accuracy` (a standard uncertainty: see `from_limits`), `repeatability` and `resolution` are in
    the unit of `raw`. `ages` holds for each step the years since its calibration; it is needed only
    where a step drifts. What is not finite, or becomes so, is NaN in all three columns.
    `seconds` holds for each step its second input; a step that needs one and has none gives NaN.
    The correlation of a second input with the first is left out: an air pressure and a CO2 signal
    share no error, but a temperature that came out of the same sensor may.
    `progress` holds for each step how far each value lies between the calibration before (0) and
    after the deployment (1) [1]; it is needed only where a step has a `before`. Values are mixed,
    (1 - z) f_before(x) + z f_after(x), and so are slopes; the errors of the two calibrations are
    independent, those of x and of a second input the same in both. Beyond 0 to 1 the drift goes on,
    which is marked as outside.
    Uncertainty is first order, but for a step whose curve is `nonlinear` it is that of 512 fixed
    draws of all errors together, normal: see `draws.drawn_variance`, also for where it is NaN.
    The value is f(x) in any case.
    """
    n = len(raw)
    found = Calibrated(np.empty(n), np.empty(n), np.empty(n), np.zeros(n, np.bool_))
    inputs = _inputs(steps, ages, seconds, progress)
    u_random = sqrt(random_variance(repeatability, resolution)) * abs(conversion.scale)

    def calibrate(
        raw: Float, accuracy: Number, inputs: list[_StepInputs], into: Calibrated
    ) -> None:
        u_systematic = accuracy * conversion.scale
        known = _Known(conversion.apply(raw), u_random, u_systematic * u_systematic)
        for step, own in zip(steps, inputs, strict=True):
            known = _through(step, known, own, into.outside)
        _finish(known, final, into)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if n <= AT_ONCE:
            calibrate(raw, accuracy, inputs, found)
            return found
        for start in range(0, n, AT_ONCE):
            at = slice(start, start + AT_ONCE)
            columns = (found.value[at], found.u_random[at], found.u_systematic[at])
            parts = [own.part(at) for own in inputs]
            calibrate(raw[at], _part(accuracy, at), parts, Calibrated(*columns, found.outside[at]))
    return found


def _inputs(
    steps: Sequence[Step],
    ages: Sequence[Number],
    seconds: Sequence[SecondInput | None],
    progress: Sequence[Number | None],
) -> list[_StepInputs]:
    """One for each step; raises ParameterError where a drifting step or a pair lacks its column."""
    nothing = (None,) * len(steps)
    if not ages and any(step.drift_per_year for step in steps):
        raise ParameterError("expected for each step the years since its calibration: one drifts")
    columns = (ages or (0.0,) * len(steps), seconds or nothing, progress or nothing)
    inputs = [_StepInputs(*row) for row in zip(*columns, strict=True)]
    for step, own in zip(steps, inputs, strict=True):
        if step.before is not None and own.share is None:
            raise ParameterError(
                "expected how far each value lies from the calibration before (0) to that after "
                f"the deployment (1): the step {step.curve.name} has both"
            )
    return inputs


def _part(column: Number, at: slice) -> Number:
    return column[at] if isinstance(column, np.ndarray) else column


def _finish(known: _Known, final: Conversion, into: Calibrated) -> None:
    """The columns in the final unit, NaN in all where a value is not finite."""
    reach = abs(final.scale)
    np.copyto(into.value, final.apply(known.value))
    np.multiply(known.u_random, reach, out=into.u_random)
    np.sqrt(known.systematic, out=into.u_systematic)
    if reach != 1.0:
        np.multiply(into.u_systematic, reach, out=into.u_systematic)
    finite = np.isfinite(into.value)
    if not np.logical_and.reduce(finite):
        for column in into[:3]:
            column[~finite] = np.nan


def _through(step: Step, given: _Known, inputs: _StepInputs, outside: Bools) -> _Known:
    """The numbers after a step; marks in `outside` where an input lies beyond a domain."""
    second = inputs.second if step.takes_second else None
    bent = step.nonlinear
    at = _evaluated(step, given.value, second, bent)
    if step.before is not None and inputs.share is not None:
        at = _between(_evaluated(step.before, given.value, second, bent), at, inputs.share)
    outside |= at.outside
    if bent:
        known = _by_draws(step, at, given, second, inputs.share)
    else:
        known = _first_order(at, given, second)
    if not step.drift_per_year:
        return known
    drift = step.drift_per_year * inputs.age
    return known._replace(systematic=known.systematic + drift * drift)


def _evaluated(step: Step, given: Float, second: SecondInput | None, bent: bool) -> _Evaluated:
    """One calibration; where it needs a second input and has none, that is NaN.

    Its own variance is without the parameters' where a bent step has it from draws.
    """
    curve, p, x = step.curve, step.parameters, step.conversion.apply(given)
    inputs, outside = [x, p], step.outside(x)
    slope_second: Number = 0.0
    if curve.second is not None:
        z = np.full(len(x), np.nan) if second is None else second.value
        inputs.append(z)
        slope_second = curve.second.slope(x, p, z)
        outside |= curve.second.outside(z)
    own: Number = step.model * step.model
    if step.covariance is not None and not bent:
        own = own + parameter_variance(curve.gradient(*inputs), step.covariance)
    slope = curve.slope(*inputs)
    if step.conversion.scale != 1.0:
        slope = slope * step.conversion.scale
    return _Evaluated(curve.value(*inputs), slope, slope_second, own, outside)


def _between(before: _Evaluated, after: _Evaluated, share: Number) -> _Evaluated:
    """A share of the way from the calibration before to that after; their errors independent."""
    rest = 1.0 - share
    return _Evaluated(
        _mixed(share, before.value, after.value),
        _mixed(share, before.slope, after.slope),
        _mixed(share, before.slope_second, after.slope_second),
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


def _first_order(at: _Evaluated, given: _Known, second: SecondInput | None) -> _Known:
    random = np.abs(at.slope) * given.u_random
    systematic = at.slope * at.slope * given.systematic + at.own
    if second is not None:
        of_z = at.slope_second * second.u_random
        random = np.sqrt(random * random + of_z * of_z)
        of_z = at.slope_second * second.u_systematic
        systematic = systematic + of_z * of_z
    return _Known(at.value, random, systematic)


def _by_draws(
    step: Step, at: _Evaluated, given: _Known, second: SecondInput | None, share: Number | None
) -> _Known:
    u_z = (0.0, 0.0) if second is None else (second.u_random, second.u_systematic)
    u_x = np.sqrt(given.systematic)
    random = _drawn(step, given.value, second, share, at.value, (given.u_random, u_z[0]), False)
    systematic = _drawn(step, given.value, second, share, at.value, (u_x, u_z[1]), True)
    return _Known(at.value, np.sqrt(random), systematic + at.own)


def _drawn(
    step: Step,
    given: Float,
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
    scores, weights = fixed_draws(first + sum(len(s.parameters) for s in step.calibrations))
    parameters = []
    for calibration, covariance in zip(step.calibrations, covariances, strict=True):
        p = calibration.parameters
        of_these = scores[first : (first := first + len(p))]
        parameters.append(p if covariance is None else correlated(p, covariance, of_these))

    def value(at: slice) -> Float:
        x = given + u[0] * scores[0, at, np.newaxis]
        z = None if second is None else second.value + u[1] * scores[1, at, np.newaxis]
        values = [
            _value(calibration, x, z, p if p.ndim == 1 else p[at])
            for calibration, p in zip(step.calibrations, parameters, strict=True)
        ]
        return values[0] if share is None or len(values) == 1 else _mixed(share, *values)

    return drawn_variance(value, middle, weights)


def _value(step: Step, given: Float, z: Float | None, p: Float) -> Float:
    """Rows of draws through one calibration; p is a vector or one for each draw."""
    curve, x = step.curve, step.conversion.apply(given)
    inputs = (x,) if curve.second is None or z is None else (x, z)
    if p.ndim == 1:
        return curve.value(x, p, *inputs[1:])
    if curve.nonlinear:
        return curve.value(x, p.T[:, :, np.newaxis], *inputs[1:])
    return np.stack([curve.value(row[0], q, *row[1:]) for q, *row in zip(p, *inputs, strict=True)])


def random_variance(repeatability: float, resolution: float) -> float:
    """Scatter of repeated readings plus rounding to the resolution (JCGM 100:2008, F.2.2.1).

    >>> round(sqrt(random_variance(0.0, 0.1)), 5)
    0.02887
    """
    return repeatability * repeatability + resolution * resolution / 12.0


def parameter_variance(gradient: Float, covariance: Float) -> Float:
    """g' C g for each column g, written out in a fixed order so that no split changes a bit.

    >>> parameter_variance(np.array([[1.0], [2.0]]), np.array([[4.0, -1.0], [-1.0, 1.0]]))
    array([4.])
    """
    total = np.zeros(gradient.shape[1])
    for i, (row, own) in enumerate(zip(gradient, covariance.tolist(), strict=True)):
        if own[i] == 0.0:
            continue  # a parameter that is known exactly: its covariances are 0 too
        part = row * own[i]
        for j in range(i):
            if own[j] != 0.0:
                part += gradient[j] * (2.0 * own[j])
        part *= row
        total += part
    # rounding can leave a tiny negative sum where parameters are strongly correlated
    return np.maximum(total, 0.0)
