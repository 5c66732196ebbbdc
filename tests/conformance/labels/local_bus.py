"""Thermometers in the kernel's 1-wire files and Sensirion's sensors on I2C."""

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes

from edaphon_drivers.faults import Garbled
from edaphon_drivers.i2c import decode_exchange, read_words
from edaphon_drivers.readings import Turn
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.w1 import decode_exchange as decode_slave_file

__all__ = ["DEVICES"]


def _thermometer(model: str) -> Decoder:
    sheet = load_sheet(model)

    def decode(entry: Entry) -> list[Given]:
        try:
            readings = decode_slave_file([Turn(0, False, entry_bytes(entry))], sheet)
        except Garbled:
            if "expect_warning" not in entry:
                raise
            return []  # bytes that contradict themselves: the warning is that nothing comes
        return [
            Given(r.output, r.number, r.unit, sheet.outputs[r.output].failure) for r in readings
        ]

    return decode


def _words(entry: Entry) -> list[Given]:
    data = entry_bytes(entry)
    return [Given("word", word, None) for word in read_words(data, max(1, -(-len(data) // 3)))]


def _sensirion(model: str) -> Decoder:
    sheet = load_sheet(model)

    def decode(entry: Entry) -> list[Given]:
        asked = bytes.fromhex(str(entry.get("request") or sheet.frame["read"]["command"]))
        if asked.hex() != sheet.frame["read"]["command"]:
            return _words(entry)
        turns = [Turn(0, True, bytes(2) + asked), Turn(1, False, entry_bytes(entry))]
        readings = decode_exchange(turns, sheet)
        return [
            Given(r.output, r.number, r.unit, sheet.outputs[r.output].failure) for r in readings
        ]

    return decode


DEVICES: dict[str, Decoder] = {
    "DS18B20 (Linux w1_therm)": _thermometer("maxim.ds18b20"),
    "DS18S20 (Linux w1_therm)": _thermometer("maxim.ds18s20"),
    "Sensirion CRC": _words,
    "Sensirion SCD4x": _sensirion("sensirion.scd4x"),
    "Sensirion SHT4x": _sensirion("sensirion.sht4x"),
}
