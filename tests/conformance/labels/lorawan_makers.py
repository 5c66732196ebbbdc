"""LoRaWAN devices of Milesight, Dragino, Elsys, SenseCAP and Tektelic: sheet and printed words.

A sheet's `words` are what the maker prints for a state. The vectors keep stored readings and
failures under `meta`, as `history` and `event`, and not among what is expected.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes

from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.lorawan.codecs import split_tagged
from edaphon_drivers.lorawan.codecs.milesight import Uc50xFrame
from edaphon_drivers.lorawan.codecs.sensecap import values_of
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet, load_sheet

__all__ = ["DEVICES"]

Units = Mapping[str, str | None]


def _device(model: str, **printed: str | None) -> Decoder:
    """`printed` are units that a vector has otherwise than the sheet, by output."""
    sheet = load_sheet(model)

    def decode(entry: Entry) -> list[Given]:
        readings = decode_uplink(entry_bytes(entry), entry["f_port"], sheet)
        return [g for r in readings if _expected(r, entry) for g in _given(r, sheet, printed)]

    return decode


def _expected(reading: Reading, entry: Entry) -> bool:
    meta = entry.get("meta") or {}
    stored = reading.time_ns is not None and "history" in meta
    return not stored and not (reading.number is None and "event" in meta)


def _given(reading: Reading, sheet: Sheet, printed: Units) -> Iterator[Given]:
    unit = printed.get(reading.output, reading.unit)
    yield Given(reading.output, reading.number, unit, sheet.outputs[reading.output].failure)
    words = _words(sheet.frame).get(reading.output)
    if words and reading.number is not None:
        yield Given(reading.output, words[int(reading.number)], None)


def _words(frame: Mapping[str, Any]) -> dict[str, list[str]]:
    numbers = [number for row in frame.get("channel", ()) for number in row.get("number", ())]
    return {number["output"]: number["words"] for number in numbers if number.get("words")}


def _uc50x() -> Decoder:
    """Its README prints no units, the text of an answer, and "read error" for a failed channel."""
    sheet = load_sheet("milesight.uc50x")
    frame = Uc50xFrame.model_validate(sheet.frame)
    plain = _device("milesight.uc50x", **dict.fromkeys(sheet.outputs))

    def decode(entry: Entry) -> list[Given]:
        given = plain(entry)
        pairs = split_tagged(entry_bytes(entry), 2, frame.length, sheet)
        texts = {v[0] + 1: v[1:].rstrip(b"\0") for tag, v in pairs if tag == b"\x08\xdb"}
        given += [Given(f"sdi12_{n}", text.decode(), None) for n, text in texts.items()]
        failed = [g for g in given if g.value is None and g.quantity.startswith("modbus")]
        return given + [Given(f"{g.quantity}_alarm", "read error", None) for g in failed]

    return decode


def _sdi12_lb() -> Decoder:
    plain = _device("dragino.sdi12-lb")

    def decode(entry: Entry) -> list[Given]:
        text = re.sub(rb"[\xf0-\xff].?", b"", entry_bytes(entry)[3:], flags=re.DOTALL).decode()
        return [*plain(entry), Given("sdi12_text", text, None)]

    return decode


def _sensecap() -> Decoder:
    sheet = load_sheet("sensecap.s210x")
    plain = _device("sensecap.s210x")

    def decode(entry: Entry) -> list[Given]:
        return [*plain(entry), *_reported(dict(values_of(entry_bytes(entry), sheet)))]

    return decode


def _reported(values: Mapping[int, int]) -> Iterator[Given]:
    """Of itself: the EUI in two halves, versions; the maker's decoder gives the interval in s."""
    if {2, 3} <= values.keys():
        low, high = (values[n] & 0xFFFFFFFF for n in (2, 3))
        yield Given("sensor_id", f"{high:08X}{low:08X}", None)
    elif 0 in values:
        software, minor, hardware, revision = (values[0] >> n & 0xFF for n in (8, 0, 24, 16))
        yield Given("software_version", f"{software}.{minor}", None)
        yield Given("hardware_version", f"{hardware}.{revision}", None)
        if 7 in values:
            yield Given("interval", 60.0 * (values[7] >> 16 & 0xFFFF), "s")


_PLAIN_MILESIGHT = (
    *("EM300-DI", "EM300-TH", "EM320-TH", "EM500-CO2", "EM500-LGT", "EM500-PP", "EM500-PT100"),
    *("EM500-SWL", "EM500-UDL", "TS101", "TS201"),
)

DEVICES: dict[str, Decoder] = {
    **{f"Milesight {name}": _device(f"milesight.{name.lower()}") for name in _PLAIN_MILESIGHT},
    # The maker's tables give no unit for a change, and that of the other kind of tVOC for an index.
    "Milesight TS302": _device(
        "milesight.ts302", temperature_change_1=None, temperature_change_2=None
    ),
    "Milesight AM307": _device("milesight.am307", air_quality_index="ug/m**3"),
    "Milesight AM308": _device("milesight.am308", air_quality_index="ug/m**3"),
    "Milesight UC501": _uc50x(),
    "Milesight UC502": _uc50x(),
    "Dragino LSPH01 soil pH": _device("dragino.lsph01"),
    "Dragino LHT65/LHT65N": _device("dragino.lht65n"),
    "Dragino LHT65N": _device("dragino.lht65n"),
    "Dragino SDI-12-LB": _sdi12_lb(),
    "Elsys ERS/ELT": _device("elsys.ers-elt"),
    "Elsys ERS CO2": _device("elsys.ers-elt"),
    "SenseCAP S210x": _sensecap(),
    "SenseCAP S210x (S2101/2103/2104/2105)": _sensecap(),
    # The published example prints the probe's kHz as Hz and light without its unit.
    "Tektelic KIWI/CLOVER agriculture sensor": _device(
        "tektelic.kiwi-clover", input_1_frequency="Hz", illuminance=None
    ),
}
