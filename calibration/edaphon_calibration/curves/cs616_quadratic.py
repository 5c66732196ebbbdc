"""Campbell CS616 and CS625, quadratic: volumetric water content from the period.

θ = -0.0663 - 0.0063 P + 0.0007 P² [m³/m³], P in µs.

References: Campbell Scientific CS616 and CS625 manual, table 8-1.
Notes: bulk electrical conductivity up to 0.5 dS/m and bulk density up to 1.55 g/cm³, where the
manual states ± 0.025 m³/m³, read as limits of a rectangular distribution. The domain is θ from 0 to
0.5 turned back into µs. At 20 °C: elsewhere `cs616_temperature` comes first.

>>> import numpy as np
>>> CURVE.value(np.array([22.0]), CURVE.parameter_vector()).round(5)
array([0.1339])
"""

from math import sqrt

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="cs616_quadratic",
    parameters={"c0": -0.0663, "c1": -0.0063, "c2": 0.0007},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Campbell Scientific CS616 and CS625 manual, table 8-1",
    from_unit="us",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(15.3, 33.3),
    uncertainty=0.025 / sqrt(3),
)
