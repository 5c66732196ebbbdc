"""Ju et al. 2010: volumetric water content from permittivity and bulk density.

θ = 0.1228 √ε - 0.1322 ρ - 0.0152 [m³/m³], ρ the dry bulk density [g/cm³].

References: Ju, Liu, Ren, Hu 2010, Soil Science 175(10), 469-473, doi:10.1097/ss.0b013e3181f55aa3.
Coefficients read in FDR2soilmoisture, R/eps2theta.R.
Notes: mineral soils; no uncertainty was at hand.

>>> import numpy as np
>>> CURVE.value(np.array([15.0]), CURVE.parameter_vector({"bulk_density": 1.35})).round(5)
array([0.28193])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import RootOfSoil

__all__ = ["CURVE"]

_SHAPE = RootOfSoil(root=(0.1228,), offset=(-0.0152, -0.1322))

CURVE = Curve(
    name="ju_2010",
    parameters={"bulk_density": None},
    value=_SHAPE.value,
    slope=_SHAPE.slope,
    gradient=_SHAPE.gradient,
    reference="Ju et al. 2010, doi:10.1097/ss.0b013e3181f55aa3",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
)
