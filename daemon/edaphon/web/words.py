"""Times, names and flags in words that need no explanation at the plot."""

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from edaphon_calibration.flags import Flag

__all__ = [
    "Sign",
    "age",
    "flag_sign",
    "moment",
    "offset_words",
    "quantity_name",
    "shortened",
    "time_of_day",
]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST = 160

_QUANTITIES = {
    "soil_temperature": "Temperature",
    "volumetric_water_content": "Water content",
    "bulk_electrical_conductivity": "Conductivity, bulk soil",
    "bulk_electrical_conductivity_25c": "Conductivity, bulk soil, 25 °C",
    "pore_water_electrical_conductivity": "Conductivity, pore water",
    "relative_permittivity": "Permittivity",
    "global_radiation": "Solar radiation",
    "photosynthetic_photon_flux": "Photon flux (PAR)",
}
_FORMULAS = {
    "co2": "CO₂",
    "ch4": "CH₄",
    "n2o": "N₂O",
    "o2": "O₂",
    "h2o": "H₂O",
    "ph": "pH",
}


class Sign(NamedTuple):
    """A state as word and shape; the colour repeats what both say."""

    word: str
    shape: str  # dot, ring, triangle, cross, dash


_FLAGS = {
    Flag.PASSED: Sign("passed", "dot"),
    Flag.NOT_EVALUATED: Sign("not checked", "ring"),
    Flag.SUSPECT: Sign("suspect", "triangle"),
    Flag.FAIL: Sign("failed", "cross"),
    Flag.MISSING: Sign("missing", "dash"),
}


def flag_sign(flag: int) -> Sign:
    try:
        return _FLAGS[Flag(flag)]
    except ValueError:
        return Sign(f"flag {flag}", "ring")


def age(ns: int) -> str:
    """How long ago, in one unit."""
    seconds = ns // 10**9
    if seconds < -60:
        return "in the future"
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86400} days ago"


def moment(time_ns: int, now_ns: int, offset_s: int = 0) -> str:
    """The time of day at that offset from UTC; with the date unless it is today's."""
    at, now = _local(time_ns, offset_s), _local(now_ns, offset_s)
    day = "" if at.date() == now.date() else f"{at.day} {_MONTHS[at.month - 1]} "
    year = "" if at.year == now.year else f"{at.year} "
    return f"{day}{year}{at:%H:%M}"


def time_of_day(time_ns: int, offset_s: int) -> str:
    return f"{_local(time_ns, offset_s):%H:%M}"


def offset_words(offset_s: int) -> str:
    """An offset from UTC as UTC+01:00."""
    minutes = abs(offset_s) // 60
    sign = "+" if offset_s >= 0 else "\N{MINUS SIGN}"
    return f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"


def quantity_name(quantity: str) -> str:
    """The short name of a quantity; an unknown one keeps its own words."""
    if known := _QUANTITIES.get(quantity):
        return known
    words = [_FORMULAS.get(word, word) for word in quantity.split("_")]
    if words[0] == quantity.split("_")[0]:
        words[0] = words[0][:1].upper() + words[0][1:]
    return " ".join(words)


def shortened(text: str) -> str:
    """Foreign text cut to what fits on a phone."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _local(time_ns: int, offset_s: int) -> datetime:
    zone = timezone(timedelta(seconds=offset_s))
    return datetime.fromtimestamp(time_ns // 10**9, UTC).astimezone(zone)
