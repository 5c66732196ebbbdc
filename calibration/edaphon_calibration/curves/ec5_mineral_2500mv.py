"""METER (Decagon) EC-5 excited with 2.5 V: volumetric water content of mineral soil.

θ = 1.19e-3 mV - 0.401 [m³/m³].

References: Decagon EC-20, EC-10 and EC-5 user's manual, section 4 (read).
Notes: the output follows the excitation: not for loggers that supply 3 V. The line ends near
0.60 m³/m³ in pure water. ± 0.03 m³/m³ in mineral soils up to 8 dS/m, read as limits of a
rectangular distribution.

>>> import numpy as np
>>> CURVE.value(np.array([550.0]), CURVE.parameter_vector()).round(5)
array([0.2535])
"""

from math import sqrt

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="ec5_mineral_2500mv",
    parameters={"c0": -0.401, "c1": 1.19e-3},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Decagon EC-20, EC-10 and EC-5 user's manual, section 4",
    from_unit="mV",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(337.0, 841.0),
    uncertainty=0.03 / sqrt(3),
)
