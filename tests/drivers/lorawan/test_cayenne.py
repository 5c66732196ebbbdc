"""Cayenne LPP: types and their sizes, the owner's names, and makers who only look alike."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.lorawan.codecs.cayenne import KINDS
from edaphon_drivers.sheets import Sheet, load_sheet, parse_sheet


def sheet_with(*kinds: int) -> Sheet:
    """Channel 1 declared with these types; outputs are `type.axis`."""
    rows = [
        {"id": 1, "type": k, "outputs": [f"{k}.{n}" for n in range(len(KINDS[k].units))]}
        for k in kinds
    ]
    outputs = [
        {"name": name, "quantity": "unnamed_value", "unit": unit}
        for row in rows
        for name, unit in zip(row["outputs"], KINDS[row["type"]].units, strict=True)
    ]
    table = {"title": "", "engine": "lorawan", "checked": "", "source": "", "output": outputs}
    return parse_sheet("mine", {**table, "frame": {"codec": "cayenne", "channel": rows}})


def numbers(payload: str, sheet: Sheet) -> dict[str, float | None]:
    return {r.output: r.number for r in decode_uplink(bytes.fromhex(payload), 1, sheet)}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (0, "01", [1]),
        (1, "ff", [255]),
        (2, "ff38", [-2.0]),
        (3, "0064", [1.0]),
        (100, "ffffffff", [4294967295]),
        (101, "ffff", [65535]),
        (102, "01", [1]),
        (103, "ffd7", [-4.1]),
        (104, "c8", [100.0]),
        (113, "04d2fb2e0000", [1.234, -1.234, 0.0]),
        (115, "2794", [1013.2]),
        (116, "01a3", [4.19]),
        (117, "ffff", [65.535]),
        (118, "000f4240", [1000000]),
        (120, "64", [100]),
        (121, "fff6", [-10]),
        (125, "0190", [400]),
        (128, "ffff", [65535]),
        (130, "000003e9", [1.001]),
        (131, "000003e9", [1.001]),
        (132, "0167", [359]),
        (133, "69217a80", [1763801728]),
        (134, "0064ff9c0001", [1.0, -1.0, 0.01]),
        (135, "ff8000", [255, 128, 0]),
        (136, "06765ff2960a0003e8", [42.3519, -87.9094, 10.0]),
        (142, "01", [1]),
    ],
)
def test_every_type_has_its_size_sign_and_scale(
    kind: int, value: str, expected: list[float]
) -> None:
    found = numbers(f"01{kind:02x}{value}", sheet_with(kind))
    assert list(found.values()) == expected
    assert len(found) == len(expected) == len(KINDS[kind].units)


def test_the_examples_of_the_documentation_come_out_of_the_form_to_copy() -> None:
    form = load_sheet("cayenne.lpp")
    assert numbers("03670110056700ff", form) == {"temperature_3": 27.2, "temperature_5": 25.5}
    assert numbers("0167ffd7067104d2fb2e0000", form) == {
        "temperature_1": -4.1,
        "acceleration_x": 1.234,
        "acceleration_y": -1.234,
        "acceleration_z": 0.0,
    }


def test_a_channel_that_the_owner_does_not_name_is_passed_over_by_its_length() -> None:
    every = "".join(f"09{kind:02x}" + "00" * KINDS[kind].length for kind in KINDS)
    assert numbers(every + "0167ffd7", sheet_with(103)) == {"103.0": -4.1}


@pytest.mark.parametrize("payload", ["01", "0167", "0167ff", "0105ff", "0167ffd701f000"])
def test_an_unknown_type_or_a_cut_value_is_garbled_for_lpp(payload: str) -> None:
    with pytest.raises(Garbled, match="mine"):
        numbers(payload, sheet_with(103))


def test_the_same_bytes_are_4_degrees_to_milesight_and_1126_to_lpp() -> None:
    payload = "03672c00046817"
    lpp = parse_sheet(
        "mine",
        {
            **{"title": "", "engine": "lorawan", "checked": "", "source": ""},
            "output": [
                {"name": "warmth", "quantity": "air_temperature", "unit": "degC"},
                {"name": "humidity", "quantity": "relative_humidity", "unit": "%"},
            ],
            "frame": {
                "codec": "cayenne",
                "channel": [
                    {"id": 3, "type": 103, "outputs": ["warmth"]},
                    {"id": 4, "type": 104, "outputs": ["humidity"]},
                ],
            },
        },
    )
    assert numbers(payload, lpp) == {"warmth": 1126.4, "humidity": 11.5}
    milesight = decode_uplink(bytes.fromhex(payload), 85, load_sheet("milesight.em300-th"))
    assert [r.number for r in milesight] == [4.4, 11.5]
