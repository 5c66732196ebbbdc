"""Drnevich et al. 2005, cohesionless (sandy) soil: water content from permittivity and density.

θ = (√ε - 1.0 ρ) / 8.5 [m³/m³], ρ the dry bulk density [g/cm³].

References: Drnevich, Ashmawy, Yu, Sallam 2005, Canadian Geotechnical Journal 42, 1053-1065,
doi:10.1139/t05-047; in the form of Zhao et al. 2016, equation 21. Coefficients read in
FDR2soilmoisture, R/eps2theta.R, whose older version divided √ε by ρ, the gravimetric form.
Notes: 20 °C, water of 1 g/cm³.

>>> import numpy as np
>>> CURVE.value(np.array([10.0]), CURVE.parameter_vector({"bulk_density": 1.35})).round(5)
array([0.21321])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import RootOfSoil

__all__ = ["CURVE"]

_SHAPE = RootOfSoil(root=(1.0,), offset=(0.0, -1.0), divisor=(8.5,))

CURVE = Curve(
    name="drnevich_2005_cohesionless",
    parameters={"bulk_density": None},
    value=_SHAPE.value,
    slope=_SHAPE.slope,
    gradient=_SHAPE.gradient,
    reference="Drnevich et al. 2005, doi:10.1139/t05-047",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
)
