"""Campbell CS616 and CS625, linear: volumetric water content from the period.

θ = -0.4677 + 0.0283 P [m³/m³], P in µs.

References: Campbell Scientific CS616 and CS625 manual, table 8-1.
Notes: a straight line through the quadratic's middle: at 32 µs it gives 0.438, the quadratic 0.449,
and below 17 µs less than nothing. The domain is θ from 0 to 0.5 turned back into µs.

>>> import numpy as np
>>> CURVE.value(np.array([22.0]), CURVE.parameter_vector()).round(5)
array([0.1549])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="cs616_linear",
    parameters={"c0": -0.4677, "c1": 0.0283},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Campbell Scientific CS616 and CS625 manual, table 8-1",
    from_unit="us",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(16.6, 34.1),
)
