"""Sheets that owners write: what is wrong is stated in words, and what is right is not."""

from typing import Any

import pytest

from edaphon_drivers.lorawan.codecs import sheet_errors
from edaphon_drivers.sheets import load_sheet, model_names, parse_sheet

OUTPUTS = [
    {"name": "soil_temperature", "quantity": "soil_temperature", "unit": "degC"},
    {"name": "battery_voltage", "quantity": "battery_voltage", "unit": "V"},
]


def errors(frame: dict[str, Any]) -> list[str]:
    table = {"title": "", "engine": "lorawan", "checked": "", "source": "", "output": OUTPUTS}
    return list(sheet_errors(parse_sheet("mine", {**table, "frame": frame})))


def channel(**number: Any) -> dict[str, Any]:
    row = {"id": 3, "type": 0x67, "bytes": 2, "number": [{"output": "soil_temperature", **number}]}
    return {"codec": "milesight", "channel": [row]}


@pytest.mark.parametrize(
    "model", [name for name in model_names() if load_sheet(name).engine == "lorawan"]
)
def test_nothing_is_wrong_in_the_sheets_that_come_along(model: str) -> None:
    assert list(sheet_errors(load_sheet(model))) == []


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({}, "frame.codec is one of"),
        ({"codec": "milesite"}, "not 'milesite'"),
        ({"codec": "milesight"}, "frame.channel is missing"),
        ({"codec": "milesight", "channel": [7]}, "frame.channel 1 is a table, not 7"),
        ({"codec": "milesight", "channel": [{"number": [{}]}]}, "frame.channel 1.bytes is missing"),
        (channel(output="warmth"), "frame.channel 1: no [[output]] is named 'warmth'"),
        (channel(at=1), "ends at byte 3 of 2"),
        (channel(bytes=1, float=True), "2 or 4 bytes, not 1"),
        (channel(divide=0), "divide is a number other than 0"),
        (channel(when={"at": 2, "is": [1]}), "byte 2, which decides"),
        (channel(fails={"codes": {}}), "fails.at is missing"),
        (
            {"codec": "cayenne", "channel": [{"id": 1, "type": 5, "outputs": []}]},
            "type is one of 0, 1",
        ),
        (
            {
                "codec": "cayenne",
                "channel": [{"id": 1, "type": 104, "outputs": ["battery_voltage"]}],
            },
            "numbers of type 104 are in %, battery_voltage is not",
        ),
        ({"codec": "sensecap", "measurement": []}, "named 'battery_level'"),
        ({"codec": "dragino_sdi12"}, "frame needs probe"),
        ({"codec": "dragino_sdi12", "probe": "meter.teros99"}, "not 'meter.teros99'"),
        ({"codec": "dragino_sdi12", "probe": "dragino.lsph01"}, "has no SDI-12 command"),
        (
            {"codec": "dragino_sdi12", "probe": "meter.teros12"},
            "probe meter.teros12: no [[output]] is named 'water_content_counts'",
        ),
    ],
)
def test_a_mistake_is_said_in_words(frame: dict[str, Any], words: str) -> None:
    assert any(words in error for error in errors(frame)), errors(frame)


def test_an_owners_lpp_device_needs_its_channels_and_no_more() -> None:
    row = {"id": 1, "type": 103, "outputs": ["soil_temperature"]}
    assert errors({"codec": "cayenne", "channel": [row]}) == []
