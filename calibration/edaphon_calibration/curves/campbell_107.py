"""Campbell Scientific 107: temperature from the voltage ratio that a logger measures.

R = 1000/r - 250000 [ohm], then Steinhart-Hart of the BetaTherm 100K6A1.

References: [1] Campbell Scientific 107 manual, sections 6 and 8.2, table 8-2. One printing of that
table sets the bracket wrongly, with the cubic term outside the reciprocal.
Notes: the input is r = Vs/Vx, the result of a half-bridge instruction; for Vx/Vs or for ohms
another curve is meant. The domain is -35 to 50 °C. The uncertainty is the worst case from -24 to 48
°C, ± 0.4 °C, read as limits of a rectangular distribution (JCGM 100:2008, 4.3.7); ± 0.9 °C beyond.
Errors of the bridge are those of `top` and `rest` [ohm], 0.1 % resistors [1].

>>> import numpy as np
>>> CURVE.value(np.array([1.66402e-3]), CURVE.parameter_vector()).round(3)
array([0.003])
"""

from math import sqrt

from edaphon_calibration.curves.betatherm_100k6a1 import CURVE as _THERMISTOR
from edaphon_calibration.thermistors import half_bridge

__all__ = ["CURVE"]

CURVE = half_bridge(
    name="campbell_107",
    thermistor=_THERMISTOR,
    top=1000.0,
    rest=250000.0,
    domain=(3.182e-4, 3.526e-3),
    uncertainty=0.4 / sqrt(3),
    reference="Campbell Scientific 107 manual, table 8-2",
)
