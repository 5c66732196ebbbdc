"""A gas analyser checked with zero and span gas, once: the line through the two.

C = zero_gas + (x - raw_zero) (span_gas - zero_gas) / (raw_span - raw_zero)
[units stated by the calibration].

References: definition (two points).
Notes: the line holds from the day of the check on; the analyser drifts away from it. When the next
check is known, `zero_span_drift` for the time between both replaces this: recompute from raw.

>>> import numpy as np
>>> check = {"raw_zero": 3.2, "raw_span": 1004.8, "zero_gas": 0.0, "span_gas": 998.0}
>>> CURVE.value(np.array([412.7]), CURVE.parameter_vector(check)).round(6)
array([408.028155])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.curves.two_point import gradient, slope, value

__all__ = ["CURVE"]

CURVE = Curve(
    name="zero_span",
    parameters={"raw_zero": None, "raw_span": None, "zero_gas": 0.0, "span_gas": None},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="definition",
)
