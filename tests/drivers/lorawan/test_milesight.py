"""Milesight EM500-SMTC: channels, failure codes, both moisture types, and stored readings."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import load_sheet

SMTC = load_sheet("milesight.em500-smtc")


def decoded(payload: str, f_port: int = 85) -> tuple[Reading, ...]:
    return decode_uplink(bytes.fromhex(payload), f_port, SMTC)


def numbers(payload: str) -> list[tuple[str, float | None]]:
    return [(r.output, r.number) for r in decoded(payload)]


def test_the_makers_example_gives_its_four_numbers() -> None:
    assert numbers("017564 03671901 046873 057ff000") == [
        ("battery_level", 100.0),
        ("soil_temperature", 28.1),
        ("volumetric_water_content", 57.5),
        ("bulk_electrical_conductivity", 240.0),
    ]


@pytest.mark.parametrize(
    ("payload", "percent"),
    [("046801", 0.5), ("0468c8", 100.0), ("04ca7300", 1.15), ("04cac409", 25.0)],
)
def test_moisture_comes_in_half_or_hundredth_percents(payload: str, percent: float) -> None:
    assert numbers(payload) == [("volumetric_water_content", percent)]


@pytest.mark.parametrize("channel", ["0367", "04ca", "057f"])
@pytest.mark.parametrize(
    ("code", "status"), [("ffff", Status.FAILURE), ("fdff", Status.OVER_RANGE)]
)
def test_a_failure_code_is_never_a_number(channel: str, code: str, status: Status) -> None:
    (reading,) = decoded(channel + code)
    assert (reading.number, reading.status) == (None, status)


@pytest.mark.parametrize(("word", "celsius"), [("feff", -0.2), ("fcff", -0.4), ("9cff", -10.0)])
def test_temperatures_beside_the_failure_codes_are_numbers(word: str, celsius: float) -> None:
    assert numbers("0367" + word) == [("soil_temperature", celsius)]


def test_half_percents_above_a_hundred_are_no_moisture() -> None:
    (reading,) = decoded("0468ff")
    assert (reading.number, reading.status) == (None, Status.OVER_RANGE)


def test_stored_readings_carry_their_own_time_and_live_ones_none() -> None:
    stored = "20ce" + "80f5026b" + "f000" + "9cff" + "c409"
    failed = "20ce" + "81f5026b" + "ffff" + "fdff" + "ffff"
    readings = decoded(stored + failed + "03671901")
    assert [(r.output, r.number, r.time_ns) for r in readings] == [
        ("bulk_electrical_conductivity", 240.0, 1_795_356_032_000_000_000),
        ("soil_temperature", -10.0, 1_795_356_032_000_000_000),
        ("volumetric_water_content", 25.0, 1_795_356_032_000_000_000),
        ("bulk_electrical_conductivity", None, 1_795_356_033_000_000_000),
        ("soil_temperature", None, 1_795_356_033_000_000_000),
        ("volumetric_water_content", None, 1_795_356_033_000_000_000),
        ("soil_temperature", 28.1, None),
    ]


def test_a_sudden_change_gives_the_temperature_and_not_the_change() -> None:
    assert numbers("83d7" + "1901" + "6400" + "01") == [("soil_temperature", 28.1)]


def test_what_a_device_says_of_itself_is_no_reading() -> None:
    joined = "ff0101 ff166785c38226020003 ff090110 ff0a0101 ff0f00 fffe01 ff0bff ffffff01"
    echoed = "fe020a00 ff03b004 fe06090000000000000000"
    assert decoded(joined) == decoded(echoed) == ()
    assert len(decoded(joined + "03671901" + echoed)) == 1


@pytest.mark.parametrize(
    "payload",
    [
        "03",
        "0367",
        "036719",
        "017564036719",
        "0999",
        "03671901ff",
        "ffaa00",
        "20ce80f5026bf0009cffc4",
        "20ce80f5026bf0009cffc409" + "f0009cffc409" * 2,
    ],
)
def test_a_cut_or_unknown_channel_makes_the_whole_frame_garbled(payload: str) -> None:
    with pytest.raises(Garbled, match=r"milesight\.em500-smtc"):
        decoded(payload)
