"""Irrometer Watermark 200SS: matric potential [kPa] from resistance and soil temperature.

With k = R/1000 and q = 1 + 0.018 (T - 24):
0 up to 550 ohm; (w0 + w1 q - w2 k q) = -(23.156 k - 12.736) q from there to 1 kohm;
(-3.213 k - 4.093) / (1 - 0.009733 k - 0.01205 T) to 8 kohm;
-2.246 - 5.239 k q - 0.06756 k² q² above.

References: Shock, Barnum, Seddigh 1998, Proceedings of the Irrigation Association, 139-146 (middle
branch); Irrometer, example program for the 200SS, versions 1.0 and 1.1 (the other branches).
Notes: public copies disagree about the wet branch. Taken is the one that is continuous at 24 °C: it
is 0 at 550 ohm and meets the middle branch at 1 kohm. The other, -20 (k q - 0.55), jumps from -9.0
to -10.4 kPa there and turns positive in cold soil; it is {w0: 11, w1: 0, w2: 20}. At other
temperatures steps of up to 1.5 kPa remain at 1 and 8 kohm. Shock calibrated from -10 to -100 kPa;
wetter than -10 kPa the sensor hardly answers. Below 300 ohm (short) and above 35 kohm (open) there
is no value. Several copies have a bracket misplaced in the dry branch.

>>> import numpy as np
>>> CURVE.value(np.array([2500.0]), CURVE.parameter_vector(), np.array([24.0])).round(4)
array([-17.6636])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive, reciprocal
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]

_WET, _MIDDLE, _DRY = 550.0, 1000.0, 8000.0
_SHORT, _OPEN = 300.0, 35000.0
_PER_DEGREE = 0.018


def _branch(x: Float, wet: Float, middle: Float, dry: Float, z: Float) -> Float:
    """What of the branches holds at x; NaN beyond the sensor and where z is unknown."""
    y = np.where(x < _MIDDLE, wet, np.where(x <= _DRY, middle, dry))
    y = np.where(x <= _WET, 0.0, y) + z * 0.0
    return np.where((x >= _SHORT) & (x <= _OPEN), y, np.nan)


def _scaled(x: Float, z: Float) -> tuple[Float, Float, Float]:
    """k, q and 1 over the denominator of the middle branch."""
    k = x / 1000.0
    below = positive(1.0 - 0.009733 * k - 0.01205 * z)
    return k, 1.0 + _PER_DEGREE * (z - 24.0), reciprocal(below)


def value(x: Float, p: Float, z: Float) -> Float:
    w0, w1, w2 = p.tolist()
    k, q, over = _scaled(x, z)
    kq = k * q
    dry = -2.246 - 5.239 * kq - 0.06756 * (kq * kq)
    return _branch(x, w0 + w1 * q - w2 * kq, (-3.213 * k - 4.093) * over, dry, z)


def slope(x: Float, p: Float, z: Float) -> Float:
    k, q, over = _scaled(x, z)
    middle = (-3.213 + 0.009733 * (-3.213 * k - 4.093) * over) * over
    dry = (-5.239 - 2.0 * 0.06756 * k * q) * q
    return _branch(x, -float(p[2]) * q, middle, dry, z) / 1000.0


def gradient(x: Float, p: Float, z: Float) -> Float:
    k, q, _ = _scaled(x, z)
    none = k * 0.0
    return np.stack([_branch(x, row, none, none, z) for row in (none + 1.0, q, -k * q)])


def slope_in_temperature(x: Float, p: Float, z: Float) -> Float:
    _, w1, w2 = p.tolist()
    k, q, over = _scaled(x, z)
    wet = (w1 - w2 * k) * _PER_DEGREE
    middle = (-3.213 * k - 4.093) * 0.01205 * over * over
    dry = (-5.239 - 2.0 * 0.06756 * k * q) * k * _PER_DEGREE
    return _branch(x, wet, middle, dry, z)


CURVE = Curve(
    name="watermark_200ss_shock",
    parameters={"w0": 0.0, "w1": 12.736, "w2": 23.156},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Shock et al. 1998, Proc. Irrigation Association, 139-146; Irrometer 200SS program",
    from_unit="ohm",
    to_unit="kPa",
    quantity="matric_potential",
    domain=(550.0, 35000.0),
    compensates=("temperature",),
    second=Second("soil_temperature", "degC", slope_in_temperature, (0.0, 40.0)),
)
