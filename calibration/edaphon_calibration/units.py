"""Unit texts to conversions, made once with pint; the chain applies them without it.

A unit text passes a grammar small enough that nothing hostile passes it, and gets one spelling:

    unit    = "1" | product                     product = ["1/"] power {("*" | " " | "/") power}
    power   = symbol [["**"] ["-"] digit]       a group in brackets stands once, last, after "/"

Pint evaluates what it reads: power towers such as 9**9**9 or m**2**2 run for seconds. Here numbers
other than one exponent of 1 to 9 for each symbol are refused before pint sees the text.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from edaphon_calibration.chain import SAME, Conversion
from edaphon_calibration.errors import UnitError, suggestion
from edaphon_calibration.nomenclature import QUANTITIES, quantity, table

if TYPE_CHECKING:
    from pint import UnitRegistry

_ROWS = tuple(table("units"))
_SPELLINGS = {text: row["symbol"] for row in _ROWS for text in row["spellings"].split()}
_SYMBOLS = frozenset(row["symbol"] for row in _ROWS if row["usual"])
UCUM_CODES = {row["symbol"]: row["ucum"] for row in _ROWS if row["ucum"]}  # where they differ

# pint reads pH as picohenry; units of turbidity agree on formazin and on nothing else
_DEFINITIONS = ("pH = [acidity]", "ppb = 1e-9", "NTU = [ntu]", "FNU = [fnu]", "FAU = [fau]")

_EXAMPLES = {
    "degC": "a temperature unit such as degC, K",
    "dimensionless": "a ratio such as m**3/m**3, %, dimensionless",
    "kPa": "a pressure unit such as kPa, hPa, bar",
    "dS/m": "a conductivity unit such as dS/m, uS/cm, mS/cm",
    "mm": "a length such as mm, cm, m",
    "V": "a voltage such as V, mV",
    "umol/(m**2*s)": "a flux such as umol/(m**2*s), nmol/(m**2*s)",
    "count": "count",
    "pH": "pH",
}

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


@lru_cache(maxsize=1024)
def canonical(text: str) -> str:
    """The one spelling of a unit; raises UnitError for what is no unit.

    What is no unit in the usual spellings may be a UCUM code.

    >>> [canonical(u) for u in ("m3/m3", "°C", "µS/cm", "1", "percent", "umol m-2 s-1")]
    ['m**3/m**3', 'degC', 'uS/cm', 'dimensionless', '%', 'umol/(m**2*s)']
    >>> [canonical(code) for code in ("Cel", "umol.m-2.s-1", "/cm3")]
    ['degC', 'umol/(m**2*s)', '1/cm**3']
    """
    try:
        return usual(text)
    except UnitError as error:
        from edaphon_calibration.ucum import from_ucum  # it is made of this module

        try:
            return from_ucum(text)
        except UnitError:
            raise error from None


def usual(text: str) -> str:
    """The one spelling of a unit in any usual spelling; raises UnitError."""
    parts = tuple(Factor(_symbol(f.symbol, text), f.power) for f in factors(text))
    if len(parts) > 1 and any(f.symbol in {"degC", "degF"} for f in parts):
        raise UnitError(f"expected K or delta_degC inside a compound unit; came {text!r}")
    return rendered(parts)


@lru_cache(maxsize=1024)
def conversion(from_unit: str, to_unit: str) -> Conversion:
    """From one unit to another of the same dimension; raises UnitError.

    Scale and offset are the exact values rounded once. Counts and pH convert to nothing else.

    >>> conversion("degF", "degC")
    Conversion(scale=0.5555555555555556, offset=-17.77777777777778)
    """
    source, target = canonical(from_unit), canonical(to_unit)
    if source == target:
        return SAME
    line = _line(source, target)
    if line is None:
        raise UnitError(
            f"expected {_kind(target)} to convert to {target}; came {from_unit!r}"
            + _near(from_unit, target)
        )
    return line


def check_unit(text: str, quantity_name: str | None = None) -> str:
    """The canonical spelling of a unit that suits the quantity; raises UnitError.

    >>> check_unit("%", "volumetric_water_content")
    '%'
    """
    unit = canonical(text)
    if quantity_name is None:
        return unit
    target = quantity(quantity_name).unit
    if unit != target and _line(unit, target) is None:
        raise UnitError(
            f"{quantity_name}: expected {_kind(target)}; came {text!r}" + _near(text, target)
        )
    return unit


def _line(source: str, target: str) -> Conversion | None:
    """The straight line between two canonical units; None where there is none."""
    from pint.errors import PintError

    if _counts(source) != _counts(target):
        return None
    try:
        offset = _registry().convert(Fraction(0), source, target)
        scale = _registry().convert(Fraction(1), source, target) - offset
        return Conversion(float(scale), float(offset))
    except (PintError, TypeError, OverflowError, AssertionError):
        # a logarithmic unit (dBm, dB) has no rational value at 0 or 1, alone or in a compound
        return None


def _counts(unit: str) -> int:
    """The power of counts in a unit: pint takes them for pure numbers, raw counts for θ."""
    return sum(f.power for f in factors(unit) if f.symbol.endswith("count"))


def _symbol(symbol: str, text: str) -> str:
    """The project's spelling of one symbol; raises UnitError for a symbol unknown to pint."""
    symbol = _SPELLINGS.get(symbol, symbol)
    if symbol in _SYMBOLS:
        return symbol
    from pint.errors import PintError

    try:
        short = str(_registry().get_symbol(symbol)).replace("µ", "u").replace("Δ", "delta_")
    except PintError as unknown:
        near = _near(text) or "; such as degC, %, m3/m3 or kPa"
        raise UnitError(f"expected a unit; came {text!r}{near}") from unknown
    short = _SPELLINGS.get(short, short)
    return short if _means(short, symbol) else symbol


def _means(short: str, symbol: str) -> bool:
    """Whether pint's short name passes the grammar and comes back as the same unit."""
    try:
        return factors(short) == (Factor(short, 1),) and _line(short, symbol) == SAME
    except UnitError:
        return False


@cache
def _registry() -> "UnitRegistry[Fraction]":
    """Pint's units in exact fractions, with ours; made when asked, for it takes 0.3 s."""
    from pint import UnitRegistry

    registry: UnitRegistry[Fraction] = UnitRegistry(
        non_int_type=Fraction, on_redefinition="ignore", cache_folder=None
    )
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


def _kind(target: str) -> str:
    """What a unit that converts to the target is called, with examples."""
    for unit, words in _EXAMPLES.items():
        if unit == target or _line(unit, target) is not None:
            return words
    return f"a unit like {target}"


def _near(text: str, target: str | None = None) -> str:
    """The likely meaning: a usual spelling close to the text, of the wanted kind if given."""
    if target is not None and text in {"C", "F"} and _kind(target) == _EXAMPLES["degC"]:
        return f"; did you mean deg{text}?"
    if target is None and "%" in text:  # Vol%, % of volume
        return "; did you mean %?"
    near = suggestion(text, _usual(target))
    return near if "did you mean" in near else ""


def _usual(target: str | None) -> Iterator[str]:
    for unit in _SYMBOLS | {line.unit for line in QUANTITIES.values()} | {"uS/cm", "mS/cm"}:
        if target is None or unit == target or _line(unit, target) is not None:
            yield unit


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
