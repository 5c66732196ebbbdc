"""Malicki et al. 1996, equation 10: water content from permittivity and bulk density.

θ = (√ε - 0.819 - 0.168 ρ - 0.159 ρ²) / (7.17 + 1.18 ρ) [m³/m³], ρ the dry bulk density [g/cm³].

References: Malicki, Plagge, Roth 1996, European Journal of Soil Science 47, 357-366,
doi:10.1111/j.1365-2389.1996.tb01409.x. Coefficients read in SoilHyP, R/DK_to_SWC.R.
Notes: 62 mineral and organic soils and mixtures, so also for peat (ρ from 0.13). Public copies
disagree: FDR2soilmoisture computes with 0.168 for both terms and documents 0.159 for the second.

>>> import numpy as np
>>> CURVE.value(np.array([15.0]), CURVE.parameter_vector({"bulk_density": 1.35})).round(5)
array([0.28956])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import RootOfSoil

__all__ = ["CURVE"]

_SHAPE = RootOfSoil(root=(1.0,), offset=(-0.819, -0.168, -0.159), divisor=(7.17, 1.18))

CURVE = Curve(
    name="malicki_1996_density",
    parameters={"bulk_density": None},
    value=_SHAPE.value,
    slope=_SHAPE.slope,
    gradient=_SHAPE.gradient,
    reference="Malicki et al. 1996, equation 10, doi:10.1111/j.1365-2389.1996.tb01409.x",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 60.0),
)
