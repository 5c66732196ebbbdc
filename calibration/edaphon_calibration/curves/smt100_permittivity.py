"""TRUEBNER SMT100: apparent permittivity from the counts of its ring oscillator.

ε = γ + 1 / (α + β / c), c = (18000 - counts) / 5000; written as ε = γ + c / (α c + β).

References: Bogena, Huisman, Schilling, Weuthen, Vereecken 2017, Sensors 17(1), 208,
doi:10.3390/s17010208; default parameters as FDR2soilmoisture (counts2eps) has them.
Notes: the counts fall as the soil gets wetter. α, β and γ are an average sensor's: each sensor is
calibrated on its own in media of known permittivity. The pole lies at 8234 counts, and below it ε
is negative: the domain ends before, at ε = 80, water.

>>> import numpy as np
>>> CURVE.value(np.array([12000.0]), CURVE.parameter_vector()).round(4)
array([14.0417])
"""

import numpy as np

from edaphon_calibration.arrays import Float, reciprocal
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def _parts(x: Float, p: Float) -> tuple[Float, Float]:
    """c and 1/(α c + β)."""
    alpha, beta, _ = p.tolist()
    c = (18000.0 - x) / 5000.0
    return c, reciprocal(alpha * c + beta)


def value(x: Float, p: Float) -> Float:
    c, over = _parts(x, p)
    return float(p[2]) + c * over


def slope(x: Float, p: Float) -> Float:
    c, over = _parts(x, p)
    return over * over * (float(p[1]) / -5000.0) + c * 0.0


def gradient(x: Float, p: Float) -> Float:
    c, over = _parts(x, p)
    by_beta = -c * over * over
    return np.stack([by_beta * c, by_beta, by_beta * 0.0 + 1.0])


CURVE = Curve(
    name="smt100_permittivity",
    parameters={"alpha": -0.1305, "beta": 0.2549, "gamma": 1.8342},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Bogena et al. 2017, doi:10.3390/s17010208",
    from_unit="count",
    to_unit="dimensionless",
    quantity="relative_permittivity",
    domain=(9106.0, 18000.0),
)
