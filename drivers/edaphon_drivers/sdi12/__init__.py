"""SDI-12: talks with probes on a shared line, and the readings in what they answered."""

from edaphon_drivers.sdi12.decode import decode_exchange, decode_identity
from edaphon_drivers.sdi12.parse import Identity
from edaphon_drivers.sdi12.talk import acknowledge, identify, measure

__all__ = [
    "Identity",
    "acknowledge",
    "decode_exchange",
    "decode_identity",
    "identify",
    "measure",
]
