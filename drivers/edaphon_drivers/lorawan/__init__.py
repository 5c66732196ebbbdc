"""LoRaWAN heard through a network server: its envelope, then the instrument's own bytes."""

from edaphon_drivers.lorawan.codecs import codec_names, decode_uplink, known_ports
from edaphon_drivers.lorawan.envelopes import envelope_kinds, read_envelope
from edaphon_drivers.lorawan.uplink import Uplink, has_data

__all__ = [
    "Uplink",
    "codec_names",
    "decode_uplink",
    "envelope_kinds",
    "has_data",
    "known_ports",
    "read_envelope",
]
