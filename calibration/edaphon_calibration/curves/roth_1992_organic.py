"""Roth et al. 1992, organic soils: volumetric water content from apparent permittivity.

θ = -0.0233 + 0.0285 ε - 4.31e-4 ε² + 3.04e-6 ε³ [m³/m³].

References: Roth, Malicki, Plagge 1992, Journal of Soil Science 43, 1-13, table 3c,
doi:10.1111/j.1365-2389.1992.tb00115.x. Coefficients and range of soils read in SoilHyP,
R/DK_to_SWC.R.
Notes: public copies disagree about the sign of the first term: SoilHyP (which names the table) has
minus, FDR2soilmoisture plus, 0.047 m³/m³ more. Minus is taken: with plus, dry organic soil at
ε = 3 would hold 0.105 m³/m³. Samples with 10 to 55 % organic matter and porosities of 0.53 to 0.79;
the domain ends where θ passes the latter.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(5)
array([0.39862])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="roth_1992_organic",
    parameters={"c0": -0.0233, "c1": 0.0285, "c2": -4.31e-4, "c3": 3.04e-6},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Roth et al. 1992, table 3c, doi:10.1111/j.1365-2389.1992.tb00115.x",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 60.0),
)
