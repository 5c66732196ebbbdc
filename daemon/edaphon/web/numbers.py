"""Numbers as people read them: rounded to their uncertainty, with a unit as it is printed."""

import math
import re

__all__ = ["count", "decimals_for", "pretty_unit", "rounded"]

_SYMBOLS = {
    "dimensionless": "",
    "degC": "°C",
    "delta_degC": "°C",
    "degF": "°F",
    "degree": "°",
    "ohm": "Ω",
    "kohm": "kΩ",
    "Mohm": "MΩ",
}
_MICRO = frozenset({"um", "ug", "ul", "us", "umol", "uS", "uV", "uA", "uW"})
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_DECIMALS = 9
_LARGEST = 1e9


def decimals_for(value: float, u: float | None) -> int:
    """Places that show two significant digits of u, or four of the value when u isn't known."""
    return _decimals(value, 4) if u is None or u <= 0 else _decimals(u, 2)


def rounded(value: float, decimals: int) -> str:
    """At most `decimals` places (negative: tens, hundreds), powers of ten beyond 1e9 and 1e-9."""
    if abs(value) >= _LARGEST or decimals > _MOST_DECIMALS:
        return _signed(f"{value:.3g}")
    return _signed(f"{round(value, decimals):.{max(decimals, 0)}f}")


def count(n: int) -> str:
    """1234567 as 1 234 567, with spaces that don't break a line."""
    return _signed(f"{n:,}").replace(",", "\N{NARROW NO-BREAK SPACE}")


def pretty_unit(unit: str) -> str:
    """pint's spelling to the printed one: m**3/m**3 to m³/m³, uS/cm to µS/cm."""
    unit = re.sub(r"\*\*(-?\d+)", lambda power: power[1].translate(_SUPERSCRIPT), unit)
    return re.sub(r"[A-Za-z_]+", lambda word: _symbol(word[0]), unit).replace("*", "·")


def _symbol(word: str) -> str:
    return _SYMBOLS.get(word, "µ" + word[1:] if word in _MICRO else word)


def _decimals(number: float, digits: int) -> int:
    """Places after the point that show `digits` significant digits of the number."""
    if number == 0 or not math.isfinite(number):
        return digits - 1
    exponent = int(f"{number:.{digits - 1}e}".partition("e")[2])  # 0.0996 counts as 0.10
    return digits - 1 - exponent


def _signed(text: str) -> str:
    if not text.strip("-0."):
        text = text.lstrip("-")  # no minus zero
    return text.replace("-", "\N{MINUS SIGN}")
