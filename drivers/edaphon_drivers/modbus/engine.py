"""Modbus by register tables, RTU and TCP: what every asked engine offers."""

from collections.abc import Iterable, Iterator

from edaphon_drivers.faults import Refused
from edaphon_drivers.identity import Identity
from edaphon_drivers.modbus import decode
from edaphon_drivers.modbus.table import plan_of, table_troubles
from edaphon_drivers.modbus.talk import Line, read_all
from edaphon_drivers.payloads import Turn
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Asking, Talk

# 248 to 254 are reserved by the specification, yet makers use them: 254 is any Senseair.
_HIGHEST_UNIT = 254


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """All reads of the sheet, one after the other; raises Fault."""
    yield from read_all(_line(address, asking), plan_of(sheet).reads)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """Firmware, serial number and settings that the table knows; None for a table without."""
    if not sheet.frame.get("identity"):
        return None
    return _identify(address, sheet, asking)


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """The readings from the bytes alone; raises NoAnswer, Garbled or Refused when there is none."""
    return decode.decode_exchange(turns, sheet)


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """Who answered, and its settings; None when the exchange does not say."""
    return decode.decode_identity(turns, sheet)


def address_trouble(address: str) -> str:
    """What would be right; "" for an address of a unit. 0 is a broadcast, which nobody answers."""
    if address.isascii() and address.isdecimal() and 1 <= int(address[:9]) <= _HIGHEST_UNIT:
        return "" if address == str(int(address)) else f"written as {int(address)}"
    if address[:2].lower() == "0x":
        return "a decimal number from 1 to 247, such as 97 for 0x61"
    return "a decimal number from 1 to 247 (254: any Senseair)"


def sheet_troubles(sheet: Sheet) -> Iterator[str]:
    """What is wrong in the table, in words."""
    return table_troubles(sheet)


def _identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    yield from read_all(_line(address, asking), plan_of(sheet).identity)


def _line(address: str, asking: Asking) -> Line:
    if trouble := address_trouble(address):
        raise Refused(trouble, address)
    return Line(int(address), asking)
