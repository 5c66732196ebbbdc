"""METER (Decagon) EC-5 on the maker's loggers: water content of mineral soil from raw counts.

θ = 8.5e-4 RAW - 0.48 [m³/m³].

References: METER (Decagon) EC-5 manual, mineral soils; the coefficients are those commonly cited.
Notes: the maker's loggers excite with 3 V, so this is not `ec5_mineral_2500mv` in other units
(0.61 mV for a count would give 7.3e-4). The domain is 0 to 0.60 m³/m³ turned back into counts.
± 0.03 m³/m³ is read as limits of a rectangular distribution.

>>> import numpy as np
>>> CURVE.value(np.array([650.0]), CURVE.parameter_vector()).round(5)
array([0.0725])
"""

from math import sqrt

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="ec5_mineral_raw",
    parameters={"c0": -0.48, "c1": 8.5e-4},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="METER (Decagon) EC-5 manual",
    from_unit="count",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(564.8, 1270.5),
    uncertainty=0.03 / sqrt(3),
)
