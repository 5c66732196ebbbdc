"""Campbell Scientific 107 as older (Edlog) loggers linearise it: a polynomial of the voltage ratio.

T = -53.4601 + 9.0807 X - 0.83257 X² + 0.052283 X³ - 0.0016723 X⁴ + 0.00002211 X⁵ [°C], X = 8000 r
with r = Vs/Vx.

References: [1] Campbell Scientific 107-L manual, table 8-2 and section 6; [2] CR10TCR manual,
tables 3 and 4.
Notes: [1] prints X = 800 Vs/Vx, which does not meet its own bridge of 1 kΩ and 249 kΩ: 0 °C would
read -43 °C. The factor 800 belongs to the ten, hundred … times larger coefficients of [2]; with
8000 the outputs that [2] prints for its resistances come out within 0.04 °C from -39 to 50 °C. For
putting old records right and for comparison: `campbell_107` has no error of linearisation. That
error is ± 0.1 °C from -24 to 48 °C and ± 0.5 °C from -35 to 50 °C, the domain; ± 0.4 °C worst case
of the probe and 0.1 °C are added here and read as limits of a rectangular distribution.

>>> import numpy as np
>>> CURVE.value(np.array([1e-3]), CURVE.parameter_vector()).round(3)
array([-13.455])
"""

from math import sqrt

from edaphon_calibration.arrays import Float, horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

_SCALE = 8000.0


def value(x: Float, p: Float) -> Float:
    return horner(x * _SCALE, p)


def slope(x: Float, p: Float) -> Float:
    return horner_slope(x * _SCALE, p) * _SCALE


def gradient(x: Float, p: Float) -> Float:
    return powers(x * _SCALE, len(p))


CURVE = Curve(
    name="campbell_107_edlog",
    parameters={
        "c0": -53.4601,
        "c1": 9.0807,
        "c2": -0.83257,
        "c3": 0.052283,
        "c4": -0.0016723,
        "c5": 0.00002211,
    },
    value=value,
    slope=slope,
    gradient=gradient,
    reference="Campbell Scientific 107-L manual, table 8-2",
    from_unit="dimensionless",
    to_unit="degC",
    domain=(3.182e-4, 3.526e-3),
    uncertainty=0.5 / sqrt(3),
)
