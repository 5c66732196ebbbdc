"""Quality tests with context: pure functions of rows in the order of their times.

Each takes times [s], values and parameters and gives for each row FAILS, PASSES or UNKNOWN, as NEON
does. A missing value is NaN and is UNKNOWN; a test whose inputs are missing is UNKNOWN and never
PASSES. A value on a limit passes. Nothing is remembered between calls: a test with memory begins
empty with the first row that it gets.
"""

from edaphon_calibration.quality.changes import (
    noise,
    offset,
    rate,
    spike_dorigo,
    spike_mad,
    spike_single,
)
from edaphon_calibration.quality.days import amplitude, clock, drift, replicate, silence
from edaphon_calibration.quality.results import (
    FAILS,
    PASSES,
    UNKNOWN,
    diagnostics,
    in_range,
    sentinel,
)
from edaphon_calibration.quality.stuck import flat, rail
from edaphon_calibration.quality.water import (
    frozen,
    no_response,
    rise_without_water,
    saturated,
    temperature_sensitivity,
)

__all__ = [
    "FAILS",
    "PASSES",
    "UNKNOWN",
    "amplitude",
    "clock",
    "diagnostics",
    "drift",
    "flat",
    "frozen",
    "in_range",
    "no_response",
    "noise",
    "offset",
    "rail",
    "rate",
    "replicate",
    "rise_without_water",
    "saturated",
    "sentinel",
    "silence",
    "spike_dorigo",
    "spike_mad",
    "spike_single",
    "temperature_sensitivity",
]
