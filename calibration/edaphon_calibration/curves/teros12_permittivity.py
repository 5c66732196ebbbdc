"""METER TEROS 11/12: apparent relative permittivity from calibrated counts.

ε = (2.887e-9 RAW³ - 2.080e-5 RAW² + 5.276e-2 RAW - 43.39)² [1].

References: METER TEROS 11/12 manual, section 4.1.3, equation 7; specifications (section 3.1): 1
(air) to 80 (water), ± 1 from 1 to 40 and 15 % above.
Notes: the domain is that range turned back into counts. The bracket passes zero at 1649 counts, so
below that ε would rise again while the counts fall. ± 1 is read as limits of a
rectangular distribution (JCGM 100:2008, 4.3.7) and understates the uncertainty above ε = 40.

>>> import numpy as np
>>> CURVE.value(np.array([2000.0]), CURVE.parameter_vector()).round(6)
array([4.104676])
"""

from math import sqrt

from edaphon_calibration.arrays import Float, horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def value(x: Float, p: Float) -> Float:
    root = horner(x, p)
    return root * root


def slope(x: Float, p: Float) -> Float:
    return 2.0 * horner(x, p) * horner_slope(x, p)


def gradient(x: Float, p: Float) -> Float:
    return powers(x, len(p)) * (2.0 * horner(x, p))


CURVE = Curve(
    name="teros12_permittivity",
    parameters={"c0": -43.39, "c1": 5.276e-2, "c2": -2.080e-5, "c3": 2.887e-9},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="METER TEROS 11/12 manual, section 4.1.3, equation 7",
    from_unit="count",
    to_unit="dimensionless",
    quantity="relative_permittivity",
    domain=(1796.1, 3393.7),
    uncertainty=1.0 / sqrt(3),
)
