"""BetaTherm 10K3A1 thermistor (10 kΩ at 25 °C), that of the Campbell 109: temperature from ohms.

T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm (Steinhart and Hart).

References: Campbell Scientific 109 manual, section 8.2, coefficients of Measurement Specialties
(now TE Connectivity), the same in Campbell's FAQ 736; table C-1 of the 109SS manual is met within
0.0024 °C between -38 and 70 °C.
Notes: the domain is -50 to 70 °C, the range of the 109. The uncertainty is the worst case of the
109 from -10 to 70 °C, ± 0.25 °C, read as limits of a rectangular distribution (JCGM 100:2008,
4.3.7); down to -50 °C it is ± 0.60 °C, so colder it is understated.

>>> import numpy as np
>>> CURVE.value(np.array([38110.0]), CURVE.parameter_vector()).round(2)
array([-3.])
"""

from math import sqrt

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.thermistors import gradient, slope, value

__all__ = ["CURVE"]

CURVE = Curve(
    name="betatherm_10k3a1",
    parameters={"a": 1.129241e-3, "b": 2.341077e-4, "c": 8.775468e-8},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Campbell Scientific 109 manual, section 8.2",
    from_unit="ohm",
    to_unit="degC",
    domain=(1.75e3, 6.7e5),
    uncertainty=0.25 / sqrt(3),
)
