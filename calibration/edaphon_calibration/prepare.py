"""A calibration as a person states it, checked and made a step of a chain."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.chain import SAME, Step
from edaphon_calibration.curves import Curve
from edaphon_calibration.errors import ParameterError
from edaphon_calibration.units import conversion


def prepare_step(
    curve: Curve,
    parameters: Mapping[str, float] | None = None,
    covariance: Sequence[Sequence[float]] | None = None,
    from_unit: str | None = None,
    model: float | None = None,
    drift_per_year: float = 0.0,
    domain: tuple[float, float] | None = None,
) -> Step:
    """A checked step; raises ParameterError, UnitError.

    `from_unit` is the unit of what comes, None where it is the curve's input already. The rows of
    `covariance` follow `parameters` as given here, else all of the curve's. Without `model` the
    curve's own uncertainty counts, unless a covariance takes its place.

    >>> from edaphon_calibration.curves import find_curve
    >>> prepare_step(find_curve("teros12_mineral"), from_unit="count").parameters
    array([-6.956e-01,  3.879e-04])
    """
    vector = curve.parameter_vector(parameters)
    matrix = None if covariance is None else _covariance(curve, tuple(parameters or ()), covariance)
    if model is None:
        model = curve.uncertainty if matrix is None else 0.0
    for what, number in (("model uncertainty", model), ("drift per year", drift_per_year)):
        if not (isfinite(number) and number >= 0.0):
            raise ParameterError(f"curve {curve.name}: expected a {what} >= 0; came {number!r}")
    line = SAME
    if from_unit is not None and curve.from_unit is not None:
        line = conversion(from_unit, curve.from_unit)
    if domain is not None and not domain[0] < domain[1]:
        raise ParameterError(f"curve {curve.name}: expected a domain low, high; came {domain!r}")
    return Step(curve, vector, matrix, line, model, drift_per_year, domain)


def _covariance(curve: Curve, given: Sequence[str], rows: Sequence[Sequence[float]]) -> Float:
    """The covariance of all parameters in the curve's order; raises ParameterError."""
    names = list(curve.parameters)
    order = [curve.aliases.get(name, name) for name in given] if len(rows) == len(given) else names
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
