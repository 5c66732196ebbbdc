"""Plain JSON messages give the named numbers, and a reason wherever there is none."""

import json
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.message_values import (
    JsonField,
    JsonFields,
    JsonTime,
    TimeFormat,
    decode_json,
    parse_object,
)
from edaphon_drivers.readings import LARGEST_MESSAGE_BYTES, UNREADABLE_NS, Reading, Status

VWC = JsonField("vwc", "soil.vwc", "volumetric_water_content", "m**3/m**3")
WARMTH = JsonField("t", "readings.0.t", "soil_temperature", "degC")
BATTERY = JsonField("battery", "bat", "battery_voltage", "V")
ALL = JsonFields((VWC, WARMTH, BATTERY))


def one(value: object, field: JsonField = BATTERY) -> tuple[Reading, ...]:
    return decode_json(json.dumps({"bat": value}).encode(), JsonFields((field,)))


def test_paths_lead_through_objects_and_lists_in_the_order_of_the_fields() -> None:
    message = b'{"bat":3.61,"soil":{"vwc":0.2431},"readings":[{"t":-1.5},{"t":9}],"x":1}'
    readings = decode_json(message, ALL)
    assert [(r.output, r.number) for r in readings] == [
        ("vwc", 0.2431),
        ("t", -1.5),
        ("battery", 3.61),
    ]
    assert readings[0] == Reading("vwc", "volumetric_water_content", 0.2431, "m**3/m**3")
    assert {r.time_ns for r in readings} == {None}


def test_a_missing_field_gives_no_reading() -> None:
    message = b'{"soil":{},"readings":[],"bat":3}'
    assert [r.output for r in decode_json(message, ALL)] == ["battery"]
    assert decode_json(b'{"soil":4,"readings":{"1":{}}}', ALL) == ()


def test_a_key_of_digits_names_a_member_of_an_object_too() -> None:
    assert decode_json(b'{"readings":{"0":{"t":7}}}', ALL)[0].number == 7.0


TEXTS = ["nan", "", " ", "4,2", "4.2 C", "0x10", "1_000", "true", "1e999", "--1", "1 2", "\u0661"]
NO_NUMBERS: list[object] = [True, False, None, [], [3.61], {}, {"v": 1}, *TEXTS]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_not_a_number_is_invalid_and_carries_none(value: object) -> None:
    (reading,) = one(value)
    assert (reading.number, reading.status) == (None, Status.INVALID)


@pytest.mark.parametrize(
    ("text", "number"),
    [("4.2", 4.2), ("-0.5", -0.5), ("+7", 7.0), (" 4.2 ", 4.2), ("1e3", 1000.0), ("4.2\n", 4.2)]
    + [("12", 12.0), (".5", 0.5), ("5.", 5.0), ("007", 7.0)],
)
def test_a_number_as_text_is_that_number(text: str, number: float) -> None:
    (reading,) = one(text)
    assert (reading.number, reading.status) == (number, Status.OK)
    assert type(reading.number) is float


def test_a_failure_number_as_text_is_a_status() -> None:
    probe = JsonField("t", "bat", "soil_temperature", "degC", failure=(-127.0,))
    assert one("-127.00", probe)[0].status is Status.FAILURE


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("behind", [b"", b"\0", b"\0\0\0", b"\r\n", b" \n\0", b"\0\r\n\t "])
def test_a_byte_order_mark_and_nuls_behind_a_message_cost_nothing(
    before: bytes, behind: bytes
) -> None:
    assert decode_json(before + b'{"bat":3.61}' + behind, ALL) == decode_json(b'{"bat":3.61}', ALL)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b'1e999, "n": NaN'])
def test_words_that_json_lacks_cost_their_field_and_not_the_message(word: bytes) -> None:
    readings = decode_json(b'{"soil":{"vwc":0.2},"bat":' + word + b"}", ALL)
    assert [(r.number, r.status) for r in readings] == [
        (0.2, Status.OK),
        (None, Status.INVALID),
    ]


def test_an_integer_comes_back_as_a_float() -> None:
    (reading,) = one(3)
    assert reading.number == 3.0
    assert type(reading.number) is float


def test_a_failure_number_is_a_status() -> None:
    probe = JsonField("t", "bat", "soil_temperature", "degC", failure=(-127.0, 85.0))
    assert [one(v, probe)[0].status for v in (-127, 85.0, 84.9)] == [
        Status.FAILURE,
        Status.FAILURE,
        Status.OK,
    ]
    assert one(-127, probe)[0].number is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [('"V"', Status.OK), ('"mV"', Status.INVALID), ("null", Status.INVALID), ("1", Status.INVALID)],
)
def test_the_unit_in_the_message_must_be_the_declared_one(answer: str, status: Status) -> None:
    field = JsonField("battery", "bat", "battery_voltage", "V", unit_path="unit.bat")
    message = f'{{"bat":3.6,"unit":{{"bat":{answer}}}}}'.encode()
    (reading,) = decode_json(message, JsonFields((field,)))
    assert reading.status is status
    assert (reading.number is None) == (status is not Status.OK)


def test_a_unit_that_should_be_there_and_is_not_makes_the_number_invalid() -> None:
    field = JsonField("battery", "bat", "battery_voltage", "V", unit_path="unit")
    assert one(3.6, field)[0].status is Status.INVALID


@pytest.mark.parametrize(
    ("form", "answer", "ns"),
    [
        (TimeFormat.S, "1795348800", 1_795_348_800_000_000_000),
        (TimeFormat.S, "1795348800.123456", 1_795_348_800_123_456_000),
        (TimeFormat.MS, "1795348800123", 1_795_348_800_123_000_000),
        (TimeFormat.MS, "1795348800123.25", 1_795_348_800_123_250_000),
        (TimeFormat.NS, "1795348800123456789", 1_795_348_800_123_456_789),
        (TimeFormat.RFC3339, '"2026-11-22T12:00:00.123456789Z"', 1_795_348_800_123_456_789),
        (TimeFormat.S, '"1795348800"', 1_795_348_800_000_000_000),
        (TimeFormat.NS, '" 1795348800123456789 "', 1_795_348_800_123_456_789),
        (TimeFormat.S, '"1795348800.25"', 1_795_348_800_250_000_000),
        *[
            (TimeFormat.S, answer, UNREADABLE_NS)
            for answer in ("-1", "1e300", "99999999999999", "true", "null", '"soon"', "[]")
        ],
        *[
            (TimeFormat.RFC3339, answer, UNREADABLE_NS)
            for answer in ('"yesterday"', "1795348800", "null", '""', '"2026-02-30T00:00:00Z"')
        ],
    ],
)
def test_the_senders_time_is_read_exactly_or_not_at_all(
    form: TimeFormat, answer: str, ns: int
) -> None:
    fields = JsonFields((BATTERY,), JsonTime("sent.at", form))
    (reading,) = decode_json(f'{{"bat":3.6,"sent":{{"at":{answer}}}}}'.encode(), fields)
    assert (reading.number, reading.time_ns) == (3.6, ns)


def test_a_message_without_its_time_still_gives_its_numbers() -> None:
    fields = JsonFields((BATTERY,), JsonTime("at"))
    assert decode_json(b'{"bat":3.6}', fields)[0].time_ns == UNREADABLE_NS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"3.6",
        b"null",
        b'[{"bat":3.6}]',
        b'"bat"',
        b"{",
        b'{"bat":3.6',
        b"{'bat':3.6}",
        b'{"bat":3.6}x',
        b"\xff\xfe",
        '{"bat":3.6}'.encode("utf-16"),
        b'{"bat":3.6}\0x',
        b'\0{"bat":3.6}',
        b"\0",
        b"\xef\xbb\xbf",
        b'{"bat":NaN',
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b"[" * 200_000,
        b'{"NaN":' + b"[" * 60_000,
        b'{"NaN":NaN,"n":' + b"9" * 5000 + b"]",
        b'{"pad":"' + b"x" * LARGEST_MESSAGE_BYTES + b'"}',
    ],
)
def test_what_is_not_one_object_of_a_sane_size_is_garbled(data: bytes) -> None:
    with pytest.raises(Garbled):
        decode_json(data, ALL)


def test_fields_are_frozen_and_their_paths_taken_apart_once() -> None:
    with pytest.raises(AttributeError):
        ALL.fields = ()  # type: ignore[misc]
    assert JsonFields((VWC,)).rows[0][1] == ("vwc",)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(
    st.binary(max_size=80)
    | st.dictionaries(st.sampled_from(["bat", "soil", "readings", "at"]), JSON_VALUES).map(
        lambda message: json.dumps(message).encode()
    )
)
def test_any_bytes_give_readings_or_a_fault(data: bytes) -> None:
    fields = JsonFields(ALL.fields, JsonTime("at", TimeFormat.S))
    try:
        readings = decode_json(data, fields)
    except Fault:
        return
    for reading in readings:
        assert (reading.number is None) == (reading.status is not Status.OK)
        assert reading.number is None or math.isfinite(reading.number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_comes_back_bit_for_bit(number: float) -> None:
    (reading,) = decode_json(orjson.dumps({"bat": number}), JsonFields((BATTERY,)))
    assert reading.number == number


def test_parse_object_returns_the_whole_message() -> None:
    assert parse_object(b'{"a":[1,{"b":null}]}') == {"a": [1, {"b": None}]}
