"""Campbell Scientific 109: temperature from the voltage ratio that a logger measures.

R = 24900 (1/r - 1) [ohm], then Steinhart-Hart of the BetaTherm 10K3A1.

References: [1] Campbell Scientific 109 manual, sections 6 and 8.2.
Notes: the input is r = Vs/Vx, the result of a half-bridge instruction; for Vx/Vs or for ohms
another curve is meant. The domain is -50 to 70 °C. The uncertainty is the worst case from -10 to 70
°C, ± 0.25 °C, read as limits of a rectangular distribution (JCGM 100:2008, 4.3.7); ± 0.60 °C below.
Errors of the bridge are those of `top` and `rest` [ohm], 0.1 % resistors [1].

>>> import numpy as np
>>> CURVE.value(np.array([0.5]), CURVE.parameter_vector()).round(3)
array([5.398])
"""

from math import sqrt

from edaphon_calibration.curves.betatherm_10k3a1 import CURVE as _THERMISTOR
from edaphon_calibration.thermistors import half_bridge

__all__ = ["CURVE"]

CURVE = half_bridge(
    name="campbell_109",
    thermistor=_THERMISTOR,
    top=24900.0,
    rest=24900.0,
    domain=(3.588e-2, 0.9342),
    uncertainty=0.25 / sqrt(3),
    reference="Campbell Scientific 109 manual, section 8.2",
)
