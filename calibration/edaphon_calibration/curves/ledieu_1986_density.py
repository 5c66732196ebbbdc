"""Ledieu et al. 1986 with bulk density: volumetric water content from apparent permittivity.

θ = (√ε - 0.297 ρ - 1.344) / 8.79 [m³/m³], ρ the dry bulk density [g/cm³].

References: Ledieu, De Ridder, De Clerck, Dautrebande 1986, Journal of Hydrology 88, 319-328,
doi:10.1016/0022-1694(86)90097-1.
Notes: the coefficients are those commonly cited from the paper; no page of it was at hand.

>>> import numpy as np
>>> CURVE.value(np.array([15.0]), CURVE.parameter_vector({"bulk_density": 1.35})).round(5)
array([0.2421])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import RootOfSoil

__all__ = ["CURVE"]

_SHAPE = RootOfSoil(root=(1.0,), offset=(-1.344, -0.297), divisor=(8.79,))

CURVE = Curve(
    name="ledieu_1986_density",
    parameters={"bulk_density": None},
    value=_SHAPE.value,
    slope=_SHAPE.slope,
    gradient=_SHAPE.gradient,
    reference="Ledieu et al. 1986, doi:10.1016/0022-1694(86)90097-1",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 40.0),
)
