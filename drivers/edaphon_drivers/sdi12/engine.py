"""SDI-12 as an asked engine: measurements, identity, and what is wrong with an address."""

import re
from collections.abc import Iterable

from edaphon_drivers.patterns import compiled
from edaphon_drivers.readings import Identity, Turn
from edaphon_drivers.sdi12 import decode, talk
from edaphon_drivers.sdi12.decode import decode_exchange as decode_exchange
from edaphon_drivers.sdi12.parse import sheet_errors as sheet_errors
from edaphon_drivers.sdi12.parse import table_of
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Asking, Talk


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """All measurements of the sheet, one after the other."""
    yield from talk.measure(address, sheet, asking.concurrent, asking.crc, asking.timing)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """Asks aI!, then each setting that the sheet has a command for."""
    return _identify(address, sheet, asking)


def _identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    yield from talk.identify(address, asking.timing, table_of(sheet).settings)


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """Who answered, and the settings it gave; None when nobody did."""
    answered = tuple(turns)
    columns = decode.decode_identity(answered)
    if columns is None:
        return None
    table = table_of(sheet)
    parts = {"vendor": columns.vendor, "model": columns.model, "version": columns.version}
    parts["serial"] = columns.extra
    pattern = table.identity
    found = compiled(pattern, whole=True).in_whole(columns.text) if pattern else None
    if found:
        parts |= {name: text.strip() for name, text in found.items() if text}
    return Identity(**parts, settings=decode.decode_settings(answered, table.settings))


def address_error(address: str) -> str:
    """ "" or what would be right."""
    if re.fullmatch("[0-9A-Za-z]", address):
        return ""
    return "one character 0-9, A-Z or a-z"
