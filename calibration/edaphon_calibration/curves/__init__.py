"""What a curve is: a named function with parameters, derivatives and limits; found by its name.

Each family of curves is a module of this package.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Bools, Float
from edaphon_calibration.errors import (
    Known,
    ParameterError,
    UnknownCurve,
    installed,
    suggestion,
    unknown,
)

ICE_K = 273.15  # 0 degC


@dataclass(frozen=True, slots=True, eq=False)
class Second:
    """The second input z [unit] of a curve: one number for each x, NaN where unknown.

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


class Example(NamedTuple):
    """A worked example: y = f(x; parameters, z) to the digits that are written."""

    x: float
    y: float
    z: float | None = None
    parameters: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One function y = f(x; p), or y = f(x; p, z) where `second` says what z is.

    `value(x, p)` [to_unit], `slope(x, p)` = df/dx and `gradient(x, p)` = df/dp (one row for each
    parameter, one column for each x) take float64 arrays of length >= 1; what is not finite gives
    NaN, and nothing is clipped. With `second` all three take (x, p, z). A unit or quantity of None
    is stated by each calibration.
    `parameters` maps each name, in the order of p, to its default, None where there is none;
    `aliases` maps other names that are accepted to these; `places` has the place of both in p.
    `uncertainty` is the standard uncertainty of the curve itself with its default parameters
    [to_unit]; `domain` [from_unit] is where the reference vouches for it. `compensates` names what
    it corrects for, so that nothing is corrected twice. `nonlinear` states that the first order
    misses the uncertainty by more than 2 % somewhere in the domain: a chain takes it from draws,
    for which `value` also takes x as rows and each of p as a column that broadcasts with them.
    `title` (one sentence), `formula` and `notes` (sources, validity) are for people.
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
    title: str = ""
    formula: str = ""
    notes: str = ""
    example: Example | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        own = {name: k for k, name in enumerate(self.parameters)}
        object.__setattr__(self, "places", own | {a: own[n] for a, n in self.aliases.items()})

    def outside(self, x: Float) -> Bools:
        """Where x [from_unit] lies outside the domain; never for NaN, which has no value anyway."""
        lowest, highest = self.domain
        return (x < lowest) | (x > highest)

    @property
    def about(self) -> str:
        """Title and formula, two paragraphs."""
        return f"{self.title}\n\n{self.formula}" if self.formula else self.title

    def parameter_name(self, given: str) -> str | None:
        """The curve's own name of a parameter, None where it has none of that name."""
        own = self.aliases.get(given, given)
        return own if own in self.parameters else None

    def spelled(self, given: Iterable[str]) -> tuple[str, ...]:
        """The names of all parameters in order, those before if one of them is among the given."""
        aliases = {own: name for name, own in self.aliases.items()}
        if not any(name in self.aliases for name in given):
            aliases = {}
        return tuple(aliases.get(name, name) for name in self.parameters)

    def in_order(self, given: Iterable[str]) -> tuple[str, ...]:
        """Those of the given names that the curve accepts, as written, in the order of p."""
        known = [name for name in given if name in self.places]
        return tuple(sorted(known, key=self.places.__getitem__))

    def parameter_vector(self, given: Mapping[str, float] | None = None) -> Float:
        """The parameters in order, defaults filled in; raises ParameterError."""
        by_name = {self._checked_name(name): name for name in given or {}}
        if len(by_name) < len(given or {}):
            raise ParameterError(
                f"curve {self.name}: expected each parameter once; came {', '.join(given or {})}"
            )
        return np.array(
            [
                self._parameter(name, by_name.get(name, name), given or {})
                for name in self.parameters
            ],
            np.float64,
        )

    def _checked_name(self, given: str) -> str:
        name = self.parameter_name(given)
        if name is None:
            known = ", ".join(self.parameters) or "none"
            raise ParameterError(
                f"curve {self.name}: expected the parameters {known}; came {given!r}"
                + suggestion(given, self.parameters)
            )
        return name

    def _parameter(self, name: str, spelled: str, given: Mapping[str, float]) -> float:
        number = given.get(spelled, self.parameters[name])
        if number is None:
            raise ParameterError(
                f"curve {self.name}: parameter {name} is missing; it has no default"
            )
        if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
            raise ParameterError(
                f"curve {self.name}: expected a finite number for {spelled}; came {number!r}"
            )
        return float(number)


@cache
def known_curves() -> Known[Curve]:
    """All curves that are installed; read once."""
    return installed("edaphon.curves")


def curve_names() -> tuple[str, ...]:
    """The names of all curves, sorted."""
    return tuple(known_curves().by_name)


def find_curve(name: str) -> Curve:
    """The curve of that name; raises UnknownCurve.

    >>> find_curve("teros12_mineral").to_unit
    'm**3/m**3'
    """
    known = known_curves().by_name
    if name not in known:
        raise UnknownCurve(unknown("curve", name, known))
    return known[name]
