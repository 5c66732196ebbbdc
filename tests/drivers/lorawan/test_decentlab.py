"""Decentlab frames: the datasheet's example, and what a header may not say."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import load_sheet

TRS12 = load_sheet("decentlab.dl-trs12")
# DL-TRS12 datasheet, sample message with all sensor data.
WHOLE = "0210d3000346be813d00000c80"


def decoded(payload: str) -> tuple[Reading, ...]:
    return decode_uplink(bytes.fromhex(payload), 1, TRS12)


def test_the_datasheets_sample_message_gives_the_raw_counts_and_no_water_content() -> None:
    assert [(r.output, r.number, r.unit) for r in decoded(WHOLE)] == [
        ("water_content_counts", 1811.0, "count"),
        ("soil_temperature", 31.7, "degC"),
        ("bulk_electrical_conductivity", 0.0, "uS/cm"),
        ("battery_voltage", 3.2, "V"),
    ]


def test_a_sensor_whose_flag_is_clear_gives_no_reading() -> None:
    assert [r.output for r in decoded("0210d300020c80")] == ["battery_voltage"]
    assert len(decoded("0210d3000146be813d0000")) == 3
    assert decoded("0210d30000") == ()


@pytest.mark.parametrize(
    "payload",
    [
        "02",
        "0210d300",
        "0110d3000346be813d00000c80",
        "0310d3000346be813d00000c80",
        "0210d3000346be813d00000c",
        "0210d3000346be813d00000c8000",
        "0210d3000746be813d00000c80",
        "0210d3000446be",
        "0210d38000",
        "0210d30001",
    ],
)
def test_a_wrong_version_length_or_flag_is_garbled(payload: str) -> None:
    with pytest.raises(Garbled, match=r"decentlab\.dl-trs12"):
        decoded(payload)


def test_a_temperature_that_the_probe_cannot_have_is_a_status() -> None:
    cold = decoded("0210d3000146be00000000")[1]
    assert (cold.number, cold.status) == (None, Status.UNDER_RANGE)


def test_the_counts_name_the_makers_curves() -> None:
    curves = {f.curve: f.quantity for f in TRS12.outputs["water_content_counts"].factory}
    assert curves == {
        "teros12_mineral": "volumetric_water_content",
        "teros12_soilless": "volumetric_water_content",
        "teros12_permittivity": "relative_permittivity",
    }
