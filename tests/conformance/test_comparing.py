"""The harness itself: a wrong number, unit or failure must not pass."""

import pytest
from tests.conformance.comparing import complaints, same_unit
from tests.conformance.devices import find_decoder
from tests.conformance.entries import Entry, Given
from tests.conformance.groups import GROUPS
from tests.conformance.not_yet import GROUPS as GROUPS_NOT_YET

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
    assert not GROUPS.keys() & GROUPS_NOT_YET


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
