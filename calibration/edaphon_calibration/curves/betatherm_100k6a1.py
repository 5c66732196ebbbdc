"""BetaTherm 100K6A1 thermistor (100 kΩ at 25 °C): temperature from resistance.

T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm (Steinhart and Hart).

References: Steinhart and Hart 1968, Deep-Sea Research 15, doi:10.1016/0011-7471(68)90057-0;
coefficients: Campbell Scientific 107 manual, table 8-2, the same in decentlab-decoders DL-BLG.
Notes: which temperature it is (soil, air, a black globe) each calibration states. The domain, -35
to 100 °C, is that of the sensors built with it; tolerance of the part is not in this number.

>>> import numpy as np
>>> CURVE.value(np.array([30e3]), CURVE.parameter_vector()).round(3)
array([52.802])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.thermistors import gradient, slope, value

__all__ = ["CURVE"]

CURVE = Curve(
    name="betatherm_100k6a1",
    parameters={"a": 8.271111e-4, "b": 2.08802e-4, "c": 8.0592e-8},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Campbell Scientific 107 manual, table 8-2",
    from_unit="ohm",
    to_unit="degC",
    domain=(5.5e3, 2.9e6),
)
