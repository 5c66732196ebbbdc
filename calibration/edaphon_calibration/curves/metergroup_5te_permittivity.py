"""METER (Decagon) 5TE and 5TM: apparent permittivity from the raw counts.

ε = RAW / 50.

References: Decagon 5TE operator's manual (version of 2016), section 4.1; specifications: 1 (air) to
80 (water), ± 1 from 1 to 40 and 15 % above.
Notes: for mineral soils the maker then takes `topp_1980`. ± 1 is read as limits of a rectangular
distribution and understates the uncertainty above ε = 40.

>>> import numpy as np
>>> CURVE.value(np.array([1000.0]), CURVE.parameter_vector()).round(5)
array([20.])
"""

from math import sqrt

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="metergroup_5te_permittivity",
    parameters={"c0": 0.0, "c1": 0.02},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Decagon 5TE operator's manual, section 4.1",
    from_unit="count",
    to_unit="dimensionless",
    quantity="relative_permittivity",
    domain=(50.0, 4000.0),
    uncertainty=1.0 / sqrt(3),
)
