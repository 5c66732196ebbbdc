"""An instrument checked at two points before and after: both points drift evenly in between.

With z from 0 (first check) to 1 (second check), raw_zero(z) and raw_span(z) go in a straight line
from the first to the second pair, and C is that of `zero_span` with them
[units stated by the calibration].

References: definition. Zero and span are interpolated before they are applied; to interpolate
between two calibrated values instead is not the same where the span drifts.
Notes: z is how much of the calibration's validity has passed, from its first day to its last: the
calendar is the deriver's business, and a fraction has no unit to get wrong. Beyond 0 to 1 the drift
is extrapolated, which is marked as outside. Good for gases, thermometers (baths before burial and
after recovery) and moisture probes alike.

>>> import numpy as np
>>> before, after = {"raw_zero": 3.2, "raw_span": 1004.8}, {"raw_zero_2": 5.8, "raw_span_2": 1012.0}
>>> p = CURVE.parameter_vector({**before, **after, "span_gas": 998.0})
>>> CURVE.value(np.array([412.7]), p, np.array([0.5])).round(6)
array([405.800976])
"""

import numpy as np

from edaphon_calibration.arrays import Float, reciprocal
from edaphon_calibration.curves.definition import Curve, Second

__all__ = ["CURVE"]


def value(x: Float, p: Float, z: Float) -> Float:
    way, _, rise = _line(x, p, z)
    return way * rise + float(p[4])


def slope(x: Float, p: Float, z: Float) -> Float:
    _, inverse, rise = _line(x, p, z)
    return inverse * rise + x * 0.0


def gradient(x: Float, p: Float, z: Float) -> Float:
    way, inverse, rise = _line(x, p, z)
    zero, span = (way - 1.0) * inverse * rise, -way * inverse * rise
    rows = (zero * (1.0 - z), span * (1.0 - z), zero * z, span * z, 1.0 - way, way)
    return np.stack(rows)


def slope_second(x: Float, p: Float, z: Float) -> Float:
    way, inverse, rise = _line(x, p, z)
    drift_zero, drift_span = float(p[2] - p[0]), float(p[3] - p[1])
    return ((way - 1.0) * drift_zero - way * drift_span) * inverse * rise


def _line(x: Float, p: Float, z: Float) -> tuple[Float, Float, float]:
    """How far x lies between zero and span, 1 over their distance in raw, and that in true."""
    z = z + z * 0.0
    zero = (1.0 - z) * float(p[0]) + z * float(p[2])
    span = (1.0 - z) * float(p[1]) + z * float(p[3])
    inverse = reciprocal(span - zero)
    return (x + x * 0.0 - zero) * inverse, inverse, float(p[5] - p[4])


CURVE = Curve(
    name="zero_span_drift",
    parameters={
        "raw_zero": None,
        "raw_span": None,
        "raw_zero_2": None,
        "raw_span_2": None,
        "zero_gas": 0.0,
        "span_gas": None,
    },
    value=value,
    slope=slope,
    gradient=gradient,
    reference="definition",
    second=Second("calibration_progress", "dimensionless", slope_second, (0.0, 1.0)),
)
