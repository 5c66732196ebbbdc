"""Milesight UC501 and UC502: inputs, registers and the text of SDI-12 answers."""

import struct

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import Sheet, load_sheet, parse_sheet

UC50X = load_sheet("milesight.uc50x")
AT = 1_665_561_758_000_000_000
STAMP = "9e744663"


def decoded(payload: str, sheet: Sheet = UC50X) -> tuple[Reading, ...]:
    return decode_uplink(bytes.fromhex(payload), 85, sheet)


def numbers(payload: str) -> dict[str, float | None]:
    return {r.output: r.number for r in decoded(payload)}


def answer(text: bytes) -> str:
    return text.ljust(36, b"\0").hex()


def with_teros12() -> Sheet:
    """An owner's sheet: a TEROS 12 on SDI-12 channel 3."""
    table = {
        "title": "UC501 with a TEROS 12",
        "engine": "lorawan",
        "checked": "unverified",
        "source": "",
        "output": [],
        "frame": {
            "codec": "milesight_uc50x",
            "f_port": 85,
            "channel": [],
            "sdi12": [{"channel": 3, "probe": "meter.teros12"}],
        },
    }
    return parse_sheet("owner.uc501", table)


def test_inputs_outputs_counters_and_means_have_their_channels() -> None:
    assert numbers("017564 030001 040100 03c870170000") == {
        "battery_level": 100.0,
        "gpio_1": 1.0,
        "gpio_2": 0.0,
        "counter_1": 6000.0,
    }
    assert numbers("0602 983a 0000 10270cfe") == {
        "analog_2": 15.0,
        "analog_2_min": 0.0,
        "analog_2_max": 10.0,
        "analog_2_average": -0.5,
    }


def test_newer_hardware_sends_half_floats() -> None:
    halves = struct.pack("<4e", 12.5, 4.0, 20.0, 11.25).hex()
    assert list(numbers("05e2" + halves).values()) == [12.5, 4.0, 20.0, 11.25]
    assert numbers("85e2" + halves + "01") == numbers("05e2" + halves)
    assert numbers("05e2" + "007e" * 4)["analog_1"] is None


@pytest.mark.parametrize(
    ("definition", "bytes_", "number"),
    [
        ("08", "01", 1.0),
        ("09", "00", 0.0),
        ("0a", "1027", 10000.0),
        ("13", "ffff", 65535.0),
        ("24", "10270100", 75536.0),
        ("26", "10270000", 10000.0),
        ("25", "0000c841", 25.0),
        ("27", "000020c1", -10.0),
    ],
)
def test_a_register_is_as_long_as_its_definition_says(
    definition: str, bytes_: str, number: float
) -> None:
    assert numbers("ff0e09" + definition + bytes_) == {"modbus_3": number}
    assert numbers("800e09" + definition + bytes_ + "01") == {"modbus_3": number}


def test_a_register_that_is_not_a_number_has_none() -> None:
    (reading,) = decoded("ff0e 09 25 0000c07f")
    assert (reading.number, reading.status) == (None, Status.INVALID)


def test_a_failed_modbus_channel_is_a_status() -> None:
    (reading,) = decoded("ff1507")
    assert (reading.output, reading.number, reading.status) == ("modbus_1", None, Status.FAILURE)


def test_the_text_of_an_sdi12_answer_gives_its_values_in_order() -> None:
    payload = "08db02" + answer(b"a+1.6+0+25.7\r\n")
    assert numbers(payload) == {"sdi12_3_1": 1.6, "sdi12_3_2": 0.0, "sdi12_3_3": 25.7}


def test_a_probes_sheet_names_the_values_of_its_answer() -> None:
    readings = decoded("08db02" + answer(b"1+1807.82+21.0+1\r\n"), with_teros12())
    assert [(r.output, r.number, r.unit) for r in readings] == [
        ("water_content_counts", 1807.82, "count"),
        ("soil_temperature", 21.0, "degC"),
        ("bulk_electrical_conductivity", 1.0, "uS/cm"),
    ]
    failed = decoded("08db02" + answer(b"1-9999+21.0-9999\r\n"), with_teros12())
    assert [r.status for r in failed] == [Status.FAILURE, Status.OK, Status.FAILURE]


def test_a_silent_probe_is_a_failure_of_all_its_outputs() -> None:
    readings = decoded("08db02" + answer(b""), with_teros12())
    assert [(r.number, r.status) for r in readings] == [(None, Status.FAILURE)] * 3


@pytest.mark.parametrize("text", [b"+1.6+25.7", b"1+1.6+", b"1+1.6 25.7", b"1+1.6\0+2"])
def test_a_text_that_is_no_answer_is_garbled(text: bytes) -> None:
    with pytest.raises(Garbled):
        decoded("08db02" + answer(text))


def test_an_answer_with_too_few_values_for_its_probe_is_garbled() -> None:
    with pytest.raises(Garbled, match=r"3 values of meter\.teros12"):
        decoded("08db02" + answer(b"1+1807.82+21.0\r\n"), with_teros12())


def test_stored_readings_come_with_their_time() -> None:
    inputs = decoded(f"20dc {STAMP} 00 01000000 02 70170000 983a0000 0cfeffff")
    assert [(r.output, r.number) for r in inputs] == [
        ("gpio_1", 1.0),
        ("counter_2", 6000.0),
        ("analog_1", 15.0),
        ("analog_2", -0.5),
    ]
    registers = decoded(f"20dd {STAMP} 0500 0b 10270000 25 0000c841")
    assert [(r.output, r.number) for r in registers] == [("modbus_1", 10000.0), ("modbus_3", 25.0)]
    answers = decoded(f"20e0 {STAMP} 0600" + answer(b"a+1.5\r\n") + answer(b"b-2\r\n"))
    assert [(r.output, r.number) for r in answers] == [("sdi12_2_1", 1.5), ("sdi12_3_1", -2.0)]
    assert {r.time_ns for r in (*inputs, *registers, *answers)} == {AT}


def test_channels_that_the_sheet_does_not_name_are_passed_over() -> None:
    unnamed = "ff0e 16 0a 1027" + "08db0f" + answer(b"a+1\r\n") + "ff1516" + "ff1411"
    assert [r.output for r in decoded(unnamed + "017564")] == ["battery_level"]


@pytest.mark.parametrize(
    "payload", ["08db02", "ff0e", "ff0e09", "ff0e0926", "20dd9e744663", "ff15"]
)
def test_a_cut_frame_is_garbled(payload: str) -> None:
    with pytest.raises(Garbled):
        decoded(payload)
