"""Vaisala GMP343 with its compensation switched off: the typical slopes of the maker.

C = C_ind / (1 + per_degree (T - 25) + per_kpa (P - 101.3)); P [kPa] is the second input, T [°C] a
parameter.

References: Vaisala GMP343 User's Guide M210514EN-E, page 76: typical effect without compensation
-0.35 % of reading per °C, +0.15 % of reading per hPa. The probe has no pressure sensor.
Notes: per_degree and per_kpa are shares, typical of the model and not of one probe: the
compensation inside the probe is better where it can be used. The maker's straight lines hold near
25 °C and 1013 hPa; the domain of pressure is where his accuracy for compensated readings is stated.

>>> import numpy as np
>>> p = CURVE.parameter_vector({"temperature": 15.0})
>>> CURVE.value(np.array([400.0]), p, np.array([96.3])).round(3)
array([416.667])
"""

import numpy as np

from edaphon_calibration.arrays import Float, reciprocal
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]

_P0_KPA, _T0_C = 101.3, 25.0


def value(x: Float, p: Float, z: Float) -> Float:
    return (x + x * 0.0) * _factor(p, z)


def slope(x: Float, p: Float, z: Float) -> Float:
    return _factor(p, z) + x * 0.0


def gradient(x: Float, p: Float, z: Float) -> Float:
    temperature, per_degree, _ = p.tolist()
    falling = -value(x, p, z) * _factor(p, z)
    parts = (per_degree, temperature - _T0_C, z - _P0_KPA)
    return np.stack([falling * part for part in parts])


def slope_second(x: Float, p: Float, z: Float) -> Float:
    return -value(x, p, z) * _factor(p, z) * float(p[2])


def _factor(p: Float, z: Float) -> Float:
    temperature, per_degree, per_kpa = p.tolist()
    error = per_degree * (temperature - _T0_C) + per_kpa * (z + z * 0.0 - _P0_KPA)
    return reciprocal(1.0 + error)


CURVE = Curve(
    name="gmp343_uncompensated",
    parameters={"temperature": 25.0, "per_degree": -0.0035, "per_kpa": 0.015},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Vaisala GMP343 User's Guide M210514EN-E, page 76",
    from_unit="ppm",
    to_unit="ppm",
    quantity="co2_mole_fraction",
    domain=(0.0, 20000.0),
    compensates=("pressure", "temperature"),
    second=Second("air_pressure", "kPa", slope_second, (70.0, 130.0)),
)
