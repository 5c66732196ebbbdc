"""Spike: a single value that stands out from the one before and the one after, to the same side.

References: U.S. IOOS QARTOD, spike test (doi:10.7289/V5V40SD4), in the differential form: the
smaller of both differences counts, so neighbours of a spike and steps pass. A difference on the
limit passes. Spikes of two and more rows are not found.

>>> import numpy as np
>>> hours = np.arange(4) * 3_600_000_000_000
>>> limits = {"difference": 2.0, "max_gap_hours": 6.0}
>>> evaluate(hours, np.array([10.0, 10.5, 15.0, 11.0]), limits)
array([-1,  0,  1, -1], dtype=int8)
"""

import numpy as np

from edaphon_calibration.arrays import Float, Int, Small
from edaphon_calibration.checks.definition import CheckMeta, LimitKind, Limits
from edaphon_calibration.checks.limits import DefaultLimits, DefaultLine
from edaphon_calibration.flags import NOT_EVALUABLE, Flag

__all__ = ["DEFAULTS", "METADATA", "evaluate"]

METADATA = CheckMeta(
    name="spike",
    effect=Flag.SUSPECT,
    looks_back=1,
    looks_ahead=1,
    limits={"difference": LimitKind.DIFFERENCE, "max_gap_hours": LimitKind.HOURS},
    reference="QARTOD spike test, differential form, doi:10.7289/V5V40SD4",
    defaults={"max_gap_hours": 6.0},
)

_HOUR_NS = 3.6e12


def evaluate(time_ns: Int, value: Float, limits: Limits) -> Small:
    """Fails where both neighbours are more than `difference` [channel's unit] below, or above.

    Not evaluable: the first and the last row, a row with a neighbour that has no value, the same
    time, or more than `max_gap_hours` between.
    """
    result = np.full(len(value), NOT_EVALUABLE, np.int8)
    hours = (time_ns[1:] - time_ns[:-1]) / _HOUR_NS
    change = value[1:] - value[:-1]
    near = (hours > 0) & (hours <= limits["max_gap_hours"]) & ~np.isnan(change)
    usable = near[:-1] & near[1:]
    rise, fall = change[:-1], -change[1:]
    peak = np.minimum(rise, fall) > limits["difference"]
    trough = np.maximum(rise, fall) < -limits["difference"]
    result[1:-1][usable] = (peak | trough)[usable]
    return result


def _line(suspect: float, fail: float) -> tuple[DefaultLine, ...]:
    limits = {"suspect_difference": suspect, "fail_difference": fail}
    return (DefaultLine(limits, "usual practice, no single source"),)


DEFAULTS: DefaultLimits = {
    "soil_temperature": _line(2.0, 5.0),
    "volumetric_water_content": _line(0.03, 0.06),
    "bulk_electrical_conductivity": _line(0.2, 1.0),
    "co2_mole_fraction": _line(1500.0, 5000.0),
}
