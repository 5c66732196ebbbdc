"""METER TEROS 11/12: volumetric water content of soilless media from calibrated counts.

θ = 6.771e-10 RAW³ - 5.105e-6 RAW² + 1.302e-2 RAW - 10.848 [m³/m³].

References: METER TEROS 11/12 manual, section 4.1.2, equation 6; specifications (section 3.1): range
0.0 to 1.0 m³/m³ (potting soil, perlite, peat).
Notes: the domain is that range turned back into counts. The maker states no accuracy for soilless
media; ± 0.03 m³/m³ of the generic calibration is taken, read as limits of a rectangular
distribution (JCGM 100:2008, 4.3.7).

>>> import numpy as np
>>> CURVE.value(np.array([2600.0]), CURVE.parameter_vector()).round(7)
array([0.3949096])
"""

from math import sqrt

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="teros12_soilless",
    parameters={"c0": -10.848, "c1": 1.302e-2, "c2": -5.105e-6, "c3": 6.771e-10},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="METER TEROS 11/12 manual, section 4.1.2, equation 6",
    from_unit="count",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(1802.7, 3389.3),
    uncertainty=0.03 / sqrt(3),
)
