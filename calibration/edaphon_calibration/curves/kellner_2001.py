"""Kellner and Lundin 2001: volumetric water content of weakly decomposed Sphagnum peat.

θ = 3.90e-2 + 3.17e-2 ε - 4.50e-4 ε² + 2.60e-6 ε³ [m³/m³].

References: Kellner, Lundin 2001, Nordic Hydrology 32(4-5), 315-332, table 2,
pooled data (n = 190). Coefficients and error read in SoilHyP, R/DK_to_SWC.R.
Notes: von Post H2 to H4, porosity 0.95 to 0.98: the domain ends near saturation. The same
copy gives the first term of the single classes H2 and H4 a minus, of H3 and of all together a plus:
one is a slip, so only the pooled curve is offered.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(5)
array([0.5138])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="kellner_2001",
    parameters={"c0": 3.90e-2, "c1": 3.17e-2, "c2": -4.50e-4, "c3": 2.60e-6},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Kellner and Lundin 2001, Nordic Hydrology 32(4-5), 315-332, table 2",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 70.0),
    uncertainty=0.04,
)
