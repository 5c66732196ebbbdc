"""UCUM codes of the project's units, both ways: what FHIR, SensorThings and data packages write.

    code = ["/"] term {("." | "/") term}      term = atom [["-"] digit] [{remark}] | "(" code ")"

Case-sensitive codes (UCUM 2.1, `c/s`). Codes have a length, a number of terms and one level of
brackets at most, and no factors such as 10*3: what comes from a file can't keep anybody busy.
References: Schadow and McDonald, The Unified Code for Units of Measure, version 2.1, tables 1 to 5.
"""

import re
from functools import lru_cache

from edaphon_calibration.errors import UnitError
from edaphon_calibration.units import (
    LONGEST,
    UCUM_CODES,
    Factor,
    canonical,
    factors,
    rendered,
    usual,
)

_MOST_TERMS = 12

_BASES = {"l": "L", "ohm": "Ohm"}  # with any prefix
_METRIC: frozenset[str] = frozenset(
    ("cd", "mol", "Pa", "bar", "Hz", "lx", *"mgKsVAWJSNTCF", *_BASES)
)
_PLAIN = frozenset(("%", "min", "h", "d", "dB"))  # the same in both, never with a prefix
_PREFIXES = ("", "da", *"TGMkhdcmunp")
_READ = {code: ours for ours, code in UCUM_CODES.items() if ours != "delta_degC"}
_READ_BASES: dict[str, str] = {"L": "l", "l": "l", "Ohm": "ohm"} | {
    symbol: symbol for symbol in _METRIC
}

_TERM = re.compile(r"([a-zA-Z%]+|1)?(\[[a-zA-Z_]{1,8}\])?([+-]?[1-9])?(\{[!-z|~]{1,20}\})?")


@lru_cache(maxsize=1024)
def to_ucum(unit: str) -> str:
    """The code of a unit in any spelling that `canonical` takes; raises UnitError.

    A temperature difference becomes K, the only thing UCUM has for it.

    >>> [to_ucum(u) for u in ("degC", "m3/m3", "umol m-2 s-1", "count", "1/cm**3", "%")]
    ['Cel', 'm3/m3', 'umol/(m2.s)', '{count}', '/cm3', '%']
    """
    parts = factors(canonical(unit))
    above = [_power(part.symbol, part.power, unit) for part in parts if part.power > 0]
    below = [_power(part.symbol, -part.power, unit) for part in parts if part.power < 0]
    if not below:
        return ".".join(above)
    bottom = ".".join(below)
    return ".".join(above).removeprefix("1") + "/" + (f"({bottom})" if len(below) > 1 else bottom)


@lru_cache(maxsize=1024)
def from_ucum(code: str) -> str:
    """The canonical unit of a code; raises UnitError for what is none of this project's.

    >>> [from_ucum(code) for code in ("Cel", "umol.m-2.s-1", "mg/(kg.h)", "[ppm]", "/cm3", "%{RH}")]
    ['degC', 'umol/(m**2*s)', 'mg/(h*kg)', 'ppm', '1/cm**3', '%']
    """
    if len(code) > LONGEST:
        raise UnitError(
            f"expected a UCUM code of at most {LONGEST} characters; came {code[:LONGEST]!r}…"
        )
    return usual(rendered(_product(code, code, brackets=True)))


def _power(symbol: str, power: int, unit: str) -> str:
    return _atom(symbol, unit) + (str(power) if power > 1 else "")


def _atom(symbol: str, unit: str) -> str:
    """The code of one symbol; raises UnitError where UCUM has none."""
    if symbol in UCUM_CODES or symbol in _PLAIN:
        return UCUM_CODES.get(symbol, symbol)
    for prefix, base in _split(symbol):
        if base in _METRIC:
            return prefix + _BASES.get(base, base)
    raise UnitError(f"expected a unit with a UCUM code; came {unit!r}: {symbol} has none")


def _split(symbol: str) -> list[tuple[str, str]]:
    """Prefix and base in every way, the whole symbol first."""
    return [(p, symbol.removeprefix(p)) for p in _PREFIXES if symbol.startswith(p)]


def _product(text: str, code: str, brackets: bool) -> tuple[Factor, ...]:
    """The factors of a product, left to right: a/b.c is (a/b).c in UCUM."""
    found: list[Factor] = []
    sign, at = (-1, 1) if text.startswith("/") else (1, 0)
    while len(found) < _MOST_TERMS:
        parts, at = _term(text, at, code, brackets)
        found += [Factor(part.symbol, sign * part.power) for part in parts]
        if at == len(text):
            return tuple(found)
        if text[at] not in "./":
            break
        sign, at = (-1 if text[at] == "/" else 1), at + 1
    raise _refused(code)


def _term(text: str, at: int, code: str, brackets: bool) -> tuple[tuple[Factor, ...], int]:
    """The factors of one term and where it ends."""
    if brackets and text.startswith("(", at):
        end = text.find(")", at)
        if end < 0:
            raise _refused(code)
        return _product(text[at + 1 : end], code, brackets=False), end + 1
    match = _TERM.match(text, at)
    if match is None or match.end() == at:
        raise _refused(code)
    name, mark, power, annotation = match.groups()
    symbol = _symbol((name or "") + (mark or ""), annotation or "", code)
    return (Factor(symbol, int(power or 1)),), match.end()


def _symbol(atom: str, annotation: str, code: str) -> str:
    """Ours for an atom; an annotation is a remark unless it is a code of ours (dB{mW})."""
    for whole in (atom + annotation, atom):
        if whole in _READ:
            return _READ[whole]
    if atom in _PLAIN:
        return atom
    for prefix, base in _split(atom):
        if base in _READ_BASES:
            return prefix + _READ_BASES[base]
    raise _refused(code)


def _refused(code: str) -> UnitError:
    return UnitError(
        f"expected a UCUM code such as Cel, m3/m3, uS/cm or umol/(m2.s); came {code!r}"
    )
