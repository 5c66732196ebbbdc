"""Helium Console before it moved to ChirpStack v4: `helium/{device id}/rx`, prefix by its owner.

Fields as in the documentation, Console > Integrations > JSON Schema. Its `reported_at` was in
seconds before it was in milliseconds. A console of today speaks ChirpStack v4.
"""

from edaphon_drivers.json_message import epoch_ns
from edaphon_drivers.lorawan.envelope_fields import (
    Fields,
    base64_bytes,
    eui,
    integer,
    names,
    text,
)
from edaphon_drivers.lorawan.uplink import Uplink
from edaphon_drivers.number_text import number_in
from edaphon_drivers.readings import UNREADABLE_NS

_SECONDS_BELOW = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973


def read(topic: str, message: dict[str, object]) -> Uplink | None:
    """None for joins, downlinks and whatever says another `type`. `decoded` is not looked at."""
    if message.get("type", "uplink") != "uplink" or topic.endswith("/tx"):
        return None
    if "payload" not in message and not topic.endswith("/rx"):
        return None
    return Uplink(
        dev_eui=eui(message, "dev_eui"),
        f_port=integer(message, "port", 255),
        f_cnt=integer(message, "fcnt", 0xFFFFFFFF),
        data=base64_bytes(message, "payload"),
        time_ns=_reported_ns(message),
        session=text(message, "devaddr"),
        received_by=names(message.get("hotspots"), "id", "name"),
    )


def _reported_ns(message: Fields) -> int | None:
    said = number_in(message.get("reported_at"))
    if said is None:
        return None if message.get("reported_at") is None else UNREADABLE_NS
    return epoch_ns(said, 1_000_000_000 if said < _SECONDS_BELOW else 1_000_000)
