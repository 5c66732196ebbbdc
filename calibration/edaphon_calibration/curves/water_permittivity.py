"""Static relative permittivity of water from its temperature [°C].

ε = 78.54 (1 - 4.5791e-3 d + 1.19e-5 d² - 2.8e-8 d³), d = T - 25.

References: Weast 1986, CRC Handbook of Chemistry and Physics, 67th edition; coefficients read in
FDR2soilmoisture, R/eps_water.R.
Notes: 0 to 100 °C, pure water at low frequency. Some copies round the second coefficient to
4.579e-3, which changes ε by 0.002 at most.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(4)
array([80.3619])
"""

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

_AT_C = 25.0


def _ratio(x: Float, p: Float) -> tuple[Float, Float]:
    d = x - _AT_C
    c = np.concatenate(([1.0], p[1:]))
    return horner(d, c), horner_slope(d, c)


def value(x: Float, p: Float) -> Float:
    return float(p[0]) * _ratio(x, p)[0]


def slope(x: Float, p: Float) -> Float:
    return float(p[0]) * _ratio(x, p)[1]


def gradient(x: Float, p: Float) -> Float:
    rows = powers(x - _AT_C, len(p)) * float(p[0])
    rows[0] = _ratio(x, p)[0]
    return rows


CURVE = Curve(
    name="water_permittivity",
    parameters={"at_25": 78.54, "c1": -4.5791e-3, "c2": 1.19e-5, "c3": -2.8e-8},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Weast 1986, CRC Handbook of Chemistry and Physics, 67th edition",
    from_unit="degC",
    to_unit="dimensionless",
    quantity="relative_permittivity",
    domain=(0.0, 100.0),
)
