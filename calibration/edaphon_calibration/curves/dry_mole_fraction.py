"""Wet to dry: a gas as share of the dry air, from its share of the moist air and the vapour.

C_dry = C_wet / (1 - W / 1000), W in mmol of water vapour per mol of moist air [1].

References: [1] LI-COR LI-8100A manual, Theory of Operation, table 4-1 (water corrected CO2).
Notes: for any gas whose analyser reports its share of moist air; units and quantity stay those of
the input. An analyser that already reports dry mole fractions must not come here: `compensates`
keeps that apart. 10 mmol/mol of added vapour imitate a fall of 4 ppm in 400 ppm.

>>> import numpy as np
>>> CURVE.value(np.array([400.0]), CURVE.parameter_vector(), np.array([12.6])).round(4)
array([405.1043])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive, reciprocal
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]


def value(x: Float, p: Float, z: Float) -> Float:
    return (x + x * 0.0) * _factor(z)


def slope(x: Float, p: Float, z: Float) -> Float:
    return _factor(z) + x * 0.0


def gradient(x: Float, p: Float, z: Float) -> Float:
    return np.empty((0, len(x)))


def slope_second(x: Float, p: Float, z: Float) -> Float:
    return value(x, p, z) * _factor(z) * 1e-3


def _factor(z: Float) -> Float:
    """1 over the share of dry air, NaN where there is none."""
    return reciprocal(positive(1.0 - z * 1e-3))


CURVE = Curve(
    name="dry_mole_fraction",
    parameters={},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="LI-COR LI-8100A manual, Theory of Operation, table 4-1",
    compensates=("dry air",),
    second=Second("h2o_mole_fraction", "mmol/mol", slope_second, (0.0, 100.0)),
)
