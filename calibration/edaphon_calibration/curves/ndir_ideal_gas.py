"""Infrared gas analyser without compensation of its own: density at one pressure and temperature.

C = C_ind (101.3 kPa / P) (T / 298.15 K) [1], with P and T of the gas that was measured. For a probe
that corrects for them inside, this would correct twice.

References: [1] Vaisala GMP343 User's Guide M210514EN, section on compensation; ideal gas law.
Notes: the slopes of a real probe differ: uncompensated, a GMP343 reads -0.35 % per degC and
+0.15 % per hPa away from 25 degC and 1013 hPa [1, table 9]; the ideal gas gives -0.34 and +0.10.

>>> import numpy as np
>>> CURVE.value(np.array([3000.0]), CURVE.parameter_vector({"pressure": 90, "temperature": 5}))
array([3150.15875678])
"""

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

P0_KPA, T0_K, ICE_K = 101.3, 298.15, 273.15


def value(x: Float, p: Float) -> Float:
    return _finite(x) * _factor(p)


def slope(x: Float, p: Float) -> Float:
    return np.full_like(x, _factor(p)) + (_finite(x) - x)


def gradient(x: Float, p: Float) -> Float:
    per_pressure = -value(x, p) / p[0]
    per_temperature = _finite(x) * (P0_KPA / p[0] / T0_K)
    return np.stack([per_pressure, per_temperature])


def _finite(x: Float) -> Float:
    """NaN for what is not finite."""
    return x + 0.0 * x


def _factor(p: Float) -> float:
    return float(P0_KPA / p[0] * (p[1] + ICE_K) / T0_K)


CURVE = Curve(
    name="ndir_ideal_gas",
    parameters={"pressure": None, "temperature": 25.0},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Vaisala GMP343 User's Guide M210514EN; ideal gas law",
    from_unit="ppm",
    to_unit="ppm",
    quantity="co2_mole_fraction",
    domain=(0.0, 100000.0),
    compensates=("pressure", "temperature"),
)
