"""Modbus RTU and TCP: instruments that are asked by a table of their registers."""

from edaphon_drivers.modbus.engine import (
    address_trouble,
    decode_exchange,
    decode_identity,
    identify,
    measure,
    sheet_troubles,
)

__all__ = [
    "address_trouble",
    "decode_exchange",
    "decode_identity",
    "identify",
    "measure",
    "sheet_troubles",
]
