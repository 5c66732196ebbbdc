"""Rate of change: a value that rose or fell faster since the row before than the soil can.

Between readings a few seconds apart the noise of any sensor is fast when told per hour; so a
change within `least_change` passes, however fast.

References: U.S. IOOS QARTOD, rate of change test (doi:10.7289/V5V40SD4), with thresholds per hour
as in the ISMN's hourly flags. A rate on the limit passes.

>>> import numpy as np
>>> hours = np.array([0, 1, 2]) * 3_600_000_000_000
>>> evaluate(hours, np.array([10.0, 11.0, 15.0]), {"rise_per_hour": 3.0, "max_gap_hours": 6.0})
array([-1,  0,  1], dtype=int8)
"""

from math import inf

import numpy as np

from edaphon_calibration.arrays import Float, Int, Small
from edaphon_calibration.checks.definition import CheckMeta, LimitKind, Limits
from edaphon_calibration.checks.limits import DefaultLimits, DefaultLine
from edaphon_calibration.flags import NOT_EVALUABLE, Flag

__all__ = ["DEFAULTS", "METADATA", "evaluate"]

METADATA = CheckMeta(
    name="rate",
    effect=Flag.SUSPECT,
    looks_back=1,
    looks_ahead=0,
    limits={
        "rise_per_hour": LimitKind.PER_HOUR,
        "fall_per_hour": LimitKind.PER_HOUR,
        "least_change": LimitKind.DIFFERENCE,
        "max_gap_hours": LimitKind.HOURS,
    },
    reference="QARTOD rate of change test, doi:10.7289/V5V40SD4",
    defaults={"max_gap_hours": 6.0},
)

_HOUR_NS = 3.6e12


def evaluate(time_ns: Int, value: Float, limits: Limits) -> Small:
    """Fails above `rise_per_hour` or `fall_per_hour` [channel's unit per hour, both positive].

    `least_change` [channel's unit] is what may happen at any rate.

    Not evaluable: the first row, a row whose predecessor has no value or the same time, and one
    more than `max_gap_hours` after it.
    """
    result = np.full(len(value), NOT_EVALUABLE, np.int8)
    hours = (time_ns[1:] - time_ns[:-1]) / _HOUR_NS
    change = value[1:] - value[:-1]
    usable = (hours > 0) & (hours <= limits["max_gap_hours"]) & ~np.isnan(change)
    rise, fall = limits.get("rise_per_hour", inf), limits.get("fall_per_hour", inf)
    least = limits.get("least_change", 0.0)
    with np.errstate(invalid="ignore"):
        beyond = (change > rise * hours) | (change < -fall * hours)
        beyond &= np.abs(change) > least
    result[1:][usable] = beyond[usable]
    return result


def _line(rise: float, fall: float, least: float, from_depth_cm: float = 0.0) -> DefaultLine:
    limits = {"rise_per_hour": rise, "fall_per_hour": fall, "least_change": least}
    return DefaultLine(limits, "usual practice, no single source", from_depth_cm)


DEFAULTS: DefaultLimits = {
    "soil_temperature": (
        _line(3.0, 3.0, 0.5),
        _line(1.0, 1.0, 0.5, 20.0),
        _line(0.3, 0.3, 0.5, 50.0),
    ),
    "volumetric_water_content": (_line(0.10, 0.03, 0.01),),
    "bulk_electrical_conductivity": (_line(0.5, 0.5, 0.05),),
    "matric_potential": (_line(200.0, 200.0, 2.0),),
    "co2_mole_fraction": (_line(3000.0, 3000.0, 50.0),),
}
