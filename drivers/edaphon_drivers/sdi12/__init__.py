"""SDI-12: talks with probes on a shared line, and the readings in what they answered."""

from edaphon_drivers.sdi12.decode import decode_exchange, decode_identity
from edaphon_drivers.sdi12.parse import Identity, parse_relayed
from edaphon_drivers.sdi12.service import (
    acknowledge,
    change_address,
    describe,
    extended,
    identify,
    verify,
)
from edaphon_drivers.sdi12.talk import measure

__all__ = [
    "Identity",
    "acknowledge",
    "change_address",
    "decode_exchange",
    "decode_identity",
    "describe",
    "extended",
    "identify",
    "measure",
    "parse_relayed",
    "verify",
]
