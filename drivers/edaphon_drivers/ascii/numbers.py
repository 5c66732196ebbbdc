"""From the text of one field to a number, or to nothing where the instrument says it has none."""

import math
import re

from edaphon_drivers.faults import Garbled

_NUMBER = re.compile(r"[+-]? *(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_HEXADECIMAL = re.compile(r"0[xX][0-9A-Fa-f]{1,8}")
# What instruments print where a number would stand; anything else is damage.
_NOTHING = re.compile(r"[-*/.?#]*|[+-]?(?:nan|inf|infinity)|n/?a|null|none|err(?:or)?", re.I)
_LONGEST = 40
_BLANKS = " \t\r\n\v\f"  # no others: on a line a byte such as A0 is damage


def read_number(text: str, decimal: str = ".") -> float | None:
    """None for a blank, NaN, dashes and their like; raises Garbled for text that is no number.

    A sign may stand apart (`+  123.45`); `0x40` is hexadecimal.
    """
    text = text.strip(_BLANKS)
    if decimal != "." and "." not in text:
        text = text.replace(decimal, ".")
    if len(text) <= _LONGEST:
        if _NUMBER.fullmatch(text):
            number = float(text.replace(" ", "") if " " in text else text)
            return number if math.isfinite(number) else None
        if _HEXADECIMAL.fullmatch(text):
            return float(int(text, 16))
        if _NOTHING.fullmatch(text):
            return None
    raise Garbled("a number", text)


def code_number(code: str, decimal: str = ".") -> float | None:
    """The number that a sheet's code is, so that `-9.999` is `-9.9990` too; None for a word."""
    try:
        return read_number(code, decimal)
    except Garbled:
        return None
