"""Network servers' envelopes: from a message of ChirpStack, The Things Stack, Helium to an uplink.

Fields are strictly typed; protocol buffers omit what is zero, a null stands for an absent member.
An envelope is a function `(topic, message) -> Uplink | None`, found by its kind in the registry.
"""

import base64
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.message_values import epoch_ns, number_in, parse_object, written_ns
from edaphon_drivers.readings import UNREADABLE_NS
from edaphon_drivers.registry import ENVELOPES

_LAST_PORT = 223


class Uplink(NamedTuple):
    """One uplink; `data` are the instrument's bytes, whatever the server decoded from them.

    `dev_eui` is 16 lower-case hex digits. `f_port` and `f_cnt` are 0 when the server omits them
    (JSON from protocol buffers leaves zeros out). `time_ns` is when the network received it
    [UTC ns], None where the server sends no time and UNREADABLE_NS where nobody can read it. Two
    uplinks of the same `dev_eui`, `session`, `f_cnt` and `data` are one sending: `f_cnt` begins
    again with each session. `received_by` names the gateways. `simulated`: a person made it at
    the server, the device sent nothing.
    """

    dev_eui: str
    f_port: int
    f_cnt: int
    data: bytes
    time_ns: int | None
    session: str
    received_by: tuple[str, ...]
    simulated: bool = False


def has_data(data: bytes, f_port: int) -> bool:
    """Whether an instrument sent something: bytes on one of its own ports.

    Port 0, or none, carries MAC commands alone, 224 the network's tests, and those above are kept
    for the network (LoRaWAN L2 1.0.4, 4.3.2). No decoder may see such a frame: many makers'
    scripts read 0.00 from no bytes.
    """
    return bool(data) and 1 <= f_port <= _LAST_PORT


Fields = Mapping[str, Any]
Envelope = Callable[[str, dict[str, object]], Uplink | None]
_HEX = frozenset("0123456789abcdef")


envelope_kinds = ENVELOPES.names
_envelope: Callable[[str], Envelope] = cache(ENVELOPES.load)


def read_envelope(kind: str, topic: str, data: bytes) -> Uplink | None:
    """The uplink in a network server's message; None for a join, a status, a log and the like.

    Raises Garbled for anything that is not such a message, LookupError for an unknown `kind`.
    """
    return _envelope(kind)(topic, parse_object(data))


def section(fields: Fields, key: str) -> Fields:
    """The object under `key`; Garbled when there is none."""
    found = fields.get(key)
    if not isinstance(found, dict):
        raise _wrong(key, "an object", found)
    return found


def text(fields: Fields, key: str) -> str:
    """The string under `key`, "" when absent."""
    found = fields.get(key)
    if found is not None and not isinstance(found, str):
        raise _wrong(key, "a string", found)
    return found or ""


def integer(fields: Fields, key: str, highest: int) -> int:
    """The integer 0..highest under `key`, as a number or as text; 0 when absent."""
    found = fields.get(key)
    number = 0 if found is None else number_in(found)
    if not isinstance(number, int) or not 0 <= number <= highest:
        raise _wrong(key, f"an integer from 0 to {highest}", found)
    return number


def flag(fields: Fields, key: str) -> bool:
    """Whether true stands under `key`; false when absent."""
    found = fields.get(key)
    if found is not None and not isinstance(found, bool):
        raise _wrong(key, "true or false", found)
    return bool(found)


def eui(fields: Fields, key: str) -> str:
    """A device's EUI-64 in lower-case hex."""
    found = text(fields, key).lower()
    if len(found) != 16 or not _HEX.issuperset(found):
        raise _wrong(key, "16 hexadecimal digits", found)
    return found


def base64_bytes(fields: Fields, key: str) -> bytes:
    """The bytes under `key`, none when absent."""
    found = text(fields, key)
    try:
        return base64.b64decode(found, validate=True)
    except ValueError:
        raise _wrong(key, "base64", found) from None


def time_ns(fields: Fields, key: str) -> int | None:
    """The RFC 3339 time under `key` [UTC ns], None when absent, else UNREADABLE_NS.

    A time never costs the uplink: its reading gets the time of receipt and is suspect.
    """
    found = fields.get(key)
    return None if found is None or found == "" else written_ns(found)


def first_time_ns(*found: int | None) -> int:
    """The first time that is there and readable, of a server that always sends one."""
    return next((ns for ns in found if ns is not None and ns != UNREADABLE_NS), UNREADABLE_NS)


def names(rows: object, *keys: str) -> tuple[str, ...]:
    """The first of `keys` that is a string, from each object in a list of them."""
    found = []
    for row in rows if isinstance(rows, list) else ():
        values = [row.get(key) for key in keys] if isinstance(row, dict) else []
        found.extend([name for name in values if isinstance(name, str)][:1])
    return tuple(found)


def _wrong(key: str, expected: str, found: object) -> Garbled:
    return Garbled(f"{expected} in {key!r}", repr(found)[:80])


_OTHER_CHIRPSTACK_V4 = frozenset(
    {"join", "status", "log", "ack", "txack", "location", "integration"}
)


def read_chirpstack_v4(topic: str, message: dict[str, object]) -> Uplink | None:
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
    return event == "up" or (event not in _OTHER_CHIRPSTACK_V4 and "rxInfo" in message)


# `rx` is the name that `up` had before 3.0.
_UP = frozenset({"up", "rx"})
_OTHER_CHIRPSTACK_V3 = frozenset(
    {"join", "status", "error", "ack", "txack", "location", "integration", "down", "tx"}
)


def read_chirpstack_v3(topic: str, message: dict[str, object]) -> Uplink | None:
    """None for every event but `up`. The decoded `object` and `objectJSON` are not looked at."""
    event = topic.rpartition("/")[2]
    if event not in _UP and (event in _OTHER_CHIRPSTACK_V3 or "rxInfo" not in message):
        return None
    fields = {key: value for key, value in message.items() if value is not None}
    gateways = _gateways_chi(fields.get("rxInfo"))
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
    found = text(fields, key)
    if len(found) == 2 * size and _HEX.issuperset(found.lower()):
        return found.lower()
    data = base64_bytes(fields, key)
    if len(data) != size:
        raise Garbled(f"{size} bytes as hex or base64 in {key!r}", repr(found)[:80])
    return data.hex()


def _gateways_chi(rows: object) -> list[Fields]:
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


def read_tts_v3(topic: str, message: dict[str, object]) -> Uplink | None:
    """None for join, downlink, location and service messages. Decoded fields are not looked at."""
    if "uplink_message" not in message:
        if topic.endswith("/up"):
            raise Garbled("'uplink_message' on a topic that ends with /up", topic)
        return None
    uplink, device = section(message, "uplink_message"), section(message, "end_device_ids")
    # The network server's time: nearer to the air than the application server's, and its clock
    # is kept, which is not true of every gateway.
    received_ns = first_time_ns(*(time_ns(own, "received_at") for own in (uplink, message)))
    return Uplink(
        dev_eui=eui(device, "dev_eui"),
        f_port=integer(uplink, "f_port", 255),
        f_cnt=integer(uplink, "f_cnt", 0xFFFFFFFF),
        data=base64_bytes(uplink, "frm_payload"),
        time_ns=received_ns,
        session=text(uplink, "session_key_id") or text(device, "dev_addr"),
        received_by=_gateways_tts(uplink.get("rx_metadata")),
        simulated=flag(message, "simulated") or flag(uplink, "simulated"),
    )


def _gateways_tts(rows: object) -> tuple[str, ...]:
    listed = rows if isinstance(rows, list) else []
    ids = [row.get("gateway_ids") for row in listed if isinstance(row, dict)]
    return names(ids, "gateway_id", "eui")


_SECONDS_BELOW = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973


def read_helium(topic: str, message: dict[str, object]) -> Uplink | None:
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
    found = number_in(message.get("reported_at"))
    if found is None:
        return None if message.get("reported_at") is None else UNREADABLE_NS
    return epoch_ns(found, 1_000_000_000 if found < _SECONDS_BELOW else 1_000_000)
