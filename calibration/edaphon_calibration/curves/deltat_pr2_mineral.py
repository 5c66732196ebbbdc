"""Delta-T PR2 profile probe in mineral soil: volumetric water content from the voltage.

θ = -0.057 - 0.66 V + 8.00 V² - 27.91 V³ + 49.23 V⁴ - 42.46 V⁵ + 14.47 V⁶ [m³/m³].

References: Delta-T PR2 user manual 3.0a, page 20.
Notes: the maker's expansion of `deltat_pr2_permittivity` and `deltat_mineral`, with rounded
coefficients: it differs from the two in a row by up to 0.0012 m³/m³. It turns over below 0.055 V.

>>> import numpy as np
>>> CURVE.value(np.array([0.5]), CURVE.parameter_vector()).round(5)
array([0.10034])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="deltat_pr2_mineral",
    parameters={
        "c0": -0.057,
        "c1": -0.66,
        "c2": 8.00,
        "c3": -27.91,
        "c4": 49.23,
        "c5": -42.46,
        "c6": 14.47,
    },
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Delta-T PR2 user manual 3.0a, page 20",
    from_unit="V",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(0.06, 1.0),
)
