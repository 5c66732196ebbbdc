"""Shapes that several curves share, with exact derivatives, and the reader of a family's file."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edaphon_calibration.arrays import (
    Float,
    Number,
    finite,
    horner,
    horner_gradient,
    horner_slope,
    nan_like,
    positive,
    powers,
)
from edaphon_calibration.curves import Curve, Example, Second
from edaphon_calibration.uncertainty import from_limits


class Functions(NamedTuple):
    """A curve's y, dy/dx and dy/dp, and dy/dz where it takes a second input z."""

    value: Callable[..., Float]
    slope: Callable[..., Float]
    gradient: Callable[..., Float]
    slope_second: Callable[..., Float] | None = None


def coefficients(*c: float) -> dict[str, float]:
    """The parameters c0, c1, c2 … of a shape.

    >>> coefficients(0.5, 2.0)
    {'c0': 0.5, 'c1': 2.0}
    """
    return {f"c{k}": number for k, number in enumerate(c)}


def no_parameters(x: Float, p: Float, *z: Float) -> Float:
    """The gradient of a curve without parameters."""
    return np.empty((0, len(x)))


def root_line(x: Float, p: Float) -> Float:
    """p0 + p1 √x; NaN for x <= 0."""
    return float(p[0]) + float(p[1]) * np.sqrt(positive(x))


def root_line_slope(x: Float, p: Float) -> Float:
    return float(p[1]) * 0.5 / np.sqrt(positive(x))


def root_line_gradient(x: Float, p: Float) -> Float:
    root = np.sqrt(positive(x))
    return np.stack([nan_like(1.0, root), root])


def refractive(x: Float, p: Float) -> Float:
    """(√x - p0) / p1; NaN for x <= 0 and where p1 is 0."""
    return (np.sqrt(positive(x)) - float(p[0])) / _not_0(p[1])


def refractive_slope(x: Float, p: Float) -> Float:
    return 0.5 / (np.sqrt(positive(x)) * _not_0(p[1]))


def refractive_gradient(x: Float, p: Float) -> Float:
    a1 = _not_0(p[1])
    y = refractive(x, p)
    return np.stack([nan_like(-1.0 / a1, y), -y / a1])


def _not_0(number: float) -> float:
    return float(number) or float("nan")


def square(x: Float, p: Float) -> Float:
    """The square of a polynomial: makers give √ε where the probe answers to it."""
    root = horner(x, p)
    return root * root


def square_slope(x: Float, p: Float) -> Float:
    return 2.0 * horner(x, p) * horner_slope(x, p)


def square_gradient(x: Float, p: Float) -> Float:
    return powers(x, len(p)) * (2.0 * horner(x, p))


@dataclass(frozen=True, slots=True)
class RootOfSoil:
    """y = (m √x + a) / b, where m, a and b are polynomials in one property of the soil, p0.

    NaN where b is not above 0: there the formula has turned over.
    """

    root: tuple[float, ...]
    offset: tuple[float, ...]
    divisor: tuple[float, ...] = (1.0,)

    def value(self, x: Float, p: Float) -> Float:
        s = float(p[0])
        return (_at(self.root, s) * np.sqrt(positive(x)) + _at(self.offset, s)) / self._below(s)

    def slope(self, x: Float, p: Float) -> Float:
        s = float(p[0])
        return _at(self.root, s) * 0.5 / (np.sqrt(positive(x)) * self._below(s))

    def gradient(self, x: Float, p: Float) -> Float:
        s = float(p[0])
        above = _slope_at(self.root, s) * np.sqrt(positive(x)) + _slope_at(self.offset, s)
        row = (above - self.value(x, p) * _slope_at(self.divisor, s)) / self._below(s)
        return row[np.newaxis]

    def _below(self, s: float) -> float:
        b = _at(self.divisor, s)
        return b if b > 0.0 else float("nan")


def _at(c: tuple[float, ...], s: float) -> float:
    return float(horner(np.array([s]), np.array(c))[0])


def _slope_at(c: tuple[float, ...], s: float) -> float:
    return float(horner_slope(np.array([s]), np.array(c))[0])


def scaled(
    factor: Callable[..., Number],
    gradient: Callable[..., Float],
    slope_second: Callable[..., Float] | None = None,
) -> Functions:
    """y = x times a factor of p, or of p and z."""

    def value(x: Float, p: Float, *z: Float) -> Float:
        return finite(x) * factor(p, *z)

    def slope(x: Float, p: Float, *z: Float) -> Float:
        return nan_like(factor(p, *z), x)

    return Functions(value, slope, gradient, slope_second)


SHAPES = {
    "polynomial": Functions(horner, horner_slope, horner_gradient),
    "root_line": Functions(root_line, root_line_slope, root_line_gradient),
    "refractive": Functions(refractive, refractive_slope, refractive_gradient),
    "square": Functions(square, square_slope, square_gradient),
}


def curves_of(module: str, **functions: Functions) -> tuple[Curve, ...]:
    """The curves of the TOML file next to a module's file, a table [[curve]] for each.

    `function` names one of `functions` or `SHAPES`, or is a table: the numbers of a `RootOfSoil`.
    `parameters` maps names to defaults, "given" where there is none; `coefficients` are c0, c1 …
    `limits` is the curve's uncertainty as the half width of a rectangular distribution. All other
    keys are fields of `Curve`.
    """
    known, text = SHAPES | functions, Path(module).with_suffix(".toml").read_text("utf-8")
    return tuple(_curve(row, known) for row in tomllib.loads(text)["curve"])


def _curve(row: dict[str, Any], known: Mapping[str, Functions]) -> Curve:
    named, second = row.pop("function"), row.pop("second", None)
    of = known[named] if isinstance(named, str) else _of_root(named)
    parameters = row.pop("parameters", {}) | coefficients(*row.pop("coefficients", ()))
    row["parameters"] = {name: None if x == "given" else x for name, x in parameters.items()}
    if "limits" in row:
        row["uncertainty"] = from_limits(row.pop("limits"))
    if second is not None:
        row["second"] = Second(**_with_tuples(second) | {"slope": of.slope_second})
    row["example"] = Example(**row["example"])
    return Curve(value=of.value, slope=of.slope, gradient=of.gradient, **_with_tuples(row))


def _with_tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(x) if type(x) is list else x for key, x in row.items()}


def _of_root(numbers: Mapping[str, list[float]]) -> Functions:
    root = RootOfSoil(**_with_tuples(numbers))
    return Functions(root.value, root.slope, root.gradient)
