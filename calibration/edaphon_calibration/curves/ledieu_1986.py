"""Ledieu et al. 1986: volumetric water content from apparent permittivity.

θ = 0.1138 √ε - 0.1758 [m³/m³].

References: Ledieu, De Ridder, De Clerck, Dautrebande 1986, Journal of Hydrology 88, 319-328,
doi:10.1016/0022-1694(86)90097-1.
Notes: the coefficients are those commonly cited from the paper (0.1138 is 1/8.79); no page of it
was at hand. Mineral soils, ε from 3 to 40; `ledieu_1986_density` regards bulk density.

>>> import numpy as np
>>> CURVE.value(np.array([25.0]), CURVE.parameter_vector()).round(5)
array([0.3932])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import root_line, root_line_gradient, root_line_slope

__all__ = ["CURVE"]

CURVE = Curve(
    name="ledieu_1986",
    parameters={"c0": -0.1758, "c1": 0.1138},
    value=root_line,
    slope=root_line_slope,
    gradient=root_line_gradient,
    reference="Ledieu et al. 1986, doi:10.1016/0022-1694(86)90097-1",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
)
