"""Numbers as instruments reported them against what is possible of their quantity in their unit.

The drivers know no quantities and the calibration room no readings: the two meet here.
"""

from functools import cache
from math import inf

from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.physics import Physics, physical_limits
from edaphon_drivers.readings import Reading, Status

__all__ = ["possible", "why_impossible", "within_physics"]


@cache
def possible(quantity: str, unit: str) -> Physics:
    """The limits of a quantity [unit]; none where the unit does not suit, which `check` reports."""
    try:
        return physical_limits(quantity, unit)
    except CalibrationError:
        return Physics(-inf, inf, "none: the unit does not suit the quantity")


def within_physics(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """The readings in their order; an impossible number gives way to the status that says so."""
    for _, quantity, number, unit, *_ in readings:  # each reading of ten years passes here
        if number is not None:
            lowest, highest = possible(quantity, unit)[:2]
            if not lowest <= number <= highest:
                break
    else:
        return readings
    return tuple(
        r if _is_possible(r) else r._replace(number=None, status=Status.IMPOSSIBLE)
        for r in readings
    )


def _is_possible(reading: Reading) -> bool:
    _, quantity, number, unit, *_ = reading
    if number is None:
        return True
    lowest, highest = possible(quantity, unit)[:2]
    return lowest <= number <= highest


def why_impossible(reading: Reading) -> str:
    """The number, the limit beyond which it is, and the reason of that limit; "" for one within."""
    _, quantity, number, unit, *_ = reading
    if number is None or _is_possible(reading):
        return ""
    limits = possible(quantity, unit)
    word, limit = ("above the highest", limits.highest)
    if number < limits.lowest:
        word, limit = ("below the lowest", limits.lowest)
    return f"{number:.10g} is {word} possible {quantity}, {limit:.10g} {unit} ({limits.why})"
