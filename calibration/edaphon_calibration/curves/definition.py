"""What a curve is: a named function with numeric parameters, its derivatives and its limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from edaphon_calibration.arrays import Bools, Float
from edaphon_calibration.errors import ParameterError, suggestion

__all__ = ["Curve", "Second"]


@dataclass(frozen=True, slots=True, eq=False)
class Second:
    """What a curve needs beside its input: z [unit], one number for each x, NaN where unknown.

    `slope(x, p, z)` = df/dz; `domain` [unit] is where the reference vouches for z.
    """

    quantity: str
    unit: str
    slope: Callable[[Float, Float, Float], Float]
    domain: tuple[float, float] = (-inf, inf)

    def outside(self, z: Float) -> Bools:
        """Where z [unit] lies outside the domain; never for NaN."""
        lowest, highest = self.domain
        return (z < lowest) | (z > highest)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One function y = f(x; p), or y = f(x; p, z) where `second` says what z is.

    `value(x, p)` [to_unit], `slope(x, p)` = df/dx and `gradient(x, p)` = df/dp (one row for each
    parameter, one column for each x) take float64 arrays of length >= 1; what is not finite gives
    NaN, and nothing is clipped. With `second` all three take (x, p, z). A unit or quantity of None
    is stated by each calibration.
    `parameters` maps each name, in the order of p, to its default, None where there is none.
    `uncertainty` is the standard uncertainty of the curve itself with its default parameters
    [to_unit]; `domain` [from_unit] is where the reference vouches for it. `compensates` names what
    it corrects for, so that nothing is corrected twice. `nonlinear` says that the first order
    misses the uncertainty by more than 2 % somewhere in the domain: a chain takes it from draws,
    for which `value` also takes x as rows and each of p as a column that broadcasts with them.
    """

    name: str
    parameters: Mapping[str, float | None]
    value: Callable[..., Float]
    slope: Callable[..., Float]
    gradient: Callable[..., Float]
    reference: str
    from_unit: str | None = None
    to_unit: str | None = None
    quantity: str | None = None
    domain: tuple[float, float] = (-inf, inf)
    uncertainty: float = 0.0
    compensates: tuple[str, ...] = ()
    second: Second | None = None
    nonlinear: bool = False

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
