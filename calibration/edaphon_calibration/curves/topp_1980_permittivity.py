"""Topp et al. 1980, the other way: apparent permittivity of mineral soil from water content.

ε = 3.03 + 9.3 θ + 146 θ² - 76.7 θ³.

References: Topp, Davis, Annan 1980, Water Resources Research 16(3), 574-582,
doi:10.1029/WR016i003p00574, equation 6.
Notes: a separate fit, not the inverse of `topp_1980`: there and back leaves 0.014 m³/m³ at
θ = 0.15 and 0.023 at 0.5; where a round trip matters take `topp_1980_inverse`. The coefficients
are those commonly cited.

>>> import numpy as np
>>> CURVE.value(np.array([0.3]), CURVE.parameter_vector()).round(5)
array([16.8891])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="topp_1980_permittivity",
    parameters={"c0": 3.03, "c1": 9.3, "c2": 146.0, "c3": -76.7},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Topp et al. 1980, equation 6, doi:10.1029/WR016i003p00574",
    from_unit="m**3/m**3",
    to_unit="dimensionless",
    quantity="relative_permittivity",
    domain=(0.0, 0.55),
)
