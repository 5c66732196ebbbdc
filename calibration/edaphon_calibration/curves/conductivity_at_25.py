"""Electrical conductivity brought to 25 °C, of soil, pore water or solution, in its own unit.

σ_25 = σ / (1 + α (T - 25)), T the temperature [°C].

References: Campbell Scientific CS650 manual, section 8.3.3.2 (α = 0.02); α = 0.0191 is common for
natural water.
Notes: only for conductivities that the instrument reports as measured; TEROS 12 and others bring
them to 25 °C themselves, and what is compensated already must not come here. The line has a pole
at T = 25 - 1/α, far below frost, and no value there or below; in frozen soil it says nothing.

>>> import numpy as np
>>> CURVE.value(np.array([0.5]), CURVE.parameter_vector(), np.array([10.0])).round(5)
array([0.71429])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive, reciprocal
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]

_TO_C = 25.0


def _over(p: Float, z: Float) -> Float:
    return reciprocal(positive(1.0 + float(p[0]) * (z - _TO_C)))


def value(x: Float, p: Float, z: Float) -> Float:
    return x * _over(p, z) + x * 0.0


def slope(x: Float, p: Float, z: Float) -> Float:
    return _over(p, z) + x * 0.0


def gradient(x: Float, p: Float, z: Float) -> Float:
    row = -value(x, p, z) * (z - _TO_C) * _over(p, z)
    return row[np.newaxis]


def slope_in_temperature(x: Float, p: Float, z: Float) -> Float:
    return -value(x, p, z) * float(p[0]) * _over(p, z)


CURVE = Curve(
    name="conductivity_at_25",
    parameters={"alpha": 0.02},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Campbell Scientific CS650 manual, section 8.3.3.2",
    compensates=("25 degC",),
    second=Second("soil_temperature", "degC", slope_in_temperature, (0.0, 50.0)),
)
