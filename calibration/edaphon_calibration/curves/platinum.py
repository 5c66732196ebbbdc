"""Platinum resistance thermometers (IEC 60751): resistance, temperature and tolerance classes.

R = r0 (1 + a t + b t² + [t < 0] c (t - 100) t³) [ohm], t in °C.
"""

import numpy as np

from edaphon_calibration.arrays import Float, nan_like, powers
from edaphon_calibration.curves.shapes import Functions, curves_of

IEC60751 = {"a": 3.9083e-3, "b": -5.775e-7, "c": -4.183e-12}
_CLASSES = {"AA": (0.1, 0.0017), "A": (0.15, 0.002), "B": (0.3, 0.005), "C": (0.6, 0.01)}
_NEWTON_STEPS = 4  # a fixed number, so that no split of an array changes a bit


def resistance(t: Float, p: Float) -> Float:
    """Resistance [ohm] at t [degC] with p = r0, a, b, c.

    >>> resistance(np.array([-160.0, 100.0]), np.array([100.0, *IEC60751.values()])).round(2)
    array([ 35.54, 138.51])
    """
    return _ratio(t, p) * float(p[0])


def class_limit(name: str, t: Float) -> Float:
    """Tolerance [degC, half width] of a class of IEC 60751:2008 (AA, A, B or C) at t [degC].

    >>> class_limit("A", np.array([-40.0, 0.0]))
    array([0.23, 0.15])
    """
    fixed, share = _CLASSES[name]
    half: Float = fixed + share * np.abs(t)
    return half


def _ratio(t: Float, p: Float) -> Float:
    _, a, b, c = p.tolist()
    below = np.where(t < 0.0, t, 0.0)
    ratio: Float = 1.0 + t * (a + b * t) + c * (below - 100.0) * (below * below * below)
    return ratio


def _temperature(x: Float, p: Float) -> Float:
    """Closed form above 0 degC, Newton's method from there below it; NaN beyond the parabola."""
    r0, a, b, _ = p.tolist()
    ratio = nan_like(x * (1.0 / r0 if r0 else np.nan), x)
    room = a * a + 4.0 * b * (ratio - 1.0)
    t = 2.0 * (ratio - 1.0) / (a + np.sqrt(np.where(room >= 0.0, room, np.nan)))
    cold = t
    for _ in range(_NEWTON_STEPS):
        cold = cold - (_ratio(cold, p) - ratio) * r0 / _per_degree(cold, p)
    found: Float = np.where(t < 0.0, cold, t)
    return found


def _per_degree(t: Float, p: Float) -> Float:
    """dR/dt [ohm/degC]."""
    r0, a, b, c = p.tolist()
    below = np.where(t < 0.0, t, 0.0)
    rise: Float = (a + 2.0 * b * t + c * (below * below) * (4.0 * below - 300.0)) * r0
    return rise


def _gradient(x: Float, p: Float) -> Float:
    t = _temperature(x, p)
    below = np.where(t < 0.0, t, 0.0)
    _, first, second = powers(t, 3)
    quartic = (below - 100.0) * (below * below * below)
    r0 = float(p[0])
    rows: Float = np.stack([_ratio(t, p) / r0, first, second, quartic])
    part: Float = -rows * r0 / _per_degree(t, p)
    return part


def _slope(x: Float, p: Float) -> Float:
    return 1.0 / _per_degree(_temperature(x, p), p)


CURVES = curves_of(__file__, temperature=Functions(_temperature, _slope, _gradient))
