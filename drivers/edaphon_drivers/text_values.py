"""Numbers, times and JSON as senders write them in text: what counts as one, for every message."""

import math
import re
from datetime import datetime
from functools import lru_cache

_LONGEST = 64
# Digits of ASCII, one decimal point, an exponent: no hexadecimal, no comma, no unit, no NaN.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_BLANKS = " \t\r\n"


def number_of_text(text: str) -> int | float | None:
    """The finite number that the whole text is, blanks around it aside; None for any other text.

    >>> number_of_text(" 4.2 "), number_of_text("1796008901"), number_of_text("4,2")
    (4.2, 1796008901, None)
    """
    plain = text.strip(_BLANKS)
    if len(plain) > _LONGEST or not _NUMBER.fullmatch(plain):
        return None
    if plain.lstrip("+-").isdecimal():
        return int(plain)
    number = float(plain)
    return number if math.isfinite(number) else None


def number_in(value: object) -> int | float | None:
    """A number of a message, sent as one or as text; None for anything else, true and false too."""
    kind = type(value)
    if kind is int or kind is float:
        return value  # type: ignore[return-value]
    return number_of_text(value) if isinstance(value, str) else None


_BOM = b"\xef\xbb\xbf"


def bare_json(data: bytes) -> bytes:
    """Without a byte order mark before it, and without NUL bytes and blanks behind it.

    RFC 8259 (8.1) lets a reader ignore the mark; firmware in C often sends the NUL that ends its
    text. JSON in UTF-16 stays unreadable; of a key that stands twice the last one counts.
    """
    return data.removeprefix(_BOM).rstrip(b"\0 \t\r\n")


_SHAPE = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):([0-5]\d|60)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - both sides of the subtraction are UTC


def rfc3339_ns(text: str) -> int:
    """UTC nanoseconds since 1970; digits beyond the ninth are dropped.

    Raises ValueError for another shape, a date that does not exist, a missing offset, or a time
    outside 1970..2262. The leap second 60 is the first of the next minute (RFC 3339 5.6).
    """
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a date-time such as 2026-01-31T23:59:59.123Z, got {text!r}")
    minute, second, fraction, zone = found.groups()
    ns = (_minute_s(minute) + int(second) - _offset_s(zone)) * 1_000_000_000
    if fraction:
        ns += int(fraction[:9].ljust(9, "0"))
    if not 0 <= ns < 2**63:
        raise ValueError(f"expected a time between 1970 and 2262, got {text!r}")
    return ns


@lru_cache(maxsize=64)
def _minute_s(text: str) -> int:
    since = datetime.fromisoformat(text.upper()) - _EPOCH
    return since.days * 86400 + since.seconds


@lru_cache(maxsize=64)
def _offset_s(zone: str) -> int:
    if zone in {"Z", "z"}:
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(f"expected an offset such as +01:30, got {zone}")
    return (hours * 3600 + minutes * 60) * (1 if zone[0] == "+" else -1)
