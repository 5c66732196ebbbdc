"""Zhao et al. 2016: volumetric water content from permittivity and bulk density.

θ = (0.3039 ρ - 2.1851 + √ε) / (18.0283 ρ - 17.9531 + (1.8351 - 0.6806 ρ) √ε) [m³/m³],
ρ the dry bulk density [g/cm³].

References: Zhao, Ling, Wang, Huang, Wang 2016, Journal of Zhejiang University-SCIENCE A 17,
240-252, doi:10.1631/jzus.A1500065. Coefficients read in FDR2soilmoisture, R/eps2theta.R.
Notes: the denominator passes 0 at small ε and ρ below 1 (pole at ε = 2.0 for ρ = 0.9): where it is
not above 0 there is no value.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector({"bulk_density": 1.35})).round(5)
array([0.25731])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def _parts(x: Float, p: Float) -> tuple[Float, Float, Float]:
    """Above and below the line, and √ε; NaN beyond the pole."""
    density = float(p[0])
    root = np.sqrt(positive(x))
    below = (18.0283 * density - 17.9531) + (1.8351 - 0.6806 * density) * root
    return (0.3039 * density - 2.1851) + root, positive(below), root


def value(x: Float, p: Float) -> Float:
    above, below, _ = _parts(x, p)
    return above / below


def slope(x: Float, p: Float) -> Float:
    above, below, root = _parts(x, p)
    per_root = (1.0 - above / below * (1.8351 - 0.6806 * float(p[0]))) / below
    return per_root * 0.5 / root


def gradient(x: Float, p: Float) -> Float:
    above, below, root = _parts(x, p)
    row = (0.3039 - above / below * (18.0283 - 0.6806 * root)) / below
    return row[np.newaxis]


CURVE = Curve(
    name="zhao_2016",
    parameters={"bulk_density": None},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Zhao et al. 2016, doi:10.1631/jzus.A1500065",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
)
