"""A line in the square root: water content of the own soil from permittivity, as for a CS650.

y = c0 + c1 √x; for water content x = ε and y = θ [units stated by the calibration].

References: Campbell Scientific CS650 manual, section 8.4: soil-specific calibration, linear in √ε
from three points on.
Notes: the same line as `refractive_index`, with the coefficients that a regression gives. The curve
has no domain but x > 0: the range in which a fit holds belongs to the calibration.

>>> import numpy as np
>>> CURVE.value(np.array([16.0]), CURVE.parameter_vector({"c0": -0.1758, "c1": 0.1138})).round(4)
array([0.2794])
"""

from math import inf

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
    domain=(1e-3, inf),
)
