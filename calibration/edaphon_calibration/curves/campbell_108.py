"""Campbell Scientific 108: temperature from the voltage ratio that a logger measures.

R = 1000/r - 41000 [ohm], then Steinhart-Hart of the BetaTherm 100K6A1.

References: [1] Campbell Scientific 108 manual, sections 6 and 8.2, tables 8-1 and 8-2.
Notes: the input is r = Vs/Vx, the result of a half-bridge instruction; for Vx/Vs or for ohms
another curve is meant. The domain is -5 to 95 °C. The uncertainty is the thermistor's tolerance
from 0 to 70 °C, ± 0.2 °C, read as limits of a rectangular distribution (JCGM 100:2008, 4.3.7).
Errors of the bridge are those of `top` and `rest` [ohm], 0.1 % resistors [1].

>>> import numpy as np
>>> CURVE.value(np.array([7.0422535e-3]), CURVE.parameter_vector()).round(3)
array([24.787])
"""

from math import sqrt

from edaphon_calibration.curves.betatherm_100k6a1 import CURVE as _THERMISTOR
from edaphon_calibration.thermistors import half_bridge

__all__ = ["CURVE"]

CURVE = half_bridge(
    name="campbell_108",
    thermistor=_THERMISTOR,
    top=1000.0,
    rest=41000.0,
    domain=(1.990e-3, 2.103e-2),
    uncertainty=0.2 / sqrt(3),
    reference="Campbell Scientific 108 manual, section 8.2",
)
