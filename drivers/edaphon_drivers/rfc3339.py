"""RFC 3339 date-times as integer nanoseconds, without a float on the way."""

import re
from datetime import datetime

__all__ = ["rfc3339_ns"]

_SHAPE = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - both sides of the subtraction are UTC
_HIGHEST = 2**63 - 1


def rfc3339_ns(text: str) -> int:
    """UTC nanoseconds since 1970; digits beyond the ninth are dropped.

    Raises ValueError for another shape, a date that does not exist, a missing offset, or a time
    outside 1970..2262. The leap second 60 is the first of the next minute (RFC 3339 5.6).
    """
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a date-time such as 2026-01-31T23:59:59.123Z, got {text!r}")
    day, minutes, second, fraction, sign, hours_off, minutes_off = found.groups()
    whole = datetime.fromisoformat(f"{day}T{minutes}00") - _EPOCH
    seconds = whole.days * 86400 + whole.seconds + _in_range(second, 60)
    if sign:
        offset = _in_range(hours_off, 23) * 3600 + _in_range(minutes_off, 59) * 60
        seconds += -offset if sign == "+" else offset
    ns = seconds * 1_000_000_000 + int((fraction or "0")[:9].ljust(9, "0"))
    if not 0 <= ns <= _HIGHEST:
        raise ValueError(f"expected a time between 1970 and 2262, got {text!r}")
    return ns


def _in_range(digits: str, highest: int) -> int:
    number = int(digits)
    if number > highest:
        raise ValueError(f"expected at most {highest}, got {digits}")
    return number
