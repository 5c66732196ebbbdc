"""Malicki et al. 1996, equation 12: water content from permittivity and porosity.

θ = (√ε - 3.47 + 6.22 n - 3.82 n²) / (7.01 + 6.89 n - 7.83 n²) [m³/m³], n the porosity [m³/m³].

References: Malicki, Plagge, Roth 1996, European Journal of Soil Science 47, 357-366,
doi:10.1111/j.1365-2389.1996.tb01409.x. Coefficients read in SoilHyP, R/DK_to_SWC.R.
Notes: 62 mineral and organic soils and mixtures.

>>> import numpy as np
>>> CURVE.value(np.array([15.0]), CURVE.parameter_vector({"porosity": 0.49})).round(5)
array([0.29786])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import RootOfSoil

__all__ = ["CURVE"]

_SHAPE = RootOfSoil(root=(1.0,), offset=(-3.47, 6.22, -3.82), divisor=(7.01, 6.89, -7.83))

CURVE = Curve(
    name="malicki_1996_porosity",
    parameters={"porosity": None},
    value=_SHAPE.value,
    slope=_SHAPE.slope,
    gradient=_SHAPE.gradient,
    reference="Malicki et al. 1996, equation 12, doi:10.1111/j.1365-2389.1996.tb01409.x",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 60.0),
)
