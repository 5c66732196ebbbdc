"""Complex refractive index model (CRIM): water content from permittivity and porosity.

θ = (√ε - (1 - n) √ε_s - n √ε_a) / (√ε_w - √ε_a) [m³/m³], n the porosity [m³/m³]; ε_s, ε_w and ε_a
the permittivities of solids, water and air.

References: Roth, Schulin, Flühler, Attinger 1990, Water Resources Research 26(10), 2267-2273,
doi:10.1029/WR026i010p02267; ε_s = 3.29 and ε_w = 80 as Fersch et al. 2018,
doi:10.1029/2018WR023337.
Notes: ε_s is 3 to 5; ε_w follows the temperature (`water_permittivity`): 80.4 at 20 °C, 86.1 at
5 °C. The public copy of Fersch et al. in FDR2soilmoisture has a bracket misplaced,
1 - n √ε_s for (1 - n) √ε_s: it gives 0.102 m³/m³ more at n = 0.49.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector({"porosity": 0.49})).round(5)
array([0.38482])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def value(x: Float, p: Float) -> Float:
    n, solid, water, air = _roots(p)
    return (np.sqrt(positive(x)) - (1.0 - n) * solid - n * air) / (water - air)


def slope(x: Float, p: Float) -> Float:
    _, _, water, air = _roots(p)
    return 0.5 / (np.sqrt(positive(x)) * (water - air))


def gradient(x: Float, p: Float) -> Float:
    n, solid, water, air = _roots(p)
    wide = (water - air) or float("nan")
    y = value(x, p)
    even = y * 0.0
    return np.stack(
        [
            even + (solid - air) / wide,
            even - (1.0 - n) * 0.5 / solid / wide,
            -y / wide * (0.5 / water),
            (y - n) / wide * (0.5 / air),
        ]
    )


def _roots(p: Float) -> tuple[float, float, float, float]:
    """Porosity and √ε of solids, water and air; NaN where a permittivity is not above 0."""
    solid, water, air = np.sqrt(positive(p[1:])).tolist()
    return float(p[0]), solid, water, air


CURVE = Curve(
    name="crim",
    parameters={"porosity": None, "solid": 3.29, "water": 80.0, "air": 1.0},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Roth et al. 1990, doi:10.1029/WR026i010p02267",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(3.0, 60.0),
)
