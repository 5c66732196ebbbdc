"""Texts where a number should stand, as instruments, files and servers may send them."""

import math
import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers import gsm as modem
from edaphon_drivers.ascii.lines import offset_s as ascii_offset_s
from edaphon_drivers.ascii.lines import read_number
from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.files import clock
from edaphon_drivers.files.li8200 import parse_json
from edaphon_drivers.i2c import _ADDRESS
from edaphon_drivers.lorawan.envelopes import integer, time_ns
from edaphon_drivers.message_values import (
    epoch_ns,
    number_in,
    number_of_text,
    parse_object,
    rfc3339_ns,
)
from edaphon_drivers.readings import UNREADABLE_NS
from edaphon_drivers.sdi12.parse import parse_values

NO_NUMBERS = ["١٢", "１２", "1_000", "0x1F", "1e400", "-1e400", "nan", "inf", "Infinity", "1,5"]
NO_NUMBERS += [
    "",
    " ",
    "-",
    "+",
    ".",
    "e5",
    "1e",
    "1e5.5",
    "²",
    "½",
    "1 2",
    "9" * 5000,
    "1" + "0" * 99,
]
NO_NUMBERS += [
    "--1",
    "1.2.3",
    "1e99999",
    "1\x00",
    "1\u00a0",
    "\u20031",
    "true",
    "None",
    "(1)",
    "1j",
]
PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@pytest.mark.parametrize("text", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_a_text_that_is_no_plain_number_is_none(text):
    assert number_of_text(text) is None
    assert number_in(text) is None
    if text != "0x1F":  # which some instruments print
        with suppress(Garbled):
            assert read_number(text) is None
    with pytest.raises(Garbled):
        parse_values("0", b"0+" + text.encode() + b"\r\n", crc=False)


@given(st.text(max_size=30) | st.text("0123456789+-.eE_ ٣１²,x", max_size=20))
def test_what_is_a_number_is_the_one_that_python_reads_in_ascii(text):
    found = number_of_text(text)
    plain = text.strip(" \t\r\n")
    if found is None:
        assert not PLAIN.fullmatch(plain) or not math.isfinite(float(plain))
    else:
        assert PLAIN.fullmatch(plain)
        assert found == float(plain)


@pytest.mark.parametrize(
    "answer",
    [
        2**63,
        2**64,
        10**30,
        -1,
        1e300,
        float("inf"),
        float("nan"),
        "1e400",
        "١",
        "9" * 64,
        True,
        None,
        [],
        {},
        "2026",
        1 << 70,
    ],
)
@pytest.mark.parametrize("unit_ns", [1, 10**3, 10**6, 10**9])
def test_a_count_since_1970_is_within_64_bits_or_unreadable(answer, unit_ns):
    assert 0 <= epoch_ns(answer, unit_ns) < 2**63 or epoch_ns(answer, unit_ns) == UNREADABLE_NS
    if not isinstance(answer, str) or not answer.isascii() or len(answer) > 4:
        assert epoch_ns(answer, 10**9) == UNREADABLE_NS


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2262-04-12T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T00:00:00+99:00",
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00",
        "9" * 5000,
    ],
)
def test_a_date_that_64_bits_do_not_hold_or_that_is_none_is_unreadable(text):
    with pytest.raises(ValueError, match="expected|month|day|isoformat|hour"):
        rfc3339_ns(text)
    assert time_ns({"t": text}, "t") == UNREADABLE_NS


def test_a_leap_second_is_the_first_of_the_next_minute():
    noon = datetime(2017, 1, 1, tzinfo=UTC)
    assert rfc3339_ns("2016-12-31T23:59:60Z") == int(noon.timestamp()) * 10**9


@pytest.mark.parametrize(
    "found", [-1, 2**32, 2**64, 1e300, 1.5, "1e3", "-1", True, [], "٣", "9" * 60]
)
def test_a_counter_of_a_network_server_is_an_integer_in_its_range(found):
    with pytest.raises(Garbled):
        integer({"fCnt": found}, "fCnt", 0xFFFFFFFF)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 60_000,
        b'{"a":' * 60_000,
        b'{"a": NaN, "b": ' + b"[" * 60_000,
        b'{"a": ' + b"9" * 60_000 + b', "b": NaN}',
        b'{"a": 1e999}',
        b'{"a": -1e999}',
        b'{"a": 18446744073709551616}',
        b'{"a": "\\ud800"}',
    ],
    ids=range(8),
)
def test_json_of_any_kind_is_an_object_of_finite_numbers_or_garbled(data):
    for parse in (parse_object, parse_json):
        try:
            found = parse(data)
        except Garbled:
            continue
        number = found["a"]
        assert not isinstance(number, float) or math.isfinite(number) or parse is parse_json


def test_nanoseconds_in_other_digits_are_no_time():
    assert clock.epoch_ns(["1796008901", "250"], 9) == 1796008901 * 10**9 + 250
    assert clock.epoch_ns(["1796008901", "٢٥٠"], 9) is None
    assert clock.epoch_ns(["9" * 19], 9) is None


def test_offsets_and_addresses_are_written_in_ascii():
    assert ascii_offset_s("+01:00") == 3600
    assert ascii_offset_s("+٠١:٠٠") is None
    assert _ADDRESS.fullmatch("64")
    assert not _ADDRESS.fullmatch("٦٤")


@pytest.mark.parametrize("code", ["²", "٣", "9" * 5000, "", "-1", "1_0", "SIM busy"])
def test_a_modem_whose_error_has_no_number_is_refused_in_words(code):
    with pytest.raises(Fault):
        modem._judge([f"+CMS ERROR: {code}"], "modem")
