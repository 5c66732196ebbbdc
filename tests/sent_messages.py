"""Messages of smart-home firmware and of an old network server, which `simulate` does not send."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime


def chirpstack_v3_legacy(
    dev_eui: str, payload: bytes, f_port: int, f_cnt: int, time_ns: int
) -> tuple[str, bytes]:
    """The JSON of ChirpStack before 3.11: bytes are hex, there is no session and no server time."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    received = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    gateway = {"gatewayID": "0016c001f153a14c", "name": "roof", "time": received, "rssi": -57}
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
        "data": base64.b64encode(payload).decode(),
        "object": {"soil_temperature": 99},
    }
    return f"application/123/device/{dev_eui.lower()}/rx", json.dumps(message).encode()


def tasmota(name: str, sensors: Mapping[str, Mapping[str, object]], unit: str) -> tuple[str, bytes]:
    """A telemetry message; its `Time` is local and names no zone."""
    message: dict[str, object] = {"Time": "2026-11-22T07:30:00", **sensors}
    return f"tele/{name}/SENSOR", json.dumps({**message, "TempUnit": unit}).encode()


def zigbee2mqtt(name: str, state: Mapping[str, object]) -> tuple[str, bytes]:
    return f"zigbee2mqtt/{name}", json.dumps({**state, "linkquality": 83}).encode()


def esphome(node: str, sensor: str, number: float | None, digits: int = 1) -> tuple[str, bytes]:
    """One number as text; a sensor that could not be read says `nan`."""
    text = "nan" if number is None else f"{number:.{digits}f}"
    return f"{node}/sensor/{sensor}/state", text.encode()
