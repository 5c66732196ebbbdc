"""Sensors on an I2C bus whose answers are 16-bit words, each with its CRC-8 (Sensirion)."""

from edaphon_drivers.i2c.engine import (
    address_trouble,
    decode_exchange,
    decode_identity,
    identify,
    measure,
    sheet_troubles,
)
from edaphon_drivers.i2c.words import read_words

__all__ = [
    "address_trouble",
    "decode_exchange",
    "decode_identity",
    "identify",
    "measure",
    "read_words",
    "sheet_troubles",
]
