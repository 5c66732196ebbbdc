"""A line in the square root: water content of the own soil from permittivity, as for a CS650.

θ = c0 + c1 √ε [m³/m³].

References: Campbell Scientific CS650 manual, section 8.4: soil-specific calibration, linear in √ε
from three points on.
Notes: the same line as `refractive_index`, with the coefficients that a regression gives. The
domain is from air to water: the range in which a fit holds belongs to the calibration.

>>> import numpy as np
>>> CURVE.value(np.array([16.0]), CURVE.parameter_vector({"c0": -0.1758, "c1": 0.1138})).round(4)
array([0.2794])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import root_line, root_line_gradient, root_line_slope

__all__ = ["CURVE"]

CURVE = Curve(
    name="square_root",
    parameters={"c0": None, "c1": None},
    value=root_line,
    slope=root_line_slope,
    gradient=root_line_gradient,
    reference="Campbell Scientific CS650 manual, section 8.4",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(1.0, 81.0),
)
