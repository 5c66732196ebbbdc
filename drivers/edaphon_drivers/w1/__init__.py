"""Thermometers on the kernel's 1-wire bus, read through /sys/bus/w1/devices."""

from edaphon_drivers.w1.engine import (
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
