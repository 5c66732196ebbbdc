"""Strictly typed fields of a network server's JSON; protocol buffers omit what is zero.

A null stands for an absent member, as in the JSON of protocol buffers.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.number_text import number_in
from edaphon_drivers.readings import UNREADABLE_NS
from edaphon_drivers.rfc3339 import rfc3339_ns

Fields = Mapping[str, Any]
_HEX = frozenset("0123456789abcdef")


def section(fields: Fields, key: str) -> Fields:
    """The object under `key`; Garbled when there is none."""
    found = fields.get(key)
    if not isinstance(found, dict):
        raise _wrong(key, "an object", found)
    return found


def text(fields: Fields, key: str) -> str:
    """The string under `key`, "" when absent."""
    found = fields.get(key)
    if found is not None and not isinstance(found, str):
        raise _wrong(key, "a string", found)
    return found or ""


def integer(fields: Fields, key: str, highest: int) -> int:
    """The integer 0..highest under `key`, as a number or as text; 0 when absent."""
    found = fields.get(key)
    number = 0 if found is None else number_in(found)
    if not isinstance(number, int) or not 0 <= number <= highest:
        raise _wrong(key, f"an integer from 0 to {highest}", found)
    return number


def flag(fields: Fields, key: str) -> bool:
    """Whether true stands under `key`; false when absent."""
    found = fields.get(key)
    if found is not None and not isinstance(found, bool):
        raise _wrong(key, "true or false", found)
    return bool(found)


def eui(fields: Fields, key: str) -> str:
    """A device's EUI-64 in lower-case hex."""
    found = text(fields, key).lower()
    if len(found) != 16 or not _HEX.issuperset(found):
        raise _wrong(key, "16 hexadecimal digits", found)
    return found


def base64_bytes(fields: Fields, key: str) -> bytes:
    """The bytes under `key`, none when absent."""
    found = text(fields, key)
    try:
        return base64.b64decode(found, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(key, "base64", found) from None


def time_ns(fields: Fields, key: str) -> int | None:
    """The RFC 3339 time under `key` [UTC ns], None when absent, else UNREADABLE_NS.

    A time never costs the uplink: its reading gets the time of receipt and is suspect.
    """
    found = fields.get(key)
    if found is None or found == "":
        return None
    try:
        return rfc3339_ns(found.strip()) if isinstance(found, str) else UNREADABLE_NS
    except ValueError:
        return UNREADABLE_NS


def first_time_ns(*found: int | None) -> int:
    """The first time that is there and readable, of a server that always sends one."""
    return next((ns for ns in found if ns is not None and ns != UNREADABLE_NS), UNREADABLE_NS)


def names(rows: object, *keys: str) -> tuple[str, ...]:
    """The first of `keys` that is a string, from each object in a list of them."""
    found = []
    for row in rows if isinstance(rows, list) else ():
        said = [row.get(key) for key in keys] if isinstance(row, dict) else []
        found.extend([name for name in said if isinstance(name, str)][:1])
    return tuple(found)


def _wrong(key: str, expected: str, found: object) -> Garbled:
    return Garbled(f"{expected} in {key!r}", repr(found)[:80])
