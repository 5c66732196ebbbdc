"""Network servers' messages: the uplink's own fields, and numbers of the message by their paths."""

from collections.abc import Iterator

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes

from edaphon_drivers.discovery import read_discovery
from edaphon_drivers.lorawan import Uplink, read_envelope
from edaphon_drivers.message_values import JsonField, JsonFields, decode_json
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.smart_home import decode_message

__all__ = ["DEVICES"]

# Network servers: the uplink's own fields; anything else a vector expects is a number in the
# message, and named by a path as the owner of a plain JSON message would.


def _envelope(kind: str, decoded: str, **paths: str) -> Decoder:
    def decode(entry: Entry) -> list[Given]:
        data = entry_bytes(entry)
        uplink = read_envelope(kind, entry["topic"], data)
        own = list(_uplink(uplink)) if uplink else []
        known = {given.quantity for given in own}
        fields = JsonFields(
            tuple(
                JsonField(name, paths.get(name, f"{decoded}.{name}"), name, row["unit"] or "")
                for row in entry["expected"]
                if (name := row["quantity"]) not in known
            )
        )
        return own + [Given(r.output, r.number, r.unit or None) for r in decode_json(data, fields)]

    return decode


def _uplink(uplink: Uplink) -> Iterator[Given]:
    yield Given("dev_eui", uplink.dev_eui, None)
    yield Given("f_port", uplink.f_port or None, None)
    yield Given("f_cnt", uplink.f_cnt, None)
    if not uplink.f_cnt:
        yield Given("f_cnt", None, None)  # servers leave a zero out
    yield Given("payload_hex", uplink.data.hex(), None)
    yield Given("session", uplink.session, None)
    yield Given("time", uplink.time_ns, None)


def _discovery(entry: Entry) -> list[Given]:
    found = read_discovery(entry["topic"], entry_bytes(entry))
    if found is None:
        return []
    own = [
        Given("state_topic", found.state_topic, None),
        Given("json_path", found.json_path, None),
        Given("unit", found.unit, None),
        Given("device_class", found.device_class, None),
        Given("name", found.name, None),
        Given("unique_id", found.unique_id, None),
        Given("manufacturer", found.manufacturer, None),
        Given("model", found.model, None),
    ]
    return own + [Given("availability_topic", topic, None) for topic in found.availability]


def _message(model: str) -> Decoder:
    def decode(entry: Entry) -> list[Given]:
        sheet = load_sheet(model)
        readings = decode_message(entry["topic"], entry_bytes(entry), sheet)
        return [
            Given(r.output, r.number, r.unit, sheet.outputs[r.output].failure) for r in readings
        ]

    return decode


_chirpstack_v3 = _envelope(
    "chirpstack-v3",
    "object",
    margin="margin",
    battery="batteryLevel",
    rssi="rxInfo.0.rssi",
    snr="rxInfo.0.loRaSNR",
)
_helium = _envelope("helium", "decoded.payload", rssi="hotspots.0.rssi", snr="hotspots.0.snr")

DEVICES: dict[str, Decoder] = {
    "The Things Stack v3": _envelope(
        "tts-v3",
        "uplink_message.decoded_payload",
        rssi="uplink_message.rx_metadata.0.rssi",
        snr="uplink_message.rx_metadata.0.snr",
    ),
    "ChirpStack v3 (protobuf JSON)": _chirpstack_v3,
    "ChirpStack v3 (legacy JSON)": _chirpstack_v3,
    "ChirpStack v3": _chirpstack_v3,
    "Helium Console": _helium,
    "Helium": _helium,
    "Home Assistant MQTT discovery": _discovery,
    "Tasmota DS18B20": _message("tasmota.ds18b20"),
    "Tasmota BME280": _message("tasmota.bme280"),
    "Tasmota SHT3x": _message("tasmota.sht3x"),
    "Zigbee2MQTT TS0601_soil": _message("tuya.ts0601-soil"),
    "Theengs HHCCJCY01HHCC": _message("hhcc.hhccjcy01-theengs"),
    "ESPHome text": _message("esphome.text"),
    "ChirpStack v4": _envelope(
        "chirpstack-v4",
        "object",
        margin="margin",
        battery="batteryLevel",
        rssi="rxInfo.0.rssi",
        snr="rxInfo.0.snr",
        latitude="location.latitude",
        longitude="location.longitude",
        altitude="location.altitude",
    ),
}
