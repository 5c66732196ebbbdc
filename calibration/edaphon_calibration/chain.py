"""The chain from a reported number to a trusted one: conversions, curves, uncertainty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Bools, Float
from edaphon_calibration.curves import Curve
from edaphon_calibration.curves import curve as curve_named
from edaphon_calibration.errors import ParameterError
from edaphon_calibration.uncertainty import parameter_variance, random_variance
from edaphon_calibration.units import SAME, Conversion, conversion

__all__ = ["Calibrated", "SecondInput", "Step", "apply_chain", "prepare_step"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One curve of a chain with the parameters of one calibration.

    `conversion` turns what comes (the number's or the former curve's unit) into the curve's input.
    `domain` [curve's input] is where this calibration holds, None for the curve's own. `covariance`
    is that of the parameters; `model` is the standard uncertainty of the curve itself
    and `drift_per_year` the standard uncertainty that each year adds [both: curve's output].
    """

    curve: Curve
    parameters: Float
    covariance: Float | None = None
    conversion: Conversion = SAME
    model: float = 0.0
    drift_per_year: float = 0.0
    domain: tuple[float, float] | None = None

    def outside(self, x: Float) -> Bools:
        """Where the curve's input lies beyond what this calibration covers; never for NaN."""
        lowest, highest = self.domain or self.curve.domain
        return (x < lowest) | (x > highest)


class SecondInput(NamedTuple):
    """The second input of one step, in the unit that its curve names; NaN where it is unknown."""

    value: Float
    u_random: Float | float = 0.0
    u_systematic: Float | float = 0.0


class Calibrated(NamedTuple):
    """Columns of equal length; `outside` marks values beyond the domain of a curve."""

    value: Float
    u_random: Float
    u_systematic: Float
    outside: Bools


def prepare_step(
    curve_name: str,
    parameters: Mapping[str, float] | None = None,
    covariance: Sequence[Sequence[float]] | None = None,
    from_unit: str | None = None,
    model: float | None = None,
    drift_per_year: float = 0.0,
    domain: tuple[float, float] | None = None,
) -> Step:
    """A checked step; raises UnknownCurve, ParameterError, UnitError.

    `from_unit` is the unit of what comes, None where it is the curve's input already. The rows of
    `covariance` follow `parameters` as given here, else all of the curve's. Without `model` the
    curve's own uncertainty stands, unless a covariance takes its place.

    >>> prepare_step("teros12_mineral", from_unit="count").parameters
    array([-6.956e-01,  3.879e-04])
    """
    found = curve_named(curve_name)
    vector = found.parameter_vector(parameters)
    matrix = None if covariance is None else _covariance(found, tuple(parameters or ()), covariance)
    if model is None:
        model = found.uncertainty if matrix is None else 0.0
    for what, number in (("model uncertainty", model), ("drift per year", drift_per_year)):
        if not (isfinite(number) and number >= 0.0):
            raise ParameterError(f"curve {curve_name}: expected a {what} >= 0; came {number!r}")
    line = SAME
    if from_unit is not None and found.from_unit is not None:
        line = conversion(from_unit, found.from_unit)
    if domain is not None and not domain[0] < domain[1]:
        raise ParameterError(f"curve {curve_name}: expected a domain low, high; came {domain!r}")
    return Step(found, vector, matrix, line, model, drift_per_year, domain)


def apply_chain(
    raw: Float,
    conversion: Conversion,
    steps: Sequence[Step],
    accuracy: Float | float = 0.0,
    repeatability: float = 0.0,
    resolution: float = 0.0,
    final: Conversion = SAME,
    ages: Sequence[Float | float] = (),
    seconds: Sequence[SecondInput | None] = (),
) -> Calibrated:
    """Numbers as reported (length >= 1) to values with uncertainty in the unit `final` leads to.

    `accuracy` (a standard uncertainty: see `from_limits`), `repeatability` and `resolution` are in
    the unit of `raw`. `ages` holds for each step the years since its calibration; it is needed only
    where a step drifts. What is not finite, or becomes so, is NaN in all three columns.
    `seconds` holds for each step its second input; a step that needs one and has none gives NaN.
    The correlation of a second input with the first is left out: an air pressure and a CO2 signal
    share no error, but a temperature that came out of the same sensor may.
    All of it is first order; for a curve that is `nonlinear` see `uncertainty.monte_carlo`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        x = conversion.apply(raw)
        gain = conversion.scale * conversion.scale
        random: Float | float = random_variance(repeatability, resolution) * gain
        systematic: Float | float = accuracy * accuracy * gain
        outside = np.zeros(len(raw), np.bool_)
        beside = seconds or (None,) * len(steps)
        for step, age, second in zip(steps, _ages(steps, ages), beside, strict=True):
            z = _column(step.curve, second, len(raw))
            x, random, systematic, beyond = _through(step, x, random, systematic, age, z)
            outside |= beyond
        x = final.apply(x)
        blank = x * 0.0  # NaN where there is no value, and the shape for a constant variance
        reach = abs(final.scale)
        return Calibrated(
            x + blank,
            np.sqrt(random) * reach + blank,
            np.sqrt(systematic) * reach + blank,
            outside,
        )


def _ages(steps: Sequence[Step], ages: Sequence[Float | float]) -> Sequence[Float | float]:
    """One age [years] for each step; raises ParameterError where a drifting step has none."""
    if ages or not any(step.drift_per_year for step in steps):
        return ages or (0.0,) * len(steps)
    raise ParameterError("expected for each step the years since its calibration: one drifts")


def _column(curve: Curve, second: SecondInput | None, n: int) -> SecondInput | None:
    """The second input that the curve takes: None for a curve without one."""
    if curve.second is None:
        return None
    return second or SecondInput(np.full(n, np.nan))


def _through(
    step: Step,
    x: Float,
    random: Float | float,
    systematic: Float | float,
    age: Float | float,
    second: SecondInput | None,
) -> tuple[Float, Float, Float, Bools]:
    """One step: the value, both variances behind it, and where its input left the domain."""
    line, curve, p = step.conversion, step.curve, step.parameters
    x = line.apply(x)
    inputs = (x, p) if second is None else (x, p, second.value)
    slope = curve.slope(*inputs) * line.scale
    gain = slope * slope
    random = gain * random
    systematic = gain * systematic + step.model * step.model
    outside = step.outside(x)
    if curve.second is not None and second is not None:
        slope = curve.second.slope(x, p, second.value)
        gain = slope * slope
        random = random + gain * (second.u_random * second.u_random)
        systematic = systematic + gain * (second.u_systematic * second.u_systematic)
        outside |= curve.second.outside(second.value)
    if step.covariance is not None:
        systematic = systematic + parameter_variance(curve.gradient(*inputs), step.covariance)
    if step.drift_per_year:
        drift = step.drift_per_year * age
        systematic = systematic + drift * drift
    return curve.value(*inputs), random, systematic, outside


def _covariance(curve: Curve, given: Sequence[str], rows: Sequence[Sequence[float]]) -> Float:
    """The covariance of all parameters in the curve's order; raises ParameterError."""
    names = list(curve.parameters)
    order = list(given) if len(rows) == len(given) else names
    if len(rows) != len(order) or any(len(row) != len(order) for row in rows):
        raise ParameterError(
            f"curve {curve.name}: expected a square covariance of the parameters given or of "
            f"{', '.join(names) or 'none'}; came rows of {[len(row) for row in rows]} numbers"
        )
    part = np.array(rows, np.float64).reshape(len(order), len(order))
    _check_covariance(curve, part)
    matrix = np.zeros((len(names), len(names)))
    places = [names.index(name) for name in order]
    matrix[np.ix_(places, places)] = part
    return matrix


def _check_covariance(curve: Curve, matrix: Float) -> None:
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-6, atol=0.0):
        raise ParameterError(f"curve {curve.name}: expected a finite, symmetric covariance")
    spread = np.sqrt(np.abs(np.diag(matrix)))
    spread[spread == 0.0] = 1.0
    correlation = matrix / spread / spread[:, None]
    if len(matrix) and np.linalg.eigvalsh(correlation).min() < -1e-6:
        raise ParameterError(
            f"curve {curve.name}: expected a covariance without negative variances; "
            "check signs and the order of the parameters"
        )
