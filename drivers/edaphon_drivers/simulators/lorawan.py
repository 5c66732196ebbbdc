"""LoRaWAN devices and network servers that exist only here: frames and envelopes to decode.

A second opinion: written from the makers' tables, it imports nothing of the decoders.
"""

import base64
import json
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from edaphon_drivers.simulators.lorawan_decentlab import ENCODED, WORDED, worded

Values = Mapping[str, float | None]


class SimulatedFrame(NamedTuple):
    """A payload, the port it goes out on, and the numbers that must come back, by output.

    None stands for a number that the instrument says it could not measure.
    """

    payload: bytes
    f_port: int
    values: Values


class _Model(NamedTuple):
    f_port: int
    encode: Callable[[Values], bytes]
    draw: Callable[[random.Random], Values]


def frames(model: str, seed: int, n: int) -> Iterator[SimulatedFrame]:
    """`n` frames of a model with random values that its resolution can carry."""
    rng = random.Random(seed)  # noqa: S311 - reproducible values, no secret
    for _ in range(n):
        yield _drawn(model, rng)


def _drawn(model: str, rng: random.Random) -> SimulatedFrame:
    if model in WORDED:
        payload, values = worded(model, rng)
        return SimulatedFrame(payload, 1, values)
    maker = MODELS[model]
    values = maker.draw(rng)
    return SimulatedFrame(maker.encode(values), maker.f_port, values)


def encode(model: str, values: Values) -> tuple[bytes, int]:
    """The payload and port with which a model sends these values, rounded to its resolution."""
    maker = MODELS[model]
    return maker.encode(values), maker.f_port


def _counted(values: Values, name: str, per_unit: int) -> int:
    value = values[name]
    return 0 if value is None else round(value * per_unit)


def _grid(rng: random.Random, lowest: int, highest: int, per_unit: int) -> float:
    return rng.randint(lowest, highest) / per_unit


# Dragino: eleven bytes, big endian; the last one carries the mode in its top bit.


def _dragino(values: Values) -> bytes:
    battery = _counted(values, "battery_voltage", 1000) | 0xC000
    external = _counted(values, "ds18b20_temperature", 10)
    if "relative_permittivity" in values:
        return struct.pack(
            ">HhHHHB",
            battery,
            external,
            _counted(values, "relative_permittivity", 10),
            _counted(values, "water_content_counts", 1),
            _counted(values, "electrical_conductivity_counts", 1),
            0x90,
        )
    water = _counted(values, "volumetric_water_content", 100)
    warmth = _counted(values, "soil_temperature", 100)
    salt = _counted(values, "bulk_electrical_conductivity", 1)
    return struct.pack(">HhHhHB", battery, external, water, warmth, salt, 0x10)


def _draw_dragino(rng: random.Random) -> Values:
    return {
        "battery_voltage": _grid(rng, 2100, 3700, 1000),
        "ds18b20_temperature": _grid(rng, -550, 849, 10),
        "volumetric_water_content": _grid(rng, 0, 10000, 100),
        "soil_temperature": _grid(rng, -4000, 8500, 100),
        "bulk_electrical_conductivity": _grid(rng, 0, 20000, 1),
    }


def _draw_dragino_both(rng: random.Random) -> Values:
    if rng.random() < 0.5:
        return _draw_dragino(rng)
    return {
        "battery_voltage": _grid(rng, 2100, 3700, 1000),
        "ds18b20_temperature": _grid(rng, -550, 849, 10),
        "relative_permittivity": _grid(rng, 10, 810, 10),
        "water_content_counts": _grid(rng, 0, 65535, 1),
        "electrical_conductivity_counts": _grid(rng, 0, 65535, 1),
    }


# Milesight: channel, type, value; little endian; FFFF says that the measurement failed.


def _milesight(values: Values) -> bytes:
    parts = {
        "battery_level": b"\x01\x75" + bytes([_counted(values, "battery_level", 1)])
        if "battery_level" in values
        else b"",
        "soil_temperature": b"\x03\x67" + _little(values, "soil_temperature", 10),
        "volumetric_water_content": b"\x04\xca" + _little(values, "volumetric_water_content", 100),
        "bulk_electrical_conductivity": b"\x05\x7f"
        + _little(values, "bulk_electrical_conductivity", 1),
    }
    return b"".join(parts[name] for name in values)


def _little(values: Values, name: str, per_unit: int) -> bytes:
    if values.get(name) is None:
        return b"\xff\xff"
    return (_counted(values, name, per_unit) & 0xFFFF).to_bytes(2, "little")


def _draw_milesight(rng: random.Random) -> Values:
    drawn: dict[str, float | None] = {
        "battery_level": _grid(rng, 0, 100, 1),
        "soil_temperature": _apart_from_codes(_grid(rng, -400, 800, 10)),
        "volumetric_water_content": _grid(rng, 0, 10000, 100),
        "bulk_electrical_conductivity": _grid(rng, 0, 20000, 1),
    }
    for name in ("soil_temperature", "volumetric_water_content", "bulk_electrical_conductivity"):
        if rng.random() < 0.1:
            drawn[name] = None
    chosen = rng.sample(sorted(drawn), rng.randint(1, 4))
    return {name: drawn[name] for name in chosen}


def _apart_from_codes(celsius: float) -> float:
    """-0.1 and -0.3 °C share their bytes with the failure codes: the device cannot say them."""
    return 0.0 if celsius in {-0.1, -0.3} else celsius


def _air(values: Values) -> bytes:
    """EM300-TH and EM500-CO2: each channel that is given, in the order of the README."""
    parts = {
        "battery_level": (b"\x01\x75", 1, 1),
        "air_temperature": (b"\x03\x67", 2, 10),
        "relative_humidity": (b"\x04\x68", 1, 2),
        "co2_mole_fraction": (b"\x05\x7d", 2, 1),
        "air_pressure": (b"\x06\x73", 2, 10),
    }
    frame = b""
    for name in values:
        tag, n_bytes, per_unit = parts[name]
        counted = _counted(values, name, per_unit) % (1 << 8 * n_bytes)
        frame += tag + counted.to_bytes(n_bytes, "little")
    return frame


def _draw_air(rng: random.Random) -> Values:
    drawn = {
        "battery_level": _grid(rng, 0, 100, 1),
        "air_temperature": _grid(rng, -400, 850, 10),
        "relative_humidity": _grid(rng, 0, 200, 2),
    }
    return {name: drawn[name] for name in rng.sample(sorted(drawn), rng.randint(1, 3))}


def _draw_air_co2(rng: random.Random) -> Values:
    gas = {
        "co2_mole_fraction": _grid(rng, 0, 10000, 1),
        "air_pressure": _grid(rng, 3000, 11000, 10),
    }
    return {**_draw_air(rng), **gas}


# Dragino's soil pH: eleven bytes again, with other scales.


def _soil_ph(values: Values) -> bytes:
    return struct.pack(
        ">HhHhHB",
        _counted(values, "battery_voltage", 1000),
        _counted(values, "ds18b20_temperature", 10),
        _counted(values, "soil_ph", 100),
        _counted(values, "soil_temperature", 10),
        0,
        1,
    )


def _draw_soil_ph(rng: random.Random) -> Values:
    return {
        "battery_voltage": _grid(rng, 2100, 3700, 1000),
        "ds18b20_temperature": _grid(rng, -550, 849, 10),
        "soil_ph": _grid(rng, 0, 1400, 100),
        "soil_temperature": _grid(rng, -400, 850, 10),
    }


MODELS: Mapping[str, _Model] = {
    **{name: _Model(1, encode, draw) for name, (encode, draw) in ENCODED.items()},
    "dragino.lse01-1.1.4": _Model(2, _dragino, _draw_dragino),
    "dragino.lse01-1.2.1": _Model(2, _dragino, _draw_dragino_both),
    "dragino.se01-lb": _Model(2, _dragino, _draw_dragino_both),
    "dragino.lsph01": _Model(2, _soil_ph, _draw_soil_ph),
    "milesight.em300-th": _Model(85, _air, _draw_air),
    "milesight.em500-co2": _Model(85, _air, _draw_air_co2),
    "milesight.em500-smtc": _Model(85, _milesight, _draw_milesight),
}


SIMULATED = frozenset(MODELS) | frozenset(WORDED)


def tts_v3(
    dev_eui: str, payload: bytes, f_port: int, f_cnt: int, time_ns: int, session: str = "s1"
) -> tuple[str, bytes]:
    """Topic and message of The Things Stack v3, which leaves out what is 0, false or empty."""
    device = f"eui-{dev_eui.lower()}"
    received = _rfc3339(time_ns)
    gateway = {"gateway_id": "plot-gateway", "eui": "AA555A0000000101"}
    uplink = {
        "session_key_id": base64.b64encode(session.encode()).decode(),
        "f_port": f_port,
        "f_cnt": f_cnt,
        "frm_payload": base64.b64encode(payload).decode(),
        "rx_metadata": [{"gateway_ids": gateway, "time": received, "rssi": -71, "snr": 8.5}],
        "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}}},
        "received_at": received,
        "consumed_airtime": "0.061696s",
    }
    message = {
        "end_device_ids": {
            "device_id": device,
            "application_ids": {"application_id": "soil"},
            "dev_eui": dev_eui.upper(),
            "join_eui": "800000000000000C",
            "dev_addr": "260B1AFB",
        },
        "correlation_ids": ["gs:uplink:01FD7XDEWZ8ZQREV9NYHFBT1TR"],
        "received_at": _rfc3339(time_ns + 200_000_000),
        "uplink_message": {key: value for key, value in uplink.items() if value},
    }
    return f"v3/soil@ttn/devices/{device}/up", json.dumps(message).encode()


def chirpstack_v4(
    dev_eui: str, payload: bytes, f_port: int, f_cnt: int, time_ns: int, session: str = "00189440"
) -> tuple[str, bytes]:
    """Topic and message of ChirpStack v4, which leaves out numbers that are 0."""
    application = "17c82e96-be03-4f38-aef3-f83d48582d97"
    message = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": _rfc3339(time_ns, "+00:00"),
        "deviceInfo": {
            "tenantName": "ChirpStack",
            "applicationId": application,
            "deviceName": "probe",
            "devEui": dev_eui.lower(),
            "tags": {},
        },
        "devAddr": session,
        "adr": True,
        "dr": 5,
        "fCnt": f_cnt,
        "fPort": f_port,
        "confirmed": False,
        "data": base64.b64encode(payload).decode(),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "uplinkId": 4217106255, "rssi": -36}],
        "txInfo": {"frequency": 867100000},
    }
    kept = {key: value for key, value in message.items() if value != 0}
    topic = f"application/{application}/device/{dev_eui.lower()}/event/up"
    return topic, json.dumps(kept).encode()


def _rfc3339(time_ns: int, zone: str = "Z") -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}{zone}"


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
