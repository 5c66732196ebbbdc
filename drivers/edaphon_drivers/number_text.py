"""Numbers that came as text: what is a number, in one place for every kind of message."""

import math
import re

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
