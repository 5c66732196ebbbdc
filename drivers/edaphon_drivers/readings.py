"""What a decoder returns: one number as the instrument reported it, or why there is none."""

from enum import StrEnum
from typing import NamedTuple

# Stands for a time that the sender gave and nobody can read: the reading gets the time of receipt,
# and is suspect. No sender's own time lies before 1970.
UNREADABLE_NS = -1


class Status(StrEnum):
    """What the instrument says of a reading; everything but OK comes without a number."""

    OK = "ok"
    FAILURE = "failure"  # the instrument's own failure code
    NOT_CONNECTED = "not connected"
    OVER_RANGE = "over range"
    UNDER_RANGE = "under range"
    WARMING_UP = "warming up"
    LOW_SUPPLY = "low supply"
    INVALID = "invalid"  # sent, but not a number of this output
    IMPOSSIBLE = "impossible"  # a number beyond what physics allows its quantity


class Origin(StrEnum):
    """Who made the number."""

    REPORTED = "reported"  # as measured: counts, volts, a factory-calibrated temperature
    CONVERTED = "converted"  # made inside the instrument from another quantity
    INHERITED = "inherited"  # made by a network server or logger in between


class Reading(NamedTuple):
    """One output of one instrument at one time.

    `number` is in `unit` and is None exactly when `status` is not OK. `time_ns` is the sender's
    own time [UTC ns], None when it sent none, UNREADABLE_NS for one that can't be read; `start_ns`
    begins the support of a mean or sum.
    Without a time of its own it was measured `after_ns` after its record's time of receipt.
    """

    output: str
    quantity: str
    number: float | None
    unit: str
    status: Status = Status.OK
    origin: Origin = Origin.REPORTED
    time_ns: int | None = None
    start_ns: int | None = None
    after_ns: int = 0
