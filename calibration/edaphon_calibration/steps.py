"""One step of a chain: a curve with the parameters of one calibration, checked when it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Number
from edaphon_calibration.curves import Curve
from edaphon_calibration.curves import curve as curve_named
from edaphon_calibration.errors import ParameterError
from edaphon_calibration.units import SAME, Conversion, conversion

__all__ = ["SecondInput", "Step", "prepare_step"]


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
