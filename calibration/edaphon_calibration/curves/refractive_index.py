"""Refractive index: volumetric water content from permittivity with two numbers of the own soil.

θ = (√ε - a0) / a1 [m³/m³].

References: Whalley 1993, Journal of Soil Science 44, 1-9, doi:10.1111/j.1365-2389.1993.tb00429.x;
Delta-T SM150T user manual 1.0, page 48, for the two points.
Notes: a0 [1] is √ε of the dry soil, 1.0 to 2.0; a1 [1] its rise with water, 7.6 to 8.6 in most
soils. `soil.two_point_soil` finds both. The domain is that of soils from dry to saturated.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector({"a0": 1.6, "a1": 8.4})).round(5)
array([0.34192])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import refractive, refractive_gradient, refractive_slope

__all__ = ["CURVE"]

CURVE = Curve(
    name="refractive_index",
    parameters={"a0": None, "a1": None},
    value=refractive,
    slope=refractive_slope,
    gradient=refractive_gradient,
    reference="Whalley 1993, doi:10.1111/j.1365-2389.1993.tb00429.x",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(2.0, 60.0),
)
