"""Hilhorst 2000: conductivity of the pore water from that of the soil and its permittivity.

σ_p = ε_p σ_b / (ε_b - ε_0), ε_p = 80.3 - 0.37 (T - 20) that of the pore water; z is ε_b, the
permittivity of the soil as a whole.

References: Hilhorst 2000, Soil Science Society of America Journal 64(6), 1922-1925,
doi:10.2136/sssaj2000.6461922x; as the Decagon 5TE operator's manual, section 3.4, gives it.
Notes: ε_0 is 4.1 on average, 1.9 to 7.6 by soil. Not for soil drier than about 0.10 m³/m³ (ε_b
below 10). There is a pole at ε_0 and no value below it; less than 4 above it the first order misses
the uncertainty and `monte_carlo` gives it. T [°C] is a parameter of the calibration: it changes σ_p
by 0.46 % for a degree. Where σ_b was brought to 25 °C, σ_p is that of 25 °C.

>>> import numpy as np
>>> CURVE.value(np.array([0.2]), CURVE.parameter_vector(), np.array([15.0])).round(5)
array([1.47339])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive, reciprocal
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]

_PER_DEGREE = -0.37


def _factor(p: Float, z: Float) -> tuple[float, Float]:
    """ε_p and 1/(ε_b - ε_0)."""
    offset, temperature = p.tolist()
    return 80.3 + _PER_DEGREE * (temperature - 20.0), reciprocal(positive(z - offset))


def value(x: Float, p: Float, z: Float) -> Float:
    water, over = _factor(p, z)
    return water * (x + x * 0.0) * over


def slope(x: Float, p: Float, z: Float) -> Float:
    water, over = _factor(p, z)
    return x * 0.0 + water * over


def gradient(x: Float, p: Float, z: Float) -> Float:
    _, over = _factor(p, z)
    return np.stack([value(x, p, z) * over, _PER_DEGREE * (x + x * 0.0) * over])


def slope_in_permittivity(x: Float, p: Float, z: Float) -> Float:
    _, over = _factor(p, z)
    return -value(x, p, z) * over


CURVE = Curve(
    name="hilhorst_2000",
    parameters={"offset": 4.1, "temperature": 20.0},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Hilhorst 2000, doi:10.2136/sssaj2000.6461922x",
    from_unit="dS/m",
    to_unit="dS/m",
    quantity="pore_water_electrical_conductivity",
    domain=(0.0, 7.0),
    second=Second("relative_permittivity", "dimensionless", slope_in_permittivity, (10.0, 80.0)),
)
