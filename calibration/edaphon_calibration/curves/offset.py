"""One number added to what the instrument says: an ice bath, a comparison at one point.

y = x + offset [units stated by the calibration].

References: definition. The ice point is 0.00 °C, in practice known to about 0.01 °C.
Notes: an offset found at one point says nothing of the slope; away from that point the uncertainty
is larger than that of the offset. `fit_curve` makes offset and uncertainty from the readings.

>>> import numpy as np
>>> CURVE.value(np.array([12.34]), CURVE.parameter_vector({"offset": -0.116})).round(6)
array([12.224])
"""

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def value(x: Float, p: Float) -> Float:
    return x + x * 0.0 + float(p[0])


def slope(x: Float, p: Float) -> Float:
    return x * 0.0 + 1.0


def gradient(x: Float, p: Float) -> Float:
    return np.stack([slope(x, p)])


CURVE = Curve(
    name="offset",
    parameters={"offset": None},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="definition",
)
