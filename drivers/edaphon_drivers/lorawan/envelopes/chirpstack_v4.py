"""ChirpStack v4: `application/{id}/device/{devEui}/event/{event}`, JSON marshaler.

Fields as in the documentation, Integrations > Event types; JSON from protocol buffers leaves
zeros out (no `fCnt` in the first uplink after a join).
"""

from edaphon_drivers.lorawan.envelope_fields import (
    base64_bytes,
    eui,
    first_time_ns,
    integer,
    names,
    section,
    text,
    time_ns,
)
from edaphon_drivers.lorawan.uplink import Uplink

_OTHER_EVENTS = frozenset({"join", "status", "log", "ack", "txack", "location", "integration"})


def read(topic: str, message: dict[str, object]) -> Uplink | None:
    """None for every event but `up`. The decoded `object` is not looked at."""
    if not _is_up(topic, message):
        return None
    return Uplink(
        dev_eui=eui(section(message, "deviceInfo"), "devEui"),
        f_port=integer(message, "fPort", 255),
        f_cnt=integer(message, "fCnt", 0xFFFFFFFF),
        data=base64_bytes(message, "data"),
        time_ns=first_time_ns(time_ns(message, "time")),
        session=text(message, "devAddr"),
        received_by=names(message.get("rxInfo"), "gatewayId"),
    )


def _is_up(topic: str, message: dict[str, object]) -> bool:
    event = topic.rpartition("/")[2]
    # The topic is a template of the server's owner: only an uplink has rxInfo in any case.
    return event == "up" or (event not in _OTHER_EVENTS and "rxInfo" in message)
