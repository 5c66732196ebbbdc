"""What a curve is: a named function with numeric parameters, its derivatives and its limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from edaphon_calibration.arrays import Bools, Float
from edaphon_calibration.errors import ParameterError, suggestion

__all__ = ["Curve"]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One function y = f(x; p).

    `value(x, p)` [to_unit], `slope(x, p)` = df/dx and `gradient(x, p)` = df/dp (one row for each
    parameter, one column for each x) take float64 arrays of length >= 1; what is not finite gives
    NaN, and nothing is clipped. A unit or quantity of None is stated by each calibration.
    `parameters` maps each name, in the order of p, to its default, None where there is none.
    `uncertainty` is the standard uncertainty of the curve itself with its default parameters
    [to_unit]; `domain` [from_unit] is where the reference vouches for it. `compensates` names what
    it corrects for, so that nothing is corrected twice.
    """

    name: str
    parameters: Mapping[str, float | None]
    value: Callable[[Float, Float], Float]
    slope: Callable[[Float, Float], Float]
    gradient: Callable[[Float, Float], Float]
    reference: str
    from_unit: str | None = None
    to_unit: str | None = None
    quantity: str | None = None
    domain: tuple[float, float] = (-inf, inf)
    uncertainty: float = 0.0
    compensates: tuple[str, ...] = ()

    def outside(self, x: Float) -> Bools:
        """Where x [from_unit] lies outside the domain; never for NaN, which has no value anyway."""
        lowest, highest = self.domain
        return (x < lowest) | (x > highest)

    def parameter_vector(self, given: Mapping[str, float] | None = None) -> Float:
        """The parameters in order, defaults filled in; raises ParameterError."""
        given = given or {}
        for name in given:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ParameterError(
                    f"curve {self.name}: expected the parameters {known}; came {name!r}"
                    + suggestion(name, self.parameters)
                )
        return np.array([self._parameter(name, given) for name in self.parameters], np.float64)

    def _parameter(self, name: str, given: Mapping[str, float]) -> float:
        number = given.get(name, self.parameters[name])
        if number is None:
            raise ParameterError(
                f"curve {self.name}: parameter {name} is missing; it has no default"
            )
        if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
            raise ParameterError(
                f"curve {self.name}: expected a finite number for {name}; came {number!r}"
            )
        return float(number)
