"""Roth et al. 1992, mineral soils: volumetric water content from apparent permittivity.

θ = -0.0728 + 0.0448 ε - 1.95e-3 ε² + 3.61e-5 ε³ [m³/m³].

References: Roth, Malicki, Plagge 1992, Journal of Soil Science 43, 1-13,
doi:10.1111/j.1365-2389.1992.tb00115.x. Coefficients read in FDR2soilmoisture, R/eps2theta.R.
Notes: the cubic runs away above ε of 33, where θ passes 0.57 (0.91 at ε = 40): the domain ends
there. The range of ε in the paper was not at hand, nor an uncertainty.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(5)
array([0.332])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="roth_1992_mineral",
    parameters={"c0": -0.0728, "c1": 0.0448, "c2": -1.95e-3, "c3": 3.61e-5},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Roth et al. 1992, doi:10.1111/j.1365-2389.1992.tb00115.x",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 33.0),
)
