"""Milesight models besides the EM500-SMTC: alarms, stored readings, states, failures, identity."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import load_sheet

AT = 1_665_561_758_000_000_000  # 9E744663
LATER = 1_694_145_223_000_000_000  # C79AFA64


def decoded(model: str, payload: str) -> tuple[Reading, ...]:
    return decode_uplink(bytes.fromhex(payload), 85, load_sheet(f"milesight.{model}"))


def rows(model: str, payload: str) -> list[tuple[str, float | None, int | None]]:
    return [(r.output, r.number, r.time_ns) for r in decoded(model, payload)]


def statuses(model: str, payload: str) -> list[tuple[float | None, Status]]:
    return [(r.number, r.status) for r in decoded(model, payload)]


@pytest.mark.parametrize(
    ("model", "payload", "expected"),
    [
        (
            "em300-th",
            "9e744663 1001 5d 00",
            [("air_temperature", 27.2), ("relative_humidity", 46.5)],
        ),
        ("em320-th", "9e744663 1001 5d", [("air_temperature", 27.2), ("relative_humidity", 46.5)]),
        (
            "em300-di",
            "9e744663 1001 5d 02 00 00010000",
            [("air_temperature", 27.2), ("relative_humidity", 46.5), ("pulse_count", 256)],
        ),
        (
            "em300-di",
            "9e744663 1001 5d 01 01 00010000",
            [("air_temperature", 27.2), ("relative_humidity", 46.5), ("input_state", 1)],
        ),
        (
            "em500-co2",
            "9e744663 6704 6827 9cff 73",
            [
                ("co2_mole_fraction", 1127),
                ("air_pressure", 1008.8),
                ("air_temperature", -10.0),
                ("relative_humidity", 57.5),
            ],
        ),
        ("em500-lgt", "9e744663 50000100", [("illuminance", 65616)]),
        ("em500-pp", "9e744663 f6ff", [("gauge_pressure", -10)]),
        ("em500-pt100", "9e744663 1901", [("soil_temperature", 28.1)]),
        ("em500-swl", "9e744663 0200", [("water_level", 2)]),
        ("em500-udl", "9e744663 1e00", [("distance", 30)]),
        ("ts101", "9e744663 0701", [("soil_temperature", 26.3)]),
        (
            "am307",
            "9e744663 ee00 7c00 01 02 a803 2500 6627",
            [
                ("air_temperature", 23.8),
                ("relative_humidity", 62),
                ("motion", 1),
                ("light_level", 2),
                ("co2_mole_fraction", 936),
                ("air_quality_index", 0.37),
                ("air_pressure", 1008.6),
            ],
        ),
    ],
)
def test_a_stored_reading_comes_with_the_time_it_was_measured(
    model: str, payload: str, expected: list[tuple[str, float]]
) -> None:
    assert rows(model, "20ce" + payload) == [(name, number, AT) for name, number in expected]


def test_the_newer_stored_readings_of_two_models_have_another_channel() -> None:
    counting = "21ce 9e744663 1001 5d 00 02 00 0a00 0a00 0000c842"
    assert rows("em300-di", counting)[-1] == ("water_total", 100.0, AT)
    air = "21ce 9e744663 ee00 7c00 00 02 a803 2500 6627 2000 3000"
    given = {name: number for name, number, _ in rows("am308", air)}
    assert given["volatile_organic_compounds"] == 37
    assert (given["pm2_5"], given["pm10"]) == (32, 48)


def test_each_half_of_a_byte_says_what_a_channel_of_the_ts302_is() -> None:
    assert rows("ts302", "20ce c79afa64 44 bdff f600") == [
        ("soil_temperature_1", -6.7, LATER),
        ("soil_temperature_2", 24.6, LATER),
    ]
    assert rows("ts302", "20ce c79afa64 61 0100 f600") == [
        ("contact_1", 1.0, LATER),
        ("soil_temperature_2", 24.6, LATER),
    ]
    assert rows("ts302", "20ce c79afa64 05 0000 0000") == [("contact_2", 0.0, LATER)]


@pytest.mark.parametrize(
    ("event", "number", "status"),
    [
        ("01", -6.7, Status.OK),
        ("02", -6.7, Status.OK),
        ("12", None, Status.FAILURE),
        ("21", None, Status.OVER_RANGE),
    ],
)
def test_a_stored_reading_of_the_ts201_says_whether_it_failed(
    event: str, number: float | None, status: Status
) -> None:
    assert statuses("ts201", f"20ce c79afa64 {event} bdff") == [(number, status)]


@pytest.mark.parametrize(
    ("code", "status"),
    [("00", Status.FAILURE), ("01", Status.OVER_RANGE), ("07", Status.INVALID)],
)
def test_the_ts201_tells_that_its_probe_failed(code: str, status: Status) -> None:
    assert statuses("ts201", "b367" + code) == [(None, status)]


@pytest.mark.parametrize(
    ("model", "payload", "expected"),
    [
        ("ts101", "8367 3401 00", [30.8, 0]),
        ("ts101", "93d7 3401 8200 02", [30.8, 1.3, 2]),
        ("ts201", "8367 3401 01", [30.8, 1]),
        ("ts201", "9367 3401 6400 02", [30.8, 10.0, 2]),
        ("ts302", "8367 2701 00", [29.5, 0]),
        ("ts302", "94d7 0401 8200 02", [26.0, 1.3, 2]),
        ("em500-pt100", "83d7 3401 6400 01", [30.8]),
        ("em500-co2", "83d7 3401 6400 01", [30.8]),
        ("em500-udl", "83e9 2c01 6400 02", [30.0]),
        ("em300-di", "8500 01 01", [1]),
        ("em300-di", "85e1 0a00 0a00 0000c842 03", [100.0]),
    ],
)
def test_an_alarm_brings_the_measurement_with_it(
    model: str, payload: str, expected: list[float]
) -> None:
    assert [number for _, number, _ in rows(model, payload)] == expected


def test_failure_codes_belong_to_the_probes_that_have_them() -> None:
    assert statuses("em500-swl", "0377ffff") == [(None, Status.FAILURE)]
    assert statuses("em500-swl", "0377fdff") == [(None, Status.OVER_RANGE)]
    assert statuses("em500-udl", "0382fdff") == [(None, Status.OVER_RANGE)]
    assert statuses("em500-co2", "057dffff") == [(None, Status.FAILURE)]
    assert statuses("em300-th", "0367ffff") == [(-0.1, Status.OK)]
    assert statuses("em500-pt100", "0367fdff") == [(-0.3, Status.OK)]


def test_a_state_that_no_table_knows_is_no_state() -> None:
    assert statuses("ts302", "040001") == [(1.0, Status.OK)]
    assert statuses("ts302", "040002") == [(None, Status.INVALID)]
    assert statuses("am307", "0500ff") == [(None, Status.INVALID)]


def test_water_that_is_not_a_number_is_none() -> None:
    assert statuses("em300-di", "05e1 0a00 0a00 0000c07f") == [(None, Status.INVALID)]


def test_half_percents_of_humidity_above_a_hundred_are_none() -> None:
    assert statuses("em300-th", "0468c9") == [(None, Status.OVER_RANGE)]


def test_what_a_device_says_of_itself_after_a_join_is_passed_over() -> None:
    sheet = load_sheet("milesight.em300-th")
    joined = bytes.fromhex("ff0bff ff0101 ff166785c38226020003 ff090110 ff0a0114 ff0f00")
    assert decode_uplink(joined, 85, sheet) == ()


def test_echoes_of_settings_are_passed_over_by_their_length() -> None:
    both = "fe020a00 ffea800a00 f90b010a00c8000001"
    assert [r.number for r in decoded("ts201", both + "03673401")] == [30.8]
    assert [r.number for r in decoded("em300-di", "ff7901010102 03673401")] == [30.8]
    assert [r.number for r in decoded("em300-th", "ff79010100000102 03673401")] == [30.8]


@pytest.mark.parametrize("model", ["em300-th", "em500-co2", "ts302", "am308"])
def test_a_channel_of_another_model_makes_the_frame_garbled(model: str) -> None:
    with pytest.raises(Garbled, match=f"milesight.{model}"):
        decoded(model, "0377 0200")


@pytest.mark.parametrize("model", ["am307", "am308", "em500-co2"])
@pytest.mark.parametrize("channel", ["fe", "ff"])
def test_the_echo_of_a_co2_calibration_is_as_long_as_its_mode_says(model, channel):
    battery = [("battery_level", 100, None)]
    for echo in ("1a 00", "1a 04", "1a 02 9001"):
        assert rows(model, f"{channel} {echo} 017564") == battery
        assert rows(model, f"017564 {channel} {echo}") == battery
    with pytest.raises(Garbled):
        decoded(model, f"017564 {channel} 1a 02 90")
    with pytest.raises(Garbled):
        decoded(model, f"017564 {channel} 1a")
