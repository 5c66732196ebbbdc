"""Topp et al. 1980: volumetric water content of mineral soil from apparent permittivity.

θ = -5.3e-2 + 2.92e-2 ε - 5.5e-4 ε² + 4.3e-6 ε³ [m³/m³].

References: Topp, Davis, Annan 1980, Water Resources Research 16(3), 574-582,
doi:10.1029/WR016i003p00574. Coefficients compared with three public implementations and with the
values printed in CRREL Special Report 98-2, table 14.
Notes: for mineral soils, ε from 3 to 40; biased in organic soils and clays and above θ of about
0.5; gives 0.03 at ε = 3. The polynomial θ to ε of the same paper is a separate fit, not the
inverse. The uncertainty is the standard error of estimate commonly cited from the paper, 0.013.

>>> import numpy as np
>>> CURVE.value(np.array([10.0]), CURVE.parameter_vector()).round(4)
array([0.1883])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="topp_1980",
    parameters={"c0": -5.3e-2, "c1": 2.92e-2, "c2": -5.5e-4, "c3": 4.3e-6},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Topp et al. 1980, doi:10.1029/WR016i003p00574",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
    uncertainty=0.013,
)
