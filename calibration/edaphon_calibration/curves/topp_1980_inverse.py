"""The inverse of Topp et al. 1980: apparent permittivity of mineral soil from water content.

The ε for which -5.3e-2 + 2.92e-2 ε - 5.5e-4 ε² + 4.3e-6 ε³ = θ; the cubic rises everywhere,
so there is one.

References: Topp, Davis, Annan 1980, Water Resources Research 16(3), 574-582,
doi:10.1029/WR016i003p00574, equation 7.
Notes: Newton's method from the paper's own polynomial for ε (`topp_1980_permittivity`, a separate
fit), a fixed number of steps; what has not settled then is NaN. Its domain is that of `topp_1980`.

>>> import numpy as np
>>> CURVE.value(np.array([0.1883]), CURVE.parameter_vector()).round(6)
array([10.])
"""

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, powers, reciprocal
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

_START = np.array([3.03, 9.3, 146.0, -76.7])
_STEPS = 12
_SETTLED = 1e-12  # of θ


def value(x: Float, p: Float) -> Float:
    epsilon = horner(x, _START)
    for _ in range(_STEPS):
        epsilon = epsilon - (horner(epsilon, p) - x) * reciprocal(horner_slope(epsilon, p))
    return np.where(np.abs(horner(epsilon, p) - x) < _SETTLED, epsilon, np.nan)


def slope(x: Float, p: Float) -> Float:
    return reciprocal(horner_slope(value(x, p), p))


def gradient(x: Float, p: Float) -> Float:
    epsilon = value(x, p)
    return -powers(epsilon, len(p)) * reciprocal(horner_slope(epsilon, p))


CURVE = Curve(
    name="topp_1980_inverse",
    parameters={"c0": -5.3e-2, "c1": 2.92e-2, "c2": -5.5e-4, "c3": 4.3e-6},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Topp et al. 1980, equation 7, doi:10.1029/WR016i003p00574",
    from_unit="m**3/m**3",
    to_unit="dimensionless",
    quantity="relative_permittivity",
    domain=(0.0298, 0.5102),
)
