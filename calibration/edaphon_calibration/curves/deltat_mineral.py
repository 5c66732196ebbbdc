"""Delta-T probes in mineral soil: volumetric water content from apparent permittivity.

θ = (√ε - 1.6) / 8.4 [m³/m³].

References: Delta-T PR2 user manual 3.0a, page 20; ThetaProbe ML2 manual, page 14, equation 6 (as
FDR2soilmoisture, R/eps2theta.R, quotes it).
Notes: a0 is the refractive index of the dry soil, a1 the rise by water; with two points of the own
soil see `edaphon_calibration.soil`. The domain begins where θ is 0.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(5)
array([0.34192])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import refractive, refractive_gradient, refractive_slope

__all__ = ["CURVE"]

CURVE = Curve(
    name="deltat_mineral",
    parameters={"a0": 1.6, "a1": 8.4},
    value=refractive,
    slope=refractive_slope,
    gradient=refractive_gradient,
    reference="Delta-T PR2 user manual 3.0a, page 20",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(2.56, 60.0),
)
