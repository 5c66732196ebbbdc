"""What a decoder returns: numbers as reported, or why there are none; and who answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edaphon_drivers.sheets import Output

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


@dataclass(frozen=True, slots=True)
class Identity:
    """What an instrument tells of itself; "" for what it can't tell.

    `settings` are what changes its numbers inside: averaging, compensation, a soil's coefficients.
    """

    vendor: str = ""
    model: str = ""
    version: str = ""
    serial: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def reported(output: "Output", number: float, time_ns: int | None = None) -> Reading:
    """The reading of a number in the output's unit; one the sheet excludes becomes a status."""
    status = _status(output, number)
    if status is not Status.OK:
        return without_number(output, status, time_ns)
    return Reading(
        output.name, output.quantity, number, output.unit, origin=output.origin, time_ns=time_ns
    )


def without_number(output: "Output", status: Status, time_ns: int | None = None) -> Reading:
    """The reading of an output that the instrument could not give."""
    return Reading(output.name, output.quantity, None, output.unit, status, output.origin, time_ns)


def _status(output: "Output", number: float) -> Status:
    if number in output.failure:
        return Status.FAILURE
    if number in output.low_supply:
        return Status.LOW_SUPPLY
    if output.lowest is not None and number < output.lowest:
        return Status.UNDER_RANGE
    if output.highest is not None and number > output.highest:
        return Status.OVER_RANGE
    return Status.OK
