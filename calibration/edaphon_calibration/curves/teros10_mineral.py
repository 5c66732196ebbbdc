"""METER TEROS 10: volumetric water content of mineral soil from the sensor's voltage.

θ = 4.824e-10 mV³ - 2.278e-6 mV² + 3.898e-3 mV - 2.154 [m³/m³].

References: METER TEROS 10 manual; coefficients as two public drivers have them.
Notes: some public sketches in C write 10^-10, which is an exclusive or there. The domain is the
specified 0 to 0.64 m³/m³ turned back into millivolts; ± 0.03 m³/m³ is read as limits of a
rectangular distribution.

>>> import numpy as np
>>> CURVE.value(np.array([1500.0]), CURVE.parameter_vector()).round(5)
array([0.1956])
"""

from math import sqrt

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="teros10_mineral",
    parameters={"c0": -2.154, "c1": 3.898e-3, "c2": -2.278e-6, "c3": 4.824e-10},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="METER TEROS 10 manual",
    from_unit="mV",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(1070.4, 2309.0),
    uncertainty=0.03 / sqrt(3),
)
