"""Jacobsen and Schjønning 1993, equation 3: water content from permittivity and soil properties.

θ = -3.41e-2 + 3.45e-2 ε - 11.4e-4 ε² + 17.1e-6 ε³ - 3.7e-2 ρ + 7.36e-4 c + 47.7e-4 o [m³/m³], with
ρ the dry bulk density [g/cm³], c clay and o organic matter [% by mass].

References: Jacobsen, Schjønning 1993, Journal of Hydrology 151, 147-157,
doi:10.1016/0022-1694(93)90233-Y. Coefficients read in SoilHyP, R/DK_to_SWC.R, and in
FDR2soilmoisture, R/eps2theta.R.
Notes: the cubic runs away above ε of 40.

>>> import numpy as np
>>> soil = {"bulk_density": 1.35, "clay": 22.0, "organic_matter": 3.5}
>>> CURVE.value(np.array([25.0]), CURVE.parameter_vector(soil)).round(5)
array([0.36602])
"""

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

_CUBIC = np.array([-3.41e-2, 3.45e-2, -11.4e-4, 17.1e-6])
_PER_DENSITY, _PER_CLAY, _PER_ORGANIC = -3.7e-2, 7.36e-4, 47.7e-4


def value(x: Float, p: Float) -> Float:
    density, clay, organic = p.tolist()
    soil: float = _PER_DENSITY * density + _PER_CLAY * clay + _PER_ORGANIC * organic
    return horner(x, _CUBIC) + soil


def slope(x: Float, p: Float) -> Float:
    return horner_slope(x, _CUBIC)


def gradient(x: Float, p: Float) -> Float:
    one = powers(x, 1)[0]
    return np.stack([one * _PER_DENSITY, one * _PER_CLAY, one * _PER_ORGANIC])


CURVE = Curve(
    name="jacobsen_1993_soil",
    parameters={"bulk_density": None, "clay": None, "organic_matter": None},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Jacobsen and Schjønning 1993, equation 3, doi:10.1016/0022-1694(93)90233-Y",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
)
