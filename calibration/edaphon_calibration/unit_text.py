"""Unit texts: a grammar small enough that nothing hostile passes it, and one spelling for each.

    unit    = "1" | product                     product = ["1/"] power {("*" | " " | "/") power}
    power   = symbol [["**"] ["-"] digit]       a group in brackets stands once, last, after "/"

Pint evaluates what it reads: power towers such as 9**9**9 or m**2**2 run for seconds. Here numbers
other than one exponent of 1 to 9 for each symbol are refused before pint sees the text.
"""

import re
from typing import NamedTuple

from edaphon_calibration.errors import UnitError

__all__ = ["Factor", "factors", "rendered"]

LONGEST = 40  # characters
HIGHEST = 9  # exponent, also of a product of equal symbols

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_LETTERS = r"[A-Za-z_%‰°℃Ω]"
_POWER = re.compile(rf"({_LETTERS}+(?:[0-9]{_LETTERS}+)*)(?:(?:\*\*)?([-+]?[1-9]))?")
_WHOLE = {
    "": "",
    "1": "dimensionless",
    "-": "dimensionless",
    "vol%": "%",
    "%vol": "%",
    "%r.h.": "%",
}


class Factor(NamedTuple):
    """One symbol of a unit and its exponent, negative below the bar."""

    symbol: str
    power: int


def factors(text: str) -> tuple[Factor, ...]:
    """The factors of a unit in the order written; raises UnitError for what the grammar refuses.

    >>> factors("µmol m⁻² s⁻¹")
    (Factor(symbol='umol', power=1), Factor(symbol='m', power=-2), Factor(symbol='s', power=-1))
    """
    if len(text) > LONGEST:
        raise UnitError(
            f"expected a unit of at most {LONGEST} characters; came {text[:LONGEST]!r}…"
        )
    plain = _plain(text)
    head, slash, group = plain.partition("/(")
    if slash:
        if not group.endswith(")"):
            raise _refused(text)
        below = _product(group[:-1], text, divided=False)
        return (*_product(head, text), *(Factor(f.symbol, -f.power) for f in below))
    return _product(plain, text)


def rendered(parts: tuple[Factor, ...]) -> str:
    """The one spelling of a product: sorted, `*` above the bar, one bracket below it.

    >>> rendered(factors("umol/m2/s"))
    'umol/(m**2*s)'
    """
    above, below = _side(parts, 1), _side(parts, -1)
    if not below:
        return "*".join(above) or "dimensionless"
    bottom = "*".join(below)
    return ("*".join(above) or "1") + "/" + (f"({bottom})" if len(below) > 1 else bottom)


def _plain(text: str) -> str:
    """ASCII operators: superscripts, dots, crosses and carets spelt with `**` and `*`."""
    text = _WHOLE.get(text.replace(" ", ""), text.strip(" "))
    text = re.sub("[µμ]", "u", text)
    text = re.sub(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "**" + m[0].translate(_SUPERSCRIPTS), text)
    text = re.sub("[·⋅×]", "*", text.replace("^", "**"))
    return re.sub(r"(?<! ) *(\*\*|[*/()]) *", r"\1", text)


def _product(text: str, whole: str, divided: bool = True) -> tuple[Factor, ...]:
    """The powers of a product without brackets; after a `/` only further `/` may follow."""
    sign, found, at = 1, [], 0
    if divided and text.startswith("1/"):
        sign, at = -1, 2
    while match := _POWER.match(text, at):
        found.append(Factor(match[1], sign * int(match[2] or 1)))
        at = match.end()
        if at == len(text):
            return tuple(found)
        between = re.compile(r"[*/]| +").match(text, at)
        if not between or (between[0] == "/" and not divided) or (between[0] != "/" and sign < 0):
            break
        sign = -1 if between[0] == "/" else 1
        at = between.end()
    raise _refused(whole)


def _side(parts: tuple[Factor, ...], sign: int) -> list[str]:
    """One side of the bar, equal symbols merged; raises UnitError for an exponent above 9."""
    powers: dict[str, int] = {}
    for symbol, power in parts:
        if power * sign > 0 and symbol != "dimensionless":
            powers[symbol] = powers.get(symbol, 0) + power * sign
    if max(powers.values(), default=0) > HIGHEST:
        raise UnitError(f"expected exponents from 1 to {HIGHEST}; came {powers}")
    return [s if p == 1 else f"{s}**{p}" for s, p in sorted(powers.items())]


def _refused(text: str) -> UnitError:
    return UnitError(
        f"expected a unit such as kPa, m**3/m**3, uS/cm or umol/(m**2*s); came {text!r}"
    )
