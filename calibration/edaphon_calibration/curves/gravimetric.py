"""Volumetric water content from the gravimetric one and the dry bulk density.

θ = w ρ / ρ_w [m³/m³], w the mass of water over that of dry soil [g/g], ρ the dry bulk density and
ρ_w that of water [g/cm³].

References: definition; Topp and Ferré 2002, Methods of Soil Analysis, part 4, section 3.1.
Notes: w above 1 is usual in peat. Soil is dried at 105 °C; organic soil at 60 to 70 °C.
`edaphon_calibration.soil` has the way from weighed rings.

>>> import numpy as np
>>> CURVE.value(np.array([0.2]), CURVE.parameter_vector({"bulk_density": 1.274})).round(4)
array([0.2548])
"""

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def value(x: Float, p: Float) -> Float:
    return _finite(x) * float(p[0] / p[1])


def slope(x: Float, p: Float) -> Float:
    return x * 0.0 + float(p[0] / p[1])


def gradient(x: Float, p: Float) -> Float:
    return np.stack([_finite(x) / float(p[1]), -value(x, p) / float(p[1])])


def _finite(x: Float) -> Float:
    return x + x * 0.0


CURVE = Curve(
    name="gravimetric",
    parameters={"bulk_density": None, "water_density": 1.0},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="definition",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(0.0, 10.0),
)
