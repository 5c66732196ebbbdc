"""Compares what was given with what a vector expects: numbers and units, never key names."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tests.conformance.entries import Entry, Given, Value

from edaphon_calibration.errors import UnitError
from edaphon_calibration.units import canonical
from edaphon_drivers.message_values import rfc3339_ns

__all__ = ["complaints", "same_number", "same_unit"]

# Spellings of the makers' documents that the project's own grammar of units does not take.
_SPELLING = {
    "°C": "degC",
    "°F": "degF",
    "%r.h.": "%",
    "lux": "lx",
    "µg/m³": "ug/m**3",
    "µs/cm": "uS/cm",
    "µS/cm": "uS/cm",
    "µS⋅cm⁻¹": "uS/cm",
    "m3/m3": "m**3/m**3",
    "m³⋅m⁻³": "m**3/m**3",
    "m^3/m^3": "m**3/m**3",
    "1": None,
    "dimensionless": None,
    "count": None,
    "counts": None,
    "pH": None,
    "None": None,
    "1⋅cm⁻³": "1/cm**3",
}


def same_unit(one: str | None, other: str | None) -> bool:
    """Whether two spellings mean one unit; counts and plain numbers have none."""
    return _plain(one) == _plain(other)


def _plain(unit: str | None) -> str | None:
    text = _SPELLING.get(unit or "", unit)
    try:
        return canonical(text) if text else text
    except UnitError:
        return text


def same_number(expected: float, given: float, relative: float = 1e-9, absolute: float = 0) -> bool:
    return math.isclose(expected, given, rel_tol=relative, abs_tol=max(absolute, 1e-12))


def complaints(entry: Entry, given: Sequence[Given]) -> list[str]:
    """Every expectation of the entry that was not met, in words; empty when all is right.

    More may be given than is expected (vectors leave things out), but nothing where nothing is,
    and no number that the vector says must be missing.
    """
    left, wrong = list(given), []
    for row in entry["expected"]:
        found = next((g for g in left if _meets(row, g)), None)
        if found is None:
            wrong.append(f"{row['quantity']}: expected {row['value']!r} {row['unit']}")
        else:
            left.remove(found)
    if not entry["expected"]:
        wrong += [f"expected nothing, got {g}" for g in left]
    forbidden = [row for row in entry["expected"] if row["value"] is None and "vendor_value" in row]
    wrong += [
        f"{row['quantity']}: {row['vendor_value']} must be missing"
        for row in forbidden
        for g in left
        if g.value is not None and _same(row["vendor_value"], g.value, row)
    ]
    return wrong


def _meets(row: Mapping[str, Any], given: Given) -> bool:
    if not same_unit(row["unit"], given.unit):
        return False
    if given.value is None:
        codes = [code for code in given.failure if _same(row["value"], code, row)]
        return row["value"] is None or bool(codes)
    return row["value"] is not None and _same(row["value"], given.value, row)


def _same(expected: Any, given: Value, row: Mapping[str, Any]) -> bool:
    if isinstance(expected, list) or isinstance(given, tuple):
        return _same_axes(expected, given, row)
    if isinstance(expected, str) and isinstance(given, str):
        return expected == given or _same_eui(expected, given)
    if isinstance(expected, str) and isinstance(given, int):
        return _same_instant(expected, given)
    if expected is None or isinstance(expected, str) or isinstance(given, str):
        return False
    return same_number(expected, given, absolute=row.get("tolerance", 0))


def _same_axes(expected: Any, given: Value, row: Mapping[str, Any]) -> bool:
    """Numbers that come together: the axes of an acceleration, the parts of a position."""
    if not isinstance(expected, list) or not isinstance(given, tuple):
        return False
    return len(expected) == len(given) and all(
        _same(one, other, row) for one, other in zip(expected, given, strict=True)
    )


def _same_eui(one: str, other: str) -> bool:
    return len(one) == 16 and one.casefold() == other.casefold()


def _same_instant(text: str, ns: int) -> bool:
    try:
        return rfc3339_ns(text) == ns
    except ValueError:
        return False
