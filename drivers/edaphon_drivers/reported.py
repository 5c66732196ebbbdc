"""From a number that an instrument reported to a reading, or to the reason why there is none."""

from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import Output


def reported(output: Output, number: float, time_ns: int | None = None) -> Reading:
    """The reading of a number in the output's unit; one the sheet excludes becomes a status."""
    status = _status(output, number)
    if status is not Status.OK:
        return without_number(output, status, time_ns)
    return Reading(
        output.name, output.quantity, number, output.unit, origin=output.origin, time_ns=time_ns
    )


def without_number(output: Output, status: Status, time_ns: int | None = None) -> Reading:
    """The reading of an output that the instrument could not give."""
    return Reading(output.name, output.quantity, None, output.unit, status, output.origin, time_ns)


def _status(output: Output, number: float) -> Status:
    if number in output.failure:
        return Status.FAILURE
    if number in output.low_supply:
        return Status.LOW_SUPPLY
    if output.lowest is not None and number < output.lowest:
        return Status.UNDER_RANGE
    if output.highest is not None and number > output.highest:
        return Status.OVER_RANGE
    return Status.OK
