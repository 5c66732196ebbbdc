"""Singh et al. 2019: volumetric water content from the permittivity of a CS655 and clay content.

θ = (-3.33e-5 c² + 1.14e-3 c + 0.108) √ε + 6.52e-5 c² - 2.48e-3 c - 0.16 [m³/m³],
c clay [% by mass].

References: Singh, Lo, Rudnick, Irmak, Blanco-Canqui 2019, Agricultural Water Management 216,
390-399, doi:10.1016/j.agwat.2019.02.024. Coefficients read in FDR2soilmoisture, R/eps2theta.R.
Notes: made for the CS655, whose permittivity rises with clay; not for other probes.

>>> import numpy as np
>>> CURVE.value(np.array([10.0]), CURVE.parameter_vector({"clay": 22.0})).round(5)
array([0.18687])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import RootOfSoil

__all__ = ["CURVE"]

_SHAPE = RootOfSoil(root=(0.108, 1.14e-3, -3.33e-5), offset=(-0.16, -2.48e-3, 6.52e-5))

CURVE = Curve(
    name="singh_2019",
    parameters={"clay": None},
    value=_SHAPE.value,
    slope=_SHAPE.slope,
    gradient=_SHAPE.gradient,
    reference="Singh et al. 2019, doi:10.1016/j.agwat.2019.02.024",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
)
