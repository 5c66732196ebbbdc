"""Thermocouple type E (chromel against constantan): temperature from mV and cold junction.

E(t) = x + E(z) [mV], with x as measured, z the cold junction [°C] and E the ITS-90 reference
function, which is solved for t by Newton's method.

References: Burns et al. 1993, NIST Monograph 175; IEC 60584-1:2013, tolerances.
Notes: the voltage must not be compensated already. The domain holds for any cold junction within
its own. Uncertainty: ± 2.5 °C, class 2 from -40 to 333 °C (a share of t beyond), read as limits of
a rectangular distribution (JCGM 100:2008, 4.3.7); that of the cold junction comes with it.

>>> import numpy as np
>>> CURVE.value(np.array([1.0]), CURVE.parameter_vector(), np.array([20.0])).round(3)
array([36.328])
"""

from edaphon_calibration.thermocouples import thermocouple_curve

__all__ = ["CURVE"]

CURVE = thermocouple_curve("E", tolerance=2.5)
