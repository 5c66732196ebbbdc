"""Maxim DS18B20: temperature from the signed number of its scratchpad, 1/16 °C for each count.

T = n / 16 [°C].

References: Maxim Integrated DS18B20 data sheet, table 1; accuracy ± 0.5 °C from -10 to 85 °C.
Notes: n is the 16-bit register read as a signed number. 85.0 °C is also what a sensor says that
has measured nothing since power came on: to tell the two apart is the driver's business, before the
number gets here. ± 0.5 °C is read as limits of a rectangular distribution (JCGM 100:2008, 4.3.7);
beyond -10 to 85 °C it is ± 2 °C.

>>> import numpy as np
>>> CURVE.value(np.array([-162.0, 401.0]), CURVE.parameter_vector())
array([-10.125 ,  25.0625])
"""

from math import sqrt

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

_STEP = 1.0 / 16.0


def value(x: Float, p: Float) -> Float:
    return x * _STEP + x * 0.0


def slope(x: Float, p: Float) -> Float:
    return x * 0.0 + _STEP


def gradient(x: Float, p: Float) -> Float:
    return np.empty((0, len(x)))


CURVE = Curve(
    name="ds18b20_counts",
    parameters={},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Maxim Integrated DS18B20 data sheet, table 1",
    from_unit="count",
    to_unit="degC",
    domain=(-880.0, 2000.0),
    uncertainty=0.5 / sqrt(3),
)
