"""Dragino soil pH, LHT65N, SE02-LB and D23-LB: probes that are there, failed, or stored before."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import load_sheet

AT = 1_640_000_000_000_000_000  # 61C06A00 big endian
STAMP = "61c06a00"
HEAD = "cbf6 0b0d 0376"  # 3.062 V, 28.29 °C, 88.6 %
AIR = {"air_temperature": 28.29, "relative_humidity": 88.6}
LIVE = {"battery_voltage": 3.062, **AIR}


def decoded(model: str, payload: str, f_port: int = 2) -> tuple[Reading, ...]:
    return decode_uplink(bytes.fromhex(payload), f_port, load_sheet(f"dragino.{model}"))


def numbers(model: str, payload: str, f_port: int = 2) -> dict[str, float | None]:
    return {r.output: r.number for r in decoded(model, payload, f_port)}


@pytest.mark.parametrize("model", ["lsph01", "sph01-lb"])
def test_soil_ph_comes_in_hundredths_and_its_temperature_in_tenths(model: str) -> None:
    assert numbers(model, "0d23 0000 0254 fff7 000001") == {
        "battery_voltage": 3.363,
        "ds18b20_temperature": 0.0,
        "soil_ph": 5.96,
        "soil_temperature": -0.9,
    }
    ph = decoded(model, "0d23 0000 ffff 00f9 000001")[2]
    assert (ph.number, ph.status) == (None, Status.OVER_RANGE)


@pytest.mark.parametrize(
    ("ext", "expected"),
    [
        ("00 7fff7fff", {}),
        ("01 0add7fff", {"external_temperature": 27.81}),
        ("01 f63c7fff", {"external_temperature": -25.0}),
        ("02 0add7fff", {"external_temperature": 27.81}),
        ("04 01010000", {}),
        ("05 01f40000", {"illuminance": 500.0}),
        ("06 04d20000", {"external_voltage": 1.234}),
        ("07 ea600000", {"pulse_count": 60000.0}),
        ("08 0000ea61", {"pulse_count": 60001.0}),
        ("0b 0add01f4", {"external_temperature": 27.81, "external_humidity": 50.0}),
    ],
)
def test_a_byte_says_what_is_connected_to_an_lht65n(ext: str, expected: dict[str, float]) -> None:
    assert numbers("lht65n", HEAD + ext) == LIVE | expected


@pytest.mark.parametrize(
    ("word", "status"),
    [("7fff", Status.NOT_CONNECTED), ("2134", Status.FAILURE), ("3a98", Status.OVER_RANGE)],
)
def test_an_lht65n_prints_no_temperature_of_a_probe_that_has_none(
    word: str, status: Status
) -> None:
    probe = decoded("lht65n", f"{HEAD} 01 {word}7fff")[-1]
    assert (probe.output, probe.number, probe.status) == ("external_temperature", None, status)


def test_a_probe_with_a_time_of_its_own_takes_the_place_of_the_battery() -> None:
    readings = decoded("lht65n", f"0add 0b0d c376 09 {STAMP}")
    assert {r.output: r.number for r in readings} == {"external_temperature": 27.81, **AIR}
    assert {r.time_ns for r in readings} == {AT}


def test_without_an_external_sensor_its_bytes_may_be_left_out() -> None:
    assert numbers("lht65n", HEAD + "00") == LIVE


def test_serial_numbers_of_probes_are_no_air() -> None:
    assert numbers("lht65n", "cbf6 01020304 0f 05060708") == {"battery_voltage": 3.062}
    named = numbers("lht65n", "cbf6 01020304 10 0add01f4")
    assert named == {
        "battery_voltage": 3.062,
        "external_temperature": 27.81,
        "external_humidity": 50.0,
    }


def test_stored_readings_of_an_lht65n_come_with_their_times() -> None:
    first, second = f"0add 0b0d 0376 41 {STAMP}", "7fff ff9c 0376 41 61c06a3c"
    readings = decoded("lht65n", first + second)
    assert [(r.number, r.time_ns) for r in readings] == [
        (27.81, AT),
        (28.29, AT),
        (88.6, AT),
        (None, AT + 60 * 10**9),
        (-1.0, AT + 60 * 10**9),
        (88.6, AT + 60 * 10**9),
    ]
    assert readings[3].status is Status.NOT_CONNECTED


@pytest.mark.parametrize("ext", ["81", "03", "0e", "c1"])
def test_a_mode_with_two_meanings_or_none_is_refused(ext: str) -> None:
    with pytest.raises(Garbled, match="known mode"):
        decoded("lht65n", f"{HEAD} {ext} 0add7fff")


def test_two_soil_probes_give_numbers_or_raw_counts_by_the_mode_bit() -> None:
    body = "0ce2 00f1 07a5 ff7e 00c8 0064 0105 ffff"
    assert numbers("se02-lb", body + "10") == {
        "battery_voltage": 3.298,
        "ds18b20_temperature": 24.1,
        "volumetric_water_content_1": 19.57,
        "soil_temperature_1": -1.3,
        "bulk_electrical_conductivity_1": 200.0,
        "volumetric_water_content_2": 1.0,
        "soil_temperature_2": 2.61,
        "bulk_electrical_conductivity_2": 65535.0,
    }
    raw = numbers("se02-lb", body + "90")
    assert (raw["relative_permittivity_1"], raw["water_content_counts_2"]) == (195.7, 261.0)
    with pytest.raises(Garbled, match="17"):
        decoded("se02-lb", body)


def test_up_to_three_probes_of_a_d23() -> None:
    assert numbers("d23-lb", "0ce2 ffce 0000 0c 7fff 00fa") == {
        "battery_voltage": 3.298,
        "soil_temperature_1": -5.0,
        "soil_temperature_2": None,
        "soil_temperature_3": 25.0,
    }
    assert numbers("d23-lb", "0ce2 ffce 0000 7c 7fff 00fa") == {}
    stored = decoded("d23-lb", f"ffce 7fff 00fa 00 {STAMP}" * 2, f_port=3)
    assert [r.number for r in stored] == [-5.0, None, 25.0] * 2
    assert {r.time_ns for r in stored} == {AT}


def test_an_s31_says_when_it_measured_and_swaps_its_numbers_in_the_log() -> None:
    live = decoded("s31-lb", f"0ce2 {STAMP} 00 ffce 01f4")
    assert [(r.output, r.number, r.time_ns) for r in live] == [
        ("battery_voltage", 3.298, AT),
        ("air_temperature", -5.0, AT),
        ("relative_humidity", 50.0, AT),
    ]
    assert numbers("s31-lb", f"0ce2 {STAMP} 7c 0a14 141e") == {}
    stored = decoded("s31-lb", f"0000 01f4 ffce 00 {STAMP}", f_port=3)
    assert [(r.output, r.number) for r in stored] == [
        ("relative_humidity", 50.0),
        ("air_temperature", -5.0),
    ]


@pytest.mark.parametrize("model", ["s31-lb", "sph01-lb", "lht65n", "se02-lb", "d23-lb"])
def test_a_status_of_the_newer_devices_gives_the_battery(model: str) -> None:
    assert numbers(model, "26010001ff0caf", f_port=5) == {"battery_voltage": 3.247}


@pytest.mark.parametrize("model", ["lsph01", "sph01-lb", "lht65n", "se02-lb", "d23-lb"])
@pytest.mark.parametrize("n_bytes", [1, 10, 12])
def test_other_lengths_are_garbled(model: str, n_bytes: int) -> None:
    with pytest.raises(Garbled, match="bytes"):
        decoded(model, "0c" * n_bytes)
