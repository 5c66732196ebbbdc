"""Thermocouples: reference functions forward, inverse by Newton's method, cold junction in volts.

A thermocouple feels a difference: E(t) = E_measured + E(t_cold) [mV], and t is what has that E. To
add temperatures instead is wrong, for E(t) is not straight.
"""

from collections.abc import Callable
from functools import cache
from math import ceil, floor, sqrt

import numpy as np

from edaphon_calibration.arrays import Bools, Float, horner, horner_slope
from edaphon_calibration.curves.definition import Curve, Second
from edaphon_calibration.its90 import PIECES, Piece

__all__ = ["emf", "seebeck", "temperature", "thermocouple_curve"]

# Where NIST's own inverse functions begin [degC]; below, E says too little (type B: ambiguous).
_LOWEST = {"B": 250.0, "E": -200.0, "J": -210.0, "K": -200.0}
_LOWEST |= {"N": -200.0, "R": -50.0, "S": -50.0, "T": -200.0}
_COLD = {"B": (0.0, 60.0), "R": (0.0, 60.0), "S": (0.0, 60.0)}  # [degC], others (-40, 80)
_NEWTON_STEPS = 4  # a fixed number, so that no split of an array changes a bit
_GRID_STEP = 5.0  # [degC]: the straight line between is within 0.1 degC, where Newton is at home


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


def thermocouple_curve(kind: str, tolerance: float) -> Curve:
    """The curve from measured mV, beside the cold junction's temperature, to temperature [degC].

    `tolerance` is that of IEC 60584-1, class 2, near room temperature [degC, half width].
    """

    def value(x: Float, p: Float, z: Float) -> Float:
        return temperature(kind, x + emf(kind, z))

    def slope(x: Float, p: Float, z: Float) -> Float:
        return 1.0 / seebeck(kind, value(x, p, z))

    def slope_cold(x: Float, p: Float, z: Float) -> Float:
        return seebeck(kind, z) / seebeck(kind, value(x, p, z))

    cold = _COLD.get(kind, (-40.0, 80.0))
    return Curve(
        name=f"thermocouple_{kind.lower()}",
        parameters={},
        value=value,
        slope=slope,
        gradient=lambda x, p, z: np.empty((0, len(x))),
        reference="NIST Monograph 175 (ITS-90); IEC 60584-1:2013",
        from_unit="mV",
        to_unit="degC",
        domain=_domain(kind, cold),
        uncertainty=tolerance / sqrt(3.0),
        second=Second("device_temperature", "degC", slope_cold, cold),
    )


def _domain(kind: str, cold: tuple[float, float]) -> tuple[float, float]:
    """The measured voltages that have a temperature whatever the cold junction has, in whole uV."""
    ends = np.array([_LOWEST[kind], PIECES[kind][-1].highest])
    lowest, highest = emf(kind, ends).tolist()
    at_cold = emf(kind, np.linspace(*cold, 51))
    lowest, highest = lowest - float(at_cold.min()), highest - float(at_cold.max())
    return ceil(lowest * 1e3) / 1e3, floor(highest * 1e3) / 1e3


def _known(kind: str, t: Float) -> Float:
    """t where the reference function has a number for it, else NaN."""
    known: Bools = (t >= PIECES[kind][0].lowest) & (t <= PIECES[kind][-1].highest)
    return np.where(known, t, np.nan)


def _piecewise(kind: str, t: Float, of: Callable[[Piece, Float], Float]) -> Float:
    """`of` the piece that t lies in; the outer pieces go on beyond their ends."""
    first, *others = PIECES[kind]
    found = of(first, t)
    for piece in others:
        found = np.where(t > piece.lowest, of(piece, t), found)
    return found


@cache
def _grid(kind: str) -> tuple[Float, Float, Float]:
    """Temperatures, their voltages, and degC for each mV between one and the next."""
    lowest, highest = _LOWEST[kind], PIECES[kind][-1].highest
    at = np.linspace(lowest, highest, int((highest - lowest) / _GRID_STEP) + 2)
    voltages = emf(kind, at)
    return at, voltages, np.diff(at) / np.diff(voltages)


def _voltage(piece: Piece, t: Float) -> Float:
    e = horner(t, np.array(piece.coefficients))
    return e if piece.bump is None else e + _bump(piece.bump, t)


def _voltage_slope(piece: Piece, t: Float) -> Float:
    e = horner_slope(t, np.array(piece.coefficients))
    if piece.bump is None:
        return e
    _, rate, centre = piece.bump
    return e + _bump(piece.bump, t) * (2.0 * rate * (t - centre))


def _bump(bump: tuple[float, float, float], t: Float) -> Float:
    height, rate, centre = bump
    away = t - centre
    return height * np.exp(rate * (away * away))
