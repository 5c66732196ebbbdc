"""The harness itself: a wrong number, unit or failure must not pass."""

import pytest
from tests.conformance.comparing import complaints, same_unit
from tests.conformance.devices import find_decoder
from tests.conformance.entries import Entry, Given
from tests.conformance.known_groups import known_groups
from tests.conformance.not_yet import GROUPS as GROUPS_NOT_YET

from edaphon_drivers.faults import Fault

WARM = Given("soil_temperature", 21.5, "degC")


def entry(*rows: tuple[object, str | None], **more: object) -> Entry:
    expected = [{"quantity": "q", "value": value, "unit": unit, **more} for value, unit in rows]
    return {"expected": expected}


def test_numbers_and_units_count_and_key_names_do_not() -> None:
    assert complaints(entry((21.5, "°C")), [WARM]) == []


@pytest.mark.parametrize(
    ("value", "unit"), [(21.6, "°C"), (21.5, "K"), (21.5, None), (None, "°C"), ("21.5", "°C")]
)
def test_another_number_or_unit_is_a_complaint(value: object, unit: str | None) -> None:
    assert len(complaints(entry((value, unit)), [WARM])) == 1


def test_one_reading_meets_one_expectation_only() -> None:
    assert len(complaints(entry((21.5, "°C"), (21.5, "°C")), [WARM])) == 1
    assert complaints(entry((21.5, "°C"), (21.5, "°C")), [WARM, WARM]) == []


def test_nothing_may_come_where_nothing_is_expected() -> None:
    assert len(complaints(entry(), [WARM])) == 1
    assert complaints(entry(), []) == []


def test_a_missing_number_needs_a_status_and_forbids_the_makers_number() -> None:
    failed = Given("soil_temperature", None, "degC")
    expected = entry((None, "°C"), vendor_value=-0.1)
    assert complaints(expected, [failed]) == []
    assert len(complaints(expected, [])) == 1
    assert len(complaints(expected, [failed, Given("t", -0.1, "degC")])) == 1


def test_a_failure_code_that_the_maker_prints_as_a_number_must_be_missing() -> None:
    expected = entry((-327.68, "°C"))
    failed = Given("soil_temperature", None, "degC", failure=(-327.68,))
    assert complaints(expected, [failed]) == []
    assert len(complaints(expected, [Given("soil_temperature", None, "degC")])) == 1


def test_hexadecimal_names_of_devices_have_no_case_and_other_texts_have() -> None:
    assert (
        complaints(entry(("70B3D57ED005B89A", None)), [Given("e", "70b3d57ed005b89a", None)]) == []
    )
    assert len(complaints(entry(("METER", None)), [Given("vendor", "meter", None)])) == 1


def test_a_time_is_compared_as_an_instant() -> None:
    at = Given("time", 1_795_348_800_000_000_001, None)
    assert complaints(entry(("2026-11-22T12:00:00.000000001Z", None)), [at]) == []
    assert len(complaints(entry(("2026-11-22T12:00:00Z", None)), [at])) == 1


def test_spellings_of_a_unit_are_one_unit_and_no_two_units_are() -> None:
    assert same_unit("µS⋅cm⁻¹", "uS/cm")
    assert same_unit(None, "count")
    assert not same_unit("mS/cm", "uS/cm")
    assert not same_unit("%", None)


def test_no_group_is_both_supported_and_not_yet() -> None:
    assert not known_groups().keys() & GROUPS_NOT_YET


def test_firmware_in_a_label_chooses_the_codec_and_an_unknown_label_none() -> None:
    payload = {"encoding": "hex", "data": "ce2900f107a5099b6e2890"}
    for label, first in {
        "Dragino LSE01 (fw >=1.2.1, MOD 1)": 195.7,
        "Dragino LSE01 (fw <=1.1.4)": 19.57,
        "Dragino LSE01": 19.57,
    }.items():
        decode = find_decoder(label)
        assert decode is not None
        assert decode({"payload": payload, "f_port": 2})[2].value == first
    assert find_decoder("Dragino LSE02") is None


@pytest.mark.parametrize(
    "label",
    [
        "Dragino LSE01 (MOD 1)",
        "PP Systems EGM-5 (SRC)",
        "Stevens HydraProbe (fw 2.7)",
        "DFRobot SEN0601",
        "Senseair S8",
        "Dragino LHT65",
        "Milesight EM500-SMTC soil moisture",
        "Vaisala GMP252 probe",
    ],
)
def test_a_label_may_say_more_or_less_than_the_name_of_its_model(label: str) -> None:
    assert find_decoder(label) is not None


@pytest.mark.parametrize(
    "label",
    ["Dragino", "Dragino LSE", "LI-COR LI-8", "METER TEROS 22 (DDI serial)", "DFRobot SEN060"],
)
def test_a_label_that_names_another_device_or_line_has_no_decoder(label: str) -> None:
    assert find_decoder(label) is None


def test_a_label_of_two_lines_is_read_by_the_transport() -> None:
    decode = find_decoder("Vaisala GMP252")
    assert decode is not None
    line = {"encoding": "ascii", "data": "CO2=   860 ppm\r\n"}
    frame = {"encoding": "hex", "data": "f00304d47a43e833ab"}
    rows = {"expected": [{"quantity": "co2", "value": 0, "unit": "ppm"}]}
    assert decode({"transport": "serial-ascii", "payload": line, **rows})[0].value == 860
    asked = {"request": "f00300000002d12a", "payload": frame, **rows}
    given = decode({"transport": "modbus-rtu", **asked})
    assert pytest.approx(465.66, abs=0.001) in [g.value for g in given]


def test_an_answer_of_another_address_is_refused() -> None:
    decode = find_decoder("SDI-12 spec example")
    assert decode is not None
    for request, answer in (("0M!", "10011\r\n"), ("0!", "1\r\n"), ("0A2!", "0\r\n")):
        with pytest.raises(Fault):
            decode({"request": request, "payload": {"encoding": "ascii", "data": answer}})
