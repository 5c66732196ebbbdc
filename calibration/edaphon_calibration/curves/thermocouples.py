"""Thermocouples: reference functions forward, inverse by Newton's method, cold junction in volts.

A thermocouple measures a difference: E(t) = E_measured + E(t_cold) [mV], and t is what has that E.
To add temperatures instead is wrong, for E(t) is not straight.
"""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edaphon_calibration.arrays import Bools, Float, horner, horner_slope
from edaphon_calibration.curves import Curve, Example, Second
from edaphon_calibration.curves.shapes import no_parameters
from edaphon_calibration.uncertainty import from_limits

_TYPES: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text("utf-8")
)
_NEWTON_STEPS = 4  # a fixed number, so that no split of an array changes a bit
_GRID_STEP = 5.0  # [degC]: the straight line between is within 0.1 degC, where Newton is at home


class Piece(NamedTuple):
    """One polynomial from `lowest` to `highest` [degC]; `bump` is a0, a1, a2 of type K."""

    lowest: float
    highest: float
    coefficients: Float
    bump: tuple[float, float, float] | None


@cache
def pieces(kind: str) -> tuple[Piece, ...]:
    """The reference function of a type, from the coldest piece to the hottest."""
    return tuple(
        Piece(row["lowest"], row["highest"], np.array(row["coefficients"]), row.get("bump"))
        for row in _TYPES[kind]["piece"]
    )


def emf(kind: str, t: Float) -> Float:
    """Reference voltage [mV] of type `kind` at t [degC], the other junction at 0 degC.

    >>> emf("K", np.array([-10.0, 25.0, 1000.0, 1400.0])).round(3)
    array([-0.392,  1.   , 41.276,    nan])
    """
    return _piecewise(kind, _known(kind, t), _voltage)


def seebeck(kind: str, t: Float) -> Float:
    """dE/dt [mV/degC] at t [degC]."""
    return _piecewise(kind, _known(kind, t), _voltage_slope)


def temperature(kind: str, e: Float) -> Float:
    """What has the reference voltage e [mV], in degC; NaN beyond the reference function.

    >>> temperature("T", np.array([-3.379, 0.391, 30.0])).round(2)
    array([-100.01,   10.  ,     nan])
    """
    at, voltages, inverse = _grid(kind)
    inside = (e >= voltages[0]) & (e <= voltages[-1])
    e = np.where(inside, e, np.nan)
    k = np.searchsorted(voltages[1:-1], np.where(inside, e, voltages[0]))
    t = at[k] + (e - voltages[k]) * inverse[k]
    for _ in range(_NEWTON_STEPS):
        t = t - (_piecewise(kind, t, _voltage) - e) / _piecewise(kind, t, _voltage_slope)
    return t


def _known(kind: str, t: Float) -> Float:
    """t where the reference function has a number for it, else NaN."""
    known: Bools = (t >= pieces(kind)[0].lowest) & (t <= pieces(kind)[-1].highest)
    return np.where(known, t, np.nan)


def _piecewise(kind: str, t: Float, of: Callable[[Piece, Float], Float]) -> Float:
    """`of` the piece that t lies in; the outer pieces go on beyond their ends."""
    first, *others = pieces(kind)
    found = of(first, t)
    for piece in others:
        found = np.where(t > piece.lowest, of(piece, t), found)
    return found


@cache
def _grid(kind: str) -> tuple[Float, Float, Float]:
    """Temperatures, their voltages, and degC for each mV between one and the next."""
    lowest, highest = _TYPES[kind]["lowest"], pieces(kind)[-1].highest
    at = np.linspace(lowest, highest, int((highest - lowest) / _GRID_STEP) + 2)
    voltages = emf(kind, at)
    return at, voltages, np.diff(at) / np.diff(voltages)


def _voltage(piece: Piece, t: Float) -> Float:
    e = horner(t, piece.coefficients)
    return e if piece.bump is None else e + _bump(piece.bump, t)


def _voltage_slope(piece: Piece, t: Float) -> Float:
    e = horner_slope(t, piece.coefficients)
    if piece.bump is None:
        return e
    _, rate, centre = piece.bump
    return e + _bump(piece.bump, t) * (2.0 * rate * (t - centre))


def _bump(bump: tuple[float, float, float], t: Float) -> Float:
    height, rate, centre = bump
    away = t - centre
    return height * np.exp(rate * (away * away))


def _thermocouple(kind: str, row: Mapping[str, Any]) -> Curve:
    """From measured mV and the cold junction's temperature to temperature [degC]."""
    (lowest, highest), (coldest, warmest) = row["domain"], row["cold"]
    metals, tolerance, within = row["metals"], row["tolerance"], row["within"]

    def value(x: Float, p: Float, z: Float) -> Float:
        return temperature(kind, x + emf(kind, z))

    def slope(x: Float, p: Float, z: Float) -> Float:
        return 1.0 / seebeck(kind, value(x, p, z))

    def slope_cold(x: Float, p: Float, z: Float) -> Float:
        return seebeck(kind, z) / seebeck(kind, value(x, p, z))

    return Curve(
        name=f"thermocouple_{kind.lower()}",
        title=f"Thermocouple type {kind} ({metals}): temperature from mV and cold junction.",
        formula=(
            "E(t) = x + E(z) [mV], with x as measured, z the cold junction [°C] and E the ITS-90 "
            "reference\nfunction, which is solved for t by Newton's method."
        ),
        value=value,
        slope=slope,
        gradient=no_parameters,
        parameters={},
        from_unit="mV",
        to_unit="degC",
        domain=(lowest, highest),
        uncertainty=from_limits(tolerance),
        second=Second("device_temperature", "degC", slope_cold, (coldest, warmest)),
        reference="NIST Monograph 175 (ITS-90); IEC 60584-1:2013",
        example=Example(**row["example"]),
        notes=f"""References: Burns et al. 1993, NIST Monograph 175; IEC 60584-1:2013, tolerances.
        Notes: the voltage must not be compensated already. The domain holds for any cold junction
        within its own. Uncertainty: ± {tolerance} °C, class 2 from {within} °C (a share of t
        beyond), read as limits of a rectangular distribution (JCGM 100:2008, 4.3.7); that of the
        cold junction comes with it. {row.get("note", "")}""",
    )


CURVES = tuple(_thermocouple(kind, row) for kind, row in _TYPES.items())
