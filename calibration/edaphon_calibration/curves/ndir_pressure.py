"""Infrared gas analyser without compensation of its own, with the air pressure of each reading.

C = C_ind (101.3 kPa / P) (T / 298.15 K) [1]; P is the second input, T a parameter.
For a probe that corrects for them inside, this would correct twice.

References: [1] Vaisala GMP343 User's Guide M210514EN, section on compensation, and Vaisala's note
on error correction; ideal gas law.
Notes: as `ndir_ideal_gas`, which takes one pressure for all readings. In soil the temperature is
steadier than air pressure, so it is the pressure that follows each reading. A real probe's slopes
differ: `gmp343_uncompensated` has the typical ones of that probe.

>>> import numpy as np
>>> p = CURVE.parameter_vector({"temperature": 5})
>>> CURVE.value(np.array([3000.0]), p, np.array([90.0]))
array([3150.15875678])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]

P0_KPA, T0_K, ICE_K = 101.3, 298.15, 273.15


def value(x: Float, p: Float, z: Float) -> Float:
    return _finite(x) * _factor(p, z)


def slope(x: Float, p: Float, z: Float) -> Float:
    return _factor(p, z) + x * 0.0


def gradient(x: Float, p: Float, z: Float) -> Float:
    return np.stack([_finite(x) * (P0_KPA / positive(z) / T0_K)])


def slope_second(x: Float, p: Float, z: Float) -> Float:
    return -value(x, p, z) / positive(z)


def _finite(x: Float) -> Float:
    """NaN for what is not finite."""
    return x + 0.0 * x


def _factor(p: Float, z: Float) -> Float:
    return P0_KPA / positive(z) * (float(p[0] + ICE_K) / T0_K)


CURVE = Curve(
    name="ndir_pressure",
    parameters={"temperature": 25.0},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Vaisala GMP343 User's Guide M210514EN; ideal gas law",
    from_unit="ppm",
    to_unit="ppm",
    quantity="co2_mole_fraction",
    domain=(0.0, 100000.0),
    compensates=("pressure", "temperature"),
    second=Second("air_pressure", "kPa", slope_second, (50.0, 110.0)),
)
