"""METER TEROS 11/12: volumetric water content of mineral soil from calibrated counts.

θ = 3.879e-4 RAW - 0.6956 [m³/m³].

References: METER TEROS 11/12 manual, section 4.1.1, equation 5; specifications (section 3.1): range
0.00 to 0.70 m³/m³, ± 0.03 m³/m³ typical in mineral soils below 8 dS/m solution EC.
Notes: linear, so it stays near 0.70 in pure water. The domain is the specified range of θ turned
back into counts. ± 0.03 is read as limits of a rectangular distribution (JCGM 100:2008, 4.3.7).

>>> import numpy as np
>>> CURVE.value(np.array([2200.0]), CURVE.parameter_vector()).round(5)
array([0.15778])
"""

from math import sqrt

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="teros12_mineral",
    parameters={"c0": -0.6956, "c1": 3.879e-4},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="METER TEROS 11/12 manual, section 4.1.1, equation 5",
    from_unit="count",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(1793.2, 3597.9),
    uncertainty=0.03 / sqrt(3),
)
