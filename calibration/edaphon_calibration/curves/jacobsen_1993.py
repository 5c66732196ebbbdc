"""Jacobsen and Schjønning 1993, equation 2: volumetric water content from apparent permittivity.

θ = -7.01e-2 + 3.47e-2 ε - 11.6e-4 ε² + 18.0e-6 ε³ [m³/m³].

References: Jacobsen, Schjønning 1993, Journal of Hydrology 151, 147-157,
doi:10.1016/0022-1694(93)90233-Y. Coefficients read in SoilHyP, R/DK_to_SWC.R.
Notes: mineral soils without regard to bulk density, clay and organic matter; `jacobsen_1993_soil`
regards them. The cubic runs away above ε of 40.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(5)
array([0.3039])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="jacobsen_1993",
    parameters={"c0": -7.01e-2, "c1": 3.47e-2, "c2": -11.6e-4, "c3": 18.0e-6},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Jacobsen and Schjønning 1993, equation 2, doi:10.1016/0022-1694(93)90233-Y",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
)
