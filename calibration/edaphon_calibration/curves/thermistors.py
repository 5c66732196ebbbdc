"""Thermistors, read as a resistance or in a logger's half bridge, and digital thermometers.

T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm. In a half bridge the logger reports
r = Vs/Vx, the voltage across its fixed resistor against the excitation: R = top / r - rest [ohm].

References: Steinhart and Hart 1968, Deep-Sea Research 15, doi:10.1016/0011-7471(68)90057-0.
"""

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, positive, powers
from edaphon_calibration.curves import ICE_K
from edaphon_calibration.curves.shapes import Functions, curves_of, no_parameters, scaled


def _steinhart_hart(x: Float, p: Float) -> Float:
    """Temperature [degC] from resistance x [ohm] with p = a, b, c; NaN where x is not above 0."""
    return _kelvin(x, p)[0] - ICE_K


def _steinhart_hart_slope(x: Float, p: Float) -> Float:
    """dT/dR [degC/ohm]."""
    _, b, c = p.tolist()
    kelvin, log = _kelvin(x, p)
    falling: Float = kelvin * kelvin * (b + 3.0 * c * (log * log)) / positive(x)
    return -falling


def _steinhart_hart_gradient(x: Float, p: Float) -> Float:
    """dT/da, dT/db, dT/dc."""
    kelvin, log = _kelvin(x, p)
    square = kelvin * kelvin
    return np.stack([-square, -square * log, -square * (log * log * log)])


def _kelvin(x: Float, p: Float) -> tuple[Float, Float]:
    """Absolute temperature [K] and ln R."""
    a, b, c = p.tolist()
    log = np.log(positive(x))
    return 1.0 / (a + b * log + c * (log * log * log)), log


def _ohm(x: Float, p: Float) -> Float:
    return float(p[3]) / positive(x) - float(p[4])


def _bridge(x: Float, p: Float) -> Float:
    return _steinhart_hart(_ohm(x, p), p[:3])


def _bridge_slope(x: Float, p: Float) -> Float:
    return -_steinhart_hart_slope(_ohm(x, p), p[:3]) * float(p[3]) / (x * x)


def _bridge_gradient(x: Float, p: Float) -> Float:
    ohm = _ohm(x, p)
    per_ohm = _steinhart_hart_slope(ohm, p[:3])
    return np.concatenate([_steinhart_hart_gradient(ohm, p[:3]), np.stack([per_ohm / x, -per_ohm])])


_EDLOG_SCALE = 8000.0


def _edlog(x: Float, p: Float) -> Float:
    return horner(x * _EDLOG_SCALE, p)


def _edlog_slope(x: Float, p: Float) -> Float:
    return horner_slope(x * _EDLOG_SCALE, p) * _EDLOG_SCALE


def _edlog_gradient(x: Float, p: Float) -> Float:
    return powers(x * _EDLOG_SCALE, len(p))


CURVES = curves_of(
    __file__,
    steinhart_hart=Functions(_steinhart_hart, _steinhart_hart_slope, _steinhart_hart_gradient),
    half_bridge=Functions(_bridge, _bridge_slope, _bridge_gradient),
    edlog=Functions(_edlog, _edlog_slope, _edlog_gradient),
    ds18b20_counts=scaled(lambda p: 1.0 / 16.0, no_parameters),
)
