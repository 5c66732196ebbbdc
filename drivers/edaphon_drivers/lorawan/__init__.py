"""LoRaWAN received through a network server: its envelope, then the instrument's own bytes."""

from edaphon_drivers.lorawan.codecs import codec_names, decode_uplink, known_ports
from edaphon_drivers.lorawan.envelopes import Uplink, envelope_kinds, has_data, read_envelope

__all__ = [
    "Uplink",
    "codec_names",
    "decode_uplink",
    "envelope_kinds",
    "has_data",
    "known_ports",
    "read_envelope",
]
