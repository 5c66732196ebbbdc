"""From the device labels of the reference vectors to the decoder that reads them."""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from tests.conformance.entries import Entry, Given, entry_bytes

from edaphon_calibration.curves import curve
from edaphon_drivers.json_message import JsonField, JsonFields, decode_json
from edaphon_drivers.lorawan import Uplink, decode_uplink, read_envelope
from edaphon_drivers.readings import Reading
from edaphon_drivers.sdi12.parse import (
    parse_acknowledgement,
    parse_identity,
    parse_metadata,
    parse_start,
    parse_values,
)
from edaphon_drivers.sheets import Sheet, load_sheet

__all__ = ["DEVICES", "NotYet", "find_decoder"]

Decoder = Callable[[Entry], list[Given]]


class NotYet(Exception):
    """What the device can say beyond this release."""


def find_decoder(label: str) -> Decoder | None:
    """The decoder of a device; a Dragino LSE01 label says its firmware in brackets."""
    if label in DEVICES:
        return DEVICES[label]
    firmware = re.fullmatch(r"Dragino LSE01 \(fw [<>=]*\s*v?(\d+)\.(\d+)[^)]*\)", label)
    if firmware is None:
        return None
    since = (int(firmware[1]), int(firmware[2])) >= (1, 2)
    return _lorawan("dragino.lse01-1.2.1" if since else "dragino.lse01-1.1.4")


def _lorawan(model: str) -> Decoder:
    sheet = load_sheet(model)

    def decode(entry: Entry) -> list[Given]:
        readings = decode_uplink(entry_bytes(entry), entry["f_port"], sheet)
        return list(_given(readings, sheet))

    return decode


def _given(readings: Sequence[Reading], sheet: Sheet) -> Iterator[Given]:
    """The readings, and what the maker computes from them by the sheet's factory curves."""
    for r in readings:
        output = sheet.outputs[r.output]
        yield Given(r.output, r.number, r.unit, output.failure)
        for factory in output.factory if r.number is not None else ():
            known = curve(factory.curve)
            computed = known.value(np.array([r.number]), known.parameter_vector(factory.parameters))
            yield Given(factory.quantity, float(computed[0]), factory.unit)


# SDI-12: the request says what kind of answer it is. Only a sheet knows the units of values; the
# owner of any other probe declares them, value by value, and so does the vector.


def _sdi12(model: str | None = None, **first_output: int) -> Decoder:
    """With a model, `first_output` says which output each data command begins with (D1=3)."""

    def decode(entry: Entry) -> list[Given]:
        request, line = str(entry["request"]), entry_bytes(entry)
        address = str(entry.get("address") or request[0])
        command = request[1:-1]
        crc = bool(entry.get("crc")) or "CRC" in str(entry.get("expect_error", ""))
        if re.fullmatch(r"DB\d+", command):
            raise NotYet("SDI-12 high-volume binary answers (aDBn!)")
        if re.fullmatch(r"[DR]C?\d+", command):
            values = parse_values(address, line, crc)
            return list(_values(values, _declared(entry, model, first_output.get(command, 0))))
        return _said(command, address, line, crc)

    return decode


def _values(values: Sequence[float], units: Sequence[str | None]) -> Iterator[Given]:
    for n, value in enumerate(values):
        yield Given(f"value_{n + 1}", value, units[n] if n < len(units) else None)


def _declared(entry: Entry, model: str | None, first: int) -> list[str | None]:
    declared = [row["unit"] for row in entry["expected"]]
    if model is None:
        return declared
    sheet = load_sheet(model)
    names = sheet.commands[0].outputs[first:]
    known = zip(names, declared, strict=False)
    return [unit if name == "-" else sheet.outputs[name].unit for name, unit in known]


def _said(command: str, address: str, line: bytes, crc: bool) -> list[Given]:
    if command == "":
        return [Given("address", parse_acknowledgement(line), None)]
    if command == "I":
        return [Given(name, said, None) for name, said in parse_identity(line)._asdict().items()]
    if "_" in command:
        fields = parse_metadata(address, line, crc)
        return [Given(f"field_{n}", said, None) for n, said in enumerate(fields, 1)]
    start = parse_start(command, line)
    return [Given("wait", start.wait_s, "s"), Given("count", start.n, None)]


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
        return own + [Given(r.output, r.number, r.unit) for r in decode_json(data, fields)]

    return decode


def _uplink(uplink: Uplink) -> Iterator[Given]:
    yield Given("dev_eui", uplink.dev_eui, None)
    yield Given("f_port", uplink.f_port or None, None)
    yield Given("f_cnt", uplink.f_cnt, None)
    yield Given("payload_hex", uplink.data.hex(), None)
    yield Given("session", uplink.session, None)
    yield Given("time", uplink.time_ns, None)


DEVICES: dict[str, Decoder] = {
    "Decentlab DL-TRS12": _lorawan("decentlab.dl-trs12"),
    "Decentlab DL-SMTP": _lorawan("decentlab.dl-smtp"),
    "Dragino LSE01": _lorawan("dragino.lse01-1.1.4"),
    "Dragino SE01-LB": _lorawan("dragino.se01-lb"),
    "Milesight EM500-SMTC": _lorawan("milesight.em500-smtc"),
    "SDI-12 spec example": _sdi12(),
    "SDI-12 negative case": _sdi12(),
    "SDI-12 parser edge case": _sdi12(),
    "METER TEROS 12": _sdi12("meter.teros12"),
    "METER TEROS 21": _sdi12("meter.teros21"),
    "Stevens HydraProbe (fw 6)": _sdi12("stevens.hydraprobe", D1=3, D2=6),
    "METER TEROS 11": _sdi12(),
    "METER TEROS 54": _sdi12(),
    "Acclima TDR-310H/315H": _sdi12(),
    "Apogee SQ-600 quantum": _sdi12(),
    "Delta-T PR2/6 SDI-12": _sdi12(),
    "STS pressure/temperature": _sdi12(),
    "Sentek EnviroSMART/EasyAG": _sdi12(),
    "Vaisala WMT700 (wind)": _sdi12(),
    "The Things Stack v3": _envelope(
        "tts-v3",
        "uplink_message.decoded_payload",
        rssi="uplink_message.rx_metadata.0.rssi",
        snr="uplink_message.rx_metadata.0.snr",
    ),
    "ChirpStack v4": _envelope(
        "chirpstack-v4",
        "object",
        margin="margin",
        battery="batteryLevel",
        rssi="rxInfo.0.rssi",
        snr="rxInfo.0.snr",
    ),
}
