"""Platinum resistance thermometers (IEC 60751): resistance, temperature and tolerance classes.

R = r0 (1 + a t + b t² + [t < 0] c (t - 100) t³) [ohm], t in °C.
"""

import numpy as np

from edaphon_calibration.arrays import Float, nan_like, powers
from edaphon_calibration.curves import Curve, Example
from edaphon_calibration.uncertainty import from_limits

IEC60751 = {"a": 3.9083e-3, "b": -5.775e-7, "c": -4.183e-12}
_CLASSES = {"AA": (0.1, 0.0017), "A": (0.15, 0.002), "B": (0.3, 0.005), "C": (0.6, 0.01)}
_NEWTON_STEPS = 4  # a fixed number, so that no split of an array changes a bit
_TYPICAL_C = 50.0


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


def _platinum(name: str, title: str, r0: float, wires: str, example: Example) -> Curve:
    """The curve from resistance [ohm] to temperature [degC] of an element of r0 ohm at 0 degC."""
    limit = float(class_limit("B", np.array([_TYPICAL_C]))[0])
    ends = resistance(np.array([-200.0, 850.0]), np.array([r0, *IEC60751.values()]))
    return Curve(
        name=name,
        title=title,
        formula=(
            "R = r0 (1 + a t + b t² + [t < 0] c (t - 100) t³) [ohm], t in °C, solved for t: in "
            "closed form above\n0 °C, by a fixed number of Newton steps below."
        ),
        parameters={"r0": r0, **IEC60751},
        value=_temperature,
        slope=lambda x, p: 1.0 / _per_degree(_temperature(x, p), p),
        gradient=_gradient,
        from_unit="ohm",
        to_unit="degC",
        domain=(float(ends[0]), float(ends[1])),
        uncertainty=from_limits(limit),
        reference="IEC 60751:2008, sections 4.2 and 5.1",
        example=example,
        notes=f"""References: IEC 60751:2008, section 4.2, tolerance classes in section 5.1; 38
        points of its table as reprinted by Sensor Scientific are met within 0.005 ohm for a Pt100
        (one reprint has 35.34 at -160 °C, a misprint for 35.54).
        Notes: wires belong to the reading: with two wires {wires}. The uncertainty is the tolerance
        of class B at 50 °C, ± 0.55 °C, read as limits of a rectangular distribution (JCGM 100:2008,
        4.3.7): a better class (`class_limit`) is stated as the model uncertainty of a calibration,
        an own r0 with its covariance.""",
    )


CURVES: tuple[Curve, ...] = (
    _platinum(
        "iec60751_pt100",
        "Pt100: temperature from the resistance of a platinum element of 100 ohm at 0 °C.",
        100.0,
        "each ohm of a Pt100 reads as +2.6 °C",
        Example(84.27, -40.0016),
    ),
    _platinum(
        "iec60751_pt1000",
        "Pt1000: temperature from the resistance of a platinum element of 1000 ohm at 0 °C.",
        1000.0,
        "each ohm reads as +0.26 °C",
        Example(1077.9, 19.991),
    ),
)
