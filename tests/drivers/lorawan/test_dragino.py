"""Dragino LSE01 and SE01-LB: two's complement, the mode bit, ports, and the manual's examples."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import load_sheet

BEFORE = "dragino.lse01-1.1.4"
SINCE = "dragino.lse01-1.2.1"
LB = "dragino.se01-lb"


def numbers(model: str, payload: str, f_port: int = 2) -> dict[str, float | None]:
    readings = decode_uplink(bytes.fromhex(payload), f_port, load_sheet(model))
    return {r.output: r.number for r in readings}


def test_the_same_bytes_mean_other_numbers_since_firmware_1_2_1() -> None:
    payload = "ce2900f107a5099b6e2890"
    both = {"battery_voltage": 3.625, "ds18b20_temperature": 24.1}
    assert numbers(BEFORE, payload) == both | {
        "volumetric_water_content": 19.57,
        "soil_temperature": 24.59,
        "bulk_electrical_conductivity": 28200.0,
    }
    assert numbers(SINCE, payload) == numbers(LB, payload)
    assert numbers(SINCE, payload) == both | {
        "relative_permittivity": 195.7,
        "water_content_counts": 2459.0,
        "electrical_conductivity_counts": 28200.0,
    }


@pytest.mark.parametrize("model", [BEFORE, SINCE, LB])
@pytest.mark.parametrize(
    ("word", "celsius"),
    # The manual (p. 13) reads FF7E as -1.29 °C and FFFF as 0.00 °C.
    [("0105", 2.61), ("ff7e", -1.3), ("ffff", -0.01), ("0000", 0.0), ("f060", -40.0)],
)
def test_soil_temperature_is_a_twos_complement_number(
    model: str, word: str, celsius: float
) -> None:
    assert numbers(model, f"0ce2000007a5{word}00c800")["soil_temperature"] == celsius


def test_the_external_probe_counts_below_zero_too() -> None:
    assert numbers(BEFORE, "0ce2ff3f07a5010500c800")["ds18b20_temperature"] == -19.3


@pytest.mark.parametrize(
    ("payload", "output", "status"),
    [
        ("0ce20ccc07a5010500c800", "ds18b20_temperature", Status.OVER_RANGE),
        ("0ce27fff07a5010500c800", "ds18b20_temperature", Status.OVER_RANGE),
        ("0ce2035207a5010500c800", "ds18b20_temperature", Status.FAILURE),
        ("0ce20000ffff010500c800", "volumetric_water_content", Status.OVER_RANGE),
        ("0ce2000007a5800000c800", "soil_temperature", Status.UNDER_RANGE),
    ],
)
def test_what_a_probe_cannot_measure_is_a_status(payload: str, output: str, status: Status) -> None:
    readings = decode_uplink(bytes.fromhex(payload), 2, load_sheet(LB))
    (reading,) = [r for r in readings if r.output == output]
    assert (reading.number, reading.status) == (None, status)


def test_a_status_frame_gives_the_battery_alone() -> None:
    assert numbers(LB, "26010001ff0caf", f_port=5) == {"battery_voltage": 3.247}


def test_a_pulse_counter_may_follow_the_eleven_bytes_of_the_newer_model_only() -> None:
    counting = "0ce2000007a5010500c840" + "000003e8"
    assert numbers(LB, counting) == numbers(LB, counting[:22])
    for model in (BEFORE, SINCE):
        with pytest.raises(Garbled, match="11 bytes"):
            numbers(model, counting)


@pytest.mark.parametrize("model", [BEFORE, SINCE, LB])
@pytest.mark.parametrize("n_bytes", [1, 7, 10, 12])
def test_a_frame_of_another_length_is_garbled(model: str, n_bytes: int) -> None:
    with pytest.raises(Garbled, match="bytes"):
        numbers(model, "0c" * n_bytes)


def test_the_datalog_is_not_guessed_at() -> None:
    with pytest.raises(Garbled, match="f_port 2 or 5, not 3"):
        numbers(LB, "07a5010500c80061e0c4f0", f_port=3)
