"""The Things Stack v3: `v3/{application}@{tenant}/devices/{device}/up` and its sister topics.

Fields as in the documentation, Integrations > Data Formats: what is 0, false or empty is omitted.
`simulated` marks what a person made in the console or with the command line.
"""

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.envelope_fields import (
    base64_bytes,
    eui,
    first_time_ns,
    flag,
    integer,
    names,
    section,
    text,
    time_ns,
)
from edaphon_drivers.lorawan.uplink import Uplink


def read(topic: str, message: dict[str, object]) -> Uplink | None:
    """None for join, downlink, location and service messages. Decoded fields are not looked at."""
    if "uplink_message" not in message:
        if topic.endswith("/up"):
            raise Garbled("'uplink_message' on a topic that ends with /up", topic)
        return None
    uplink, device = section(message, "uplink_message"), section(message, "end_device_ids")
    # The network server's time: nearer to the air than the application server's, and its clock
    # is kept, which cannot be said of every gateway.
    received_ns = first_time_ns(*(time_ns(own, "received_at") for own in (uplink, message)))
    return Uplink(
        dev_eui=eui(device, "dev_eui"),
        f_port=integer(uplink, "f_port", 255),
        f_cnt=integer(uplink, "f_cnt", 0xFFFFFFFF),
        data=base64_bytes(uplink, "frm_payload"),
        time_ns=received_ns,
        session=text(uplink, "session_key_id") or text(device, "dev_addr"),
        received_by=_gateways(uplink.get("rx_metadata")),
        simulated=flag(message, "simulated") or flag(uplink, "simulated"),
    )


def _gateways(rows: object) -> tuple[str, ...]:
    listed = rows if isinstance(rows, list) else []
    ids = [row.get("gateway_ids") for row in listed if isinstance(row, dict)]
    return names(ids, "gateway_id", "eui")
