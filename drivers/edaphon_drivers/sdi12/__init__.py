"""SDI-12: talks with probes on a shared line, and the readings in what they answered."""

from edaphon_drivers.sdi12.engine import decode_exchange, last_identity
from edaphon_drivers.sdi12.parse import IdentityLine, parse_relayed
from edaphon_drivers.sdi12.talk import (
    acknowledge,
    change_address,
    describe,
    extended,
    identify,
    measure,
    verify,
)

__all__ = [
    "IdentityLine",
    "acknowledge",
    "change_address",
    "decode_exchange",
    "describe",
    "extended",
    "identify",
    "last_identity",
    "measure",
    "parse_relayed",
    "verify",
]
