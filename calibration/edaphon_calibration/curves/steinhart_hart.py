"""Any thermistor with the three Steinhart-Hart coefficients of its certificate.

T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm.

References: Steinhart and Hart 1968, Deep-Sea Research 15, doi:10.1016/0011-7471(68)90057-0.
Notes: a, b and c must be given and stand for the natural logarithm of ohms; coefficients for kΩ or
for log10 are other numbers. Which temperature it is, and its range, each calibration states.

>>> import numpy as np
>>> p = CURVE.parameter_vector({"a": 1.129241e-3, "b": 2.341077e-4, "c": 8.775468e-8})
>>> CURVE.value(np.array([38110.0]), p).round(2)
array([-3.])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.thermistors import gradient, slope, value

__all__ = ["CURVE"]

CURVE = Curve(
    name="steinhart_hart",
    parameters={"a": None, "b": None, "c": None},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Steinhart and Hart 1968, doi:10.1016/0011-7471(68)90057-0",
    from_unit="ohm",
    to_unit="degC",
    domain=(100.0, 1e7),
)
