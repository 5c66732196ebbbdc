"""Messages as ChirpStack v3, Helium Console, Tasmota, Zigbee2MQTT and ESPHome would send them."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime

_GATEWAY = bytes.fromhex("0016c001f153a14c")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def chirpstack_v3(
    dev_eui: str, payload: bytes, f_port: int, f_cnt: int, time_ns: int, session: str = "00189440"
) -> tuple[str, bytes]:
    """The protocol buffers' JSON, in which bytes are base64 and absent times are null."""
    gateway = {"gatewayID": _base64(_GATEWAY), "time": None, "rssi": -48, "loRaSNR": 9}
    message = {
        "applicationID": "123",
        "applicationName": "soil",
        "deviceName": "probe",
        "devEUI": _base64(bytes.fromhex(dev_eui)),
        "rxInfo": [gateway],
        "txInfo": {"frequency": 868100000, "modulation": "LORA"},
        "adr": True,
        "dr": 1,
        "fCnt": f_cnt,
        "fPort": f_port,
        "data": _base64(payload),
        "objectJSON": '{"soil_temperature":99}',
        "tags": {},
        "confirmedUplink": False,
        "devAddr": _base64(bytes.fromhex(session)),
        "publishedAt": _rfc3339(time_ns),
    }
    return f"application/123/device/{dev_eui.lower()}/event/up", json.dumps(message).encode()


def chirpstack_v3_legacy(
    dev_eui: str, payload: bytes, f_port: int, f_cnt: int, time_ns: int
) -> tuple[str, bytes]:
    """The JSON of ChirpStack before 3.11: bytes are hex, there is no session and no server time."""
    gateway = {"gatewayID": _GATEWAY.hex(), "name": "roof", "time": _rfc3339(time_ns), "rssi": -57}
    message = {
        "applicationID": "123",
        "applicationName": "soil",
        "deviceName": "probe",
        "devEUI": dev_eui.lower(),
        "rxInfo": [gateway],
        "txInfo": {"frequency": 868100000, "dr": 5},
        "adr": False,
        "fCnt": f_cnt,
        "fPort": f_port,
        "data": _base64(payload),
        "object": {"soil_temperature": 99},
    }
    return f"application/123/device/{dev_eui.lower()}/rx", json.dumps(message).encode()


def helium(
    dev_eui: str, payload: bytes, f_port: int, f_cnt: int, time_ns: int, session: str = "B5A44869"
) -> tuple[str, bytes]:
    """A console's uplink, with its times in milliseconds."""
    device, at_ms = "3c822699-37fd-4df6-a84d-93037a450843", time_ns // 10**6
    hotspot = {"id": "11KHJW1ePkfhLYptMwKyDzn4opLc", "name": "icy-fiery-hippo", "rssi": -54}
    message = {
        "app_eui": "6948A4B59F4666AD",
        "dev_eui": dev_eui.upper(),
        "devaddr": session,
        "fcnt": f_cnt,
        "hotspots": [{**hotspot, "reported_at": at_ms, "status": "success"}],
        "id": device,
        "metadata": {"labels": []},
        "name": "probe",
        "payload": _base64(payload),
        "port": f_port,
        "reported_at": at_ms,
    }
    return f"helium/{device}/rx", json.dumps(message).encode()


def tasmota(name: str, sensors: Mapping[str, Mapping[str, object]], unit: str) -> tuple[str, bytes]:
    """A telemetry message; its `Time` is local and names no zone."""
    message: dict[str, object] = {"Time": "2026-11-22T07:30:00", **sensors}
    return f"tele/{name}/SENSOR", json.dumps({**message, "TempUnit": unit}).encode()


def zigbee2mqtt(name: str, state: Mapping[str, object]) -> tuple[str, bytes]:
    return f"zigbee2mqtt/{name}", json.dumps({**state, "linkquality": 83}).encode()


def esphome(node: str, sensor: str, number: float | None, digits: int = 1) -> tuple[str, bytes]:
    """One number as text; a sensor that could not be read says `nan`."""
    said = "nan" if number is None else f"{number:.{digits}f}"
    return f"{node}/sensor/{sensor}/state", said.encode()


def _rfc3339(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
