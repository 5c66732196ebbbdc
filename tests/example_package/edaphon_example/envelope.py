"""A network server's message `{"device": EUI, "port": 2, "count": 7, "bytes": BASE64}`."""

from edaphon_drivers.lorawan.envelopes import Uplink, base64_bytes, eui, integer


def read(topic: str, message: dict[str, object]) -> Uplink | None:
    """None for messages that are no uplink; raises Garbled for a wrong one."""
    if "bytes" not in message:
        return None
    return Uplink(
        dev_eui=eui(message, "device"),
        f_port=integer(message, "port", 255),
        f_cnt=integer(message, "count", 0xFFFFFFFF),
        data=base64_bytes(message, "bytes"),
        time_ns=None,
        session="",
        received_by=(),
    )
