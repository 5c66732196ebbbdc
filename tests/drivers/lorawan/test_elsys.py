"""Elsys: one table of types, further probes on one input, and what is passed over by its length."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.sheets import load_sheet

SHEET = load_sheet("elsys.ers-elt")


def numbers(payload: str, f_port: int = 5) -> dict[str, float | None]:
    return {r.output: r.number for r in decode_uplink(bytes.fromhex(payload), f_port, SHEET)}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("01ffce", [-5.0]),
        ("0250", [80.0]),
        ("03 ff3f81", [-1.0, 63.0, -127.0]),
        ("04ffff", [65535.0]),
        ("0506", [6.0]),
        ("060308", [776.0]),
        ("070e0a", [3594.0]),
        ("081388", [5000.0]),
        ("09 5f7606 0a96f2", [42.3519, -87.9094]),
        ("0a002a", [42.0]),
        ("0b80000001", [2147483649.0]),
        ("0cff9c", [-10.0]),
        ("0d01", [1.0]),
        ("0e03e8", [1000.0]),
        ("0f07", [7.0]),
        ("10 00f0 ff38", [24.0, -20.0]),
        ("1102", [2.0]),
        ("12ff", [255.0]),
        ("14000f6e6d", [1011.309]),
        ("153c2d", [60.0, 45.0]),
        ("16ffff", [65535.0]),
        ("1700010000", [65536.0]),
        ("181388", [5000.0]),
        ("1a00", [0.0]),
        ("1bfffffc18", [-1000.0]),
        ("1c0064", [100.0]),
    ],
)
def test_every_type_has_its_length_sign_and_scale(payload: str, expected: list[float]) -> None:
    assert list(numbers(payload).values()) == expected
    assert list(numbers(payload + "0250").values())[-1] == 80.0


def test_more_probes_on_the_second_input_are_outputs_of_their_own() -> None:
    assert numbers("0c0064" + "190065" + "190066" + "19ffff") == {
        "external_temperature_1": 10.0,
        "external_temperature_2": 10.1,
        "external_temperature_3": 10.2,
        "external_temperature_4": -0.1,
    }


def test_an_image_and_debugging_words_are_passed_over() -> None:
    silent = "13" + "02" * 65 + "3d" + "03" * 4
    assert numbers(silent + "0100ea") == {"air_temperature": 23.4}


@pytest.mark.parametrize("payload", ["01", "0100", "0100ea02", "0000", "0100ea1d00", "1300"])
def test_an_unknown_type_or_a_cut_value_is_garbled(payload: str) -> None:
    with pytest.raises(Garbled):
        numbers(payload)


def test_settings_come_on_another_port() -> None:
    assert numbers("0100ea", f_port=1) == numbers("0100ea", f_port=5)
    with pytest.raises(Garbled, match="f_port 5|f_port 1"):
        numbers("0100ea", f_port=6)
