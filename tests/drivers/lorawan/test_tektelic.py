"""Tektelic KIWI and CLOVER: raw frequencies and voltages in their units, and all other channels."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import load_sheet

SHEET = load_sheet("tektelic.kiwi-clover")


def decoded(payload: str, f_port: int = 10) -> tuple[Reading, ...]:
    return decode_uplink(bytes.fromhex(payload), f_port, SHEET)


def rows(payload: str) -> list[tuple[str, float | None, str]]:
    return [(r.output, r.number, r.unit) for r in decoded(payload)]


def test_the_published_frame_gives_raw_numbers_and_no_soil_moisture() -> None:
    assert rows("0104056e 0202035c 09650d57 0b6700ad 0b68a5") == [
        ("input_1_frequency", 1390.0, "kHz"),
        ("input_2_voltage", 860.0, "mV"),
        ("illuminance", 3415.0, "lx"),
        ("air_temperature", 17.3, "degC"),
        ("relative_humidity", 82.5, "%"),
    ]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("0504056e", [("input_5_frequency", 1390.0, "Hz")]),
        ("0604ffff", [("input_6_frequency", 65535.0, "Hz")]),
        ("0302035c", [("input_3_voltage", 860.0, "mV")]),
        ("0402035c", [("input_4_voltage", 860.0, "mV")]),
        ("0367ffce", [("input_3_temperature", -5.0, "degC")]),
        ("0467ffce", [("input_4_temperature", -5.0, "degC")]),
        ("00ff016e", [("battery_voltage", 3.66, "V")]),
        ("00bae4", [("battery_voltage", 3.5, "V")]),
        ("00d35f", [("battery_level", 95.0, "%")]),
        ("0b67ff38", [("air_temperature", -20.0, "degC")]),
        ("0c6700fa", [("device_temperature", 25.0, "degC")]),
        ("00bd0100 0900ff 0a0000 0a020100 0d732710", []),
    ],
)
def test_each_channel_of_the_makers_table(
    payload: str, expected: list[tuple[str, float, str]]
) -> None:
    assert rows(payload) == expected


def test_acceleration_comes_in_thousandths_of_gravity() -> None:
    assert [(r.number, r.unit) for r in decoded("0a71 0000 fc18 03e8")] == [
        (0.0, "standard_gravity"),
        (-1.0, "standard_gravity"),
        (1.0, "standard_gravity"),
    ]


@pytest.mark.parametrize(("payload", "f_port"), [("0104", 10), ("0105056e", 10), ("10", 100)])
def test_cut_unknown_or_foreign_frames_are_garbled(payload: str, f_port: int) -> None:
    with pytest.raises(Garbled):
        decoded(payload, f_port)
