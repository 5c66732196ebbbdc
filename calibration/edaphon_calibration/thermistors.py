"""Thermistors after Steinhart and Hart, read as a resistance or in a logger's half bridge.

T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm. In a half bridge the logger reports
r = Vs/Vx, the voltage across its fixed resistor against the excitation: R = top / r - rest [ohm].

References: Steinhart and Hart 1968, Deep-Sea Research 15, doi:10.1016/0011-7471(68)90057-0.
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive
from edaphon_calibration.curves.definition import Curve

__all__ = ["gradient", "half_bridge", "slope", "value"]

_ICE_K = 273.15


def value(x: Float, p: Float) -> Float:
    """Temperature [degC] from resistance x [ohm] with p = a, b, c; NaN where x is not above 0."""
    return _kelvin(x, p)[0] - _ICE_K


def slope(x: Float, p: Float) -> Float:
    """dT/dR [degC/ohm]."""
    _, b, c = p.tolist()
    kelvin, log = _kelvin(x, p)
    falling: Float = kelvin * kelvin * (b + 3.0 * c * (log * log)) / positive(x)
    return -falling


def gradient(x: Float, p: Float) -> Float:
    """dT/da, dT/db, dT/dc."""
    kelvin, log = _kelvin(x, p)
    square = kelvin * kelvin
    return np.stack([-square, -square * log, -square * (log * log * log)])


def half_bridge(
    name: str,
    thermistor: Curve,
    top: float,
    rest: float,
    domain: tuple[float, float],
    uncertainty: float,
    reference: str,
) -> Curve:
    """The curve from r = Vs/Vx to temperature; `domain` is in r, `top` and `rest` in ohm."""
    return Curve(
        name=name,
        parameters={**thermistor.parameters, "top": top, "rest": rest},
        value=_bridge_value,
        slope=_bridge_slope,
        gradient=_bridge_gradient,
        reference=reference,
        from_unit="dimensionless",
        to_unit="degC",
        domain=domain,
        uncertainty=uncertainty,
    )


def _kelvin(x: Float, p: Float) -> tuple[Float, Float]:
    """Absolute temperature [K] and ln R."""
    a, b, c = p.tolist()
    log = np.log(positive(x))
    return 1.0 / (a + b * log + c * (log * log * log)), log


def _ohm(x: Float, p: Float) -> Float:
    return float(p[3]) / positive(x) - float(p[4])


def _bridge_value(x: Float, p: Float) -> Float:
    return value(_ohm(x, p), p[:3])


def _bridge_slope(x: Float, p: Float) -> Float:
    return -slope(_ohm(x, p), p[:3]) * float(p[3]) / (x * x)


def _bridge_gradient(x: Float, p: Float) -> Float:
    ohm = _ohm(x, p)
    per_ohm = slope(ohm, p[:3])
    return np.concatenate([gradient(ohm, p[:3]), np.stack([per_ohm / x, -per_ohm])])
