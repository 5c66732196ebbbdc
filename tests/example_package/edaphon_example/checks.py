"""A check: which values are suspect, from the values of a channel in order of time."""

import numpy as np

from edaphon_calibration.arrays import Float, Int, Small
from edaphon_calibration.checks import Check, Flag, LimitKind, Limits, Result


def _too_round(time_ns: Int, value: Float, limits: Limits) -> Small:
    """Fails at whole multiples of `step` [channel's unit]; NaN can't be evaluated."""
    step = limits["step"]
    result = (np.round(value / step) * step == value).astype(np.int8)
    result[np.isnan(value)] = Result.NOT_EVALUABLE
    return result


CHECKS = (
    Check(
        name="example_round",
        effect=Flag.SUSPECT,
        looks_back=0,
        looks_ahead=0,
        limits={"step": LimitKind.DIFFERENCE},
        reference="definition",
        defaults={},
        evaluate=_too_round,
        usual={},
    ),
)
