"""ChirpStack v3: `application/{id}/device/{devEUI}/event/{event}`, before 3.11 without `/event`.

Two JSON forms (documentation of v3, Events): the protocol buffers' one, in which bytes such as
`devEUI` are base64, and the legacy one, in which they are hexadecimal. The legacy one names no
`devAddr`: there a restarted frame counter can't be told by its session.
"""

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.envelope_fields import (
    Fields,
    base64_bytes,
    first_time_ns,
    integer,
    text,
    time_ns,
)
from edaphon_drivers.lorawan.uplink import Uplink

# `rx` is the name that `up` had before 3.0.
_UP = frozenset({"up", "rx"})
_OTHER_EVENTS = frozenset(
    {"join", "status", "error", "ack", "txack", "location", "integration", "down", "tx"}
)
_HEX = frozenset("0123456789abcdef")


def read(topic: str, message: dict[str, object]) -> Uplink | None:
    """None for every event but `up`. The decoded `object` and `objectJSON` are not looked at."""
    event = topic.rpartition("/")[2]
    if event not in _UP and (event in _OTHER_EVENTS or "rxInfo" not in message):
        return None
    fields = {key: value for key, value in message.items() if value is not None}
    gateways = _gateways(fields.get("rxInfo"))
    return Uplink(
        dev_eui=_hexadecimal(fields, "devEUI", 8),
        f_port=integer(fields, "fPort", 255),
        f_cnt=integer(fields, "fCnt", 0xFFFFFFFF),
        data=base64_bytes(fields, "data"),
        time_ns=_received_ns(fields, gateways),
        session=_hexadecimal(fields, "devAddr", 4) if fields.get("devAddr") else "",
        received_by=tuple(name for row in gateways if (name := _name(row))),
    )


def _hexadecimal(fields: Fields, key: str, size: int) -> str:
    """`size` bytes in lower-case hex; base64 is shorter than hex, so no text is both."""
    said = text(fields, key)
    if len(said) == 2 * size and _HEX.issuperset(said.lower()):
        return said.lower()
    data = base64_bytes(fields, key)
    if len(data) != size:
        raise Garbled(f"{size} bytes as hex or base64 in {key!r}", repr(said)[:80])
    return data.hex()


def _gateways(rows: object) -> list[Fields]:
    listed = rows if isinstance(rows, list) else []
    return [
        {key: value for key, value in row.items() if isinstance(value, str)}
        for row in listed
        if isinstance(row, dict)
    ]


def _name(gateway: Fields) -> str:
    """An odd name of a gateway costs the name, not the uplink."""
    try:
        return _hexadecimal(gateway, "gatewayID", 8)
    except Garbled:
        return ""


def _received_ns(fields: Fields, gateways: list[Fields]) -> int | None:
    """The server's time, as everywhere; a gateway's own only where the server sends none.

    None where nobody sent one: a gateway without GPS has none, and older servers neither.
    """
    times = [time_ns(fields, "publishedAt"), *(time_ns(gateway, "time") for gateway in gateways)]
    sent = [ns for ns in times if ns is not None]
    return first_time_ns(*sent) if sent else None
