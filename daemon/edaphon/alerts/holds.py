"""When something counts as wrong and when as right again: thresholds and hold times by kind."""

from collections.abc import Mapping
from typing import NamedTuple

from edaphon.alerts.model import Severity, What

__all__ = ["DAY_NS", "ENDS_BY_ABSENCE", "HOLDS", "HOUR_NS", "MINUTE_NS", "Hold"]

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS


class Hold(NamedTuple):
    """How long it must be wrong before it begins, and right before it ends [ns]."""

    severity: Severity
    begin_ns: int = 0
    end_ns: int = 0


LOST, SOON = Severity.LOST, Severity.WILL_BE_LOST
DOUBTFUL, LATE = Severity.DOUBTFUL, Severity.LATE

# Kinds that end by an age of data have their hold in that age; those of the service itself hold
# their end for 10 min, which is also the time that a start needs until everything has a state.
HOLDS: Mapping[What, Hold] = {
    What.SILENT: Hold(LOST),
    What.NO_NUMBER: Hold(LOST),
    What.FAILURE_CODE: Hold(LOST),
    What.LOW_SUPPLY: Hold(LOST, 10 * MINUTE_NS, DAY_NS),  # well for a night too
    What.SUPPLY_FALLS: Hold(SOON, HOUR_NS, 2 * HOUR_NS),
    What.PORT_LOST: Hold(LOST, 5 * MINUTE_NS, 2 * MINUTE_NS),
    What.BROKER_LOST: Hold(LATE, 6 * HOUR_NS, 10 * MINUTE_NS),
    What.UPLINKS_MISSED: Hold(LOST, HOUR_NS, 2 * HOUR_NS),
    What.SINK_AWAY: Hold(LATE, 6 * HOUR_NS, 10 * MINUTE_NS),
    What.SINK_BLOCKED: Hold(LATE, 10 * MINUTE_NS, 10 * MINUTE_NS),
    What.SET_ASIDE: Hold(LATE, 10 * MINUTE_NS, 10 * MINUTE_NS),
    What.DISK_FULL: Hold(LOST, 0, 10 * MINUTE_NS),
    What.DISK_FILLS: Hold(SOON, HOUR_NS, 26 * HOUR_NS),  # a start knows the rate after a day
    What.JOURNAL_FAILS: Hold(LOST, 0, 10 * MINUTE_NS),
    What.ENTRIES_LOST: Hold(LOST),
    What.CLOCK_UNKNOWN: Hold(LOST, HOUR_NS),
    What.WRONG_SENSOR: Hold(DOUBTFUL, 10 * MINUTE_NS, 10 * MINUTE_NS),
    What.CALIBRATION_ENDS: Hold(SOON, HOUR_NS, 10 * MINUTE_NS),
    What.PART_FAILS: Hold(LATE, 10 * MINUTE_NS, 10 * MINUTE_NS),
    What.RECEIVER_REFUSES: Hold(LATE, 0, 10 * MINUTE_NS),
    What.FLOOD: Hold(DOUBTFUL, 0, HOUR_NS),
}

# Of these a situation lists only what is wrong.
ENDS_BY_ABSENCE = frozenset(
    {
        What.PORT_LOST,
        What.BROKER_LOST,
        What.PART_FAILS,
        What.WRONG_SENSOR,
        What.CALIBRATION_ENDS,
        What.RECEIVER_REFUSES,
        What.FLOOD,
    }
)
