"""What the parsers of SDI-12 answers take and what they refuse."""

import contextlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edaphon_drivers.checksums import crc16_arc, crc_characters
from edaphon_drivers.faults import Garbled
from edaphon_drivers.sdi12 import parse
from edaphon_drivers.sdi12.parse import read_start

_LIBERAL = re.compile(r"[+-](\d+\.?\d*|\.\d+)")


@st.composite
def printed_values(draw: st.DrawFn) -> str:
    digits = draw(st.text("0123456789", min_size=1, max_size=7))
    point = draw(st.none() | st.integers(0, len(digits)))
    body = digits if point is None else f"{digits[:point]}.{digits[point:]}"
    return draw(st.sampled_from("+-")) + body


def test_crc_of_the_check_string_is_that_of_crc16_arc() -> None:
    assert crc16_arc(b"123456789") == 0xBB3D


def test_crc_characters_agree_with_the_published_example() -> None:
    assert crc_characters(b"0+3.14") == b"OqZ"


@given(
    st.text("0123456789abzAZ", min_size=1, max_size=1), st.lists(printed_values()), st.booleans()
)
def test_values_come_back_as_the_float_of_their_text(
    address: str, values: list[str], crc: bool
) -> None:
    text = (address + "".join(values)).encode()
    line = text + (crc_characters(text) if crc else b"") + b"\r\n"
    assert parse.parse_values(address, line, crc) == tuple(map(float, values))


@given(st.text("+-.0123456789", max_size=20))
def test_values_are_taken_exactly_when_each_has_sign_one_point_and_up_to_seven_digits(
    body: str,
) -> None:
    assume(not re.match(r"0[+-]", body))  # a service request without its line end
    parts = re.findall(r"[+-][^+-]*", body)
    right = "".join(parts) == body and all(
        _LIBERAL.fullmatch(part) and sum(map(str.isdigit, part)) <= 7 for part in parts
    )
    line = f"0{body}\r\n".encode()
    if right:
        assert parse.parse_values("0", line, crc=False) == tuple(map(float, parts))
    else:
        with pytest.raises(Garbled):
            parse.parse_values("0", line, crc=False)


@given(st.binary(max_size=40))
def test_any_bytes_give_values_or_garbled_and_nothing_else(line: bytes) -> None:
    for read in (
        lambda: parse.parse_values("0", line, crc=True),
        lambda: parse.parse_values("0", line, crc=False),
        lambda: parse.parse_identity(line),
        lambda: parse.parse_start("M", line),
        lambda: parse.parse_metadata("0", line),
        lambda: parse.parse_acknowledgement(line),
    ):
        with contextlib.suppress(Garbled):
            read()


@given(st.data())
def test_one_changed_byte_never_passes_the_crc(data: st.DataObject) -> None:
    text = b"a+12.34-5.6"
    line = bytearray(text + crc_characters(text))
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[at]))
    with pytest.raises(Garbled):
        parse.parse_values("a", bytes(line) + b"\r\n", crc=True)


@pytest.mark.parametrize(
    "line",
    [
        b"0+1.2.3\r\n", b"0+1e2\r\n", b"0+nan\r\n", b"0+inf\r\n", b"0+1 +2\r\n", b"1+1\r\n",
        b"0+3.14", b"0+3.14\n", b"0+3.14\r\n+1\r\n", b"0+1\r\n0+1\r\n", b"1\r\n0+1\r\n",
        b"0+12345678\r\n", b"0+1234.5678\r\n", b"0+\r\n", b"0+.\r\n", b"0 +1\r\n", b"\r\n", b"",
        b"0\xab1\r\n", b"0+1,+2\r\n", b"0+0x10\r\n", b"0+1_0\r\n", "0+\u0663\r\n".encode(),
    ],
)  # fmt: skip
def test_values_that_are_refused(line: bytes) -> None:
    with pytest.raises(Garbled):
        parse.parse_values("0", line, crc=False)


@pytest.mark.parametrize("residue", [b"", b"0\r\n", b"0\r\n0\r\n"])
def test_a_service_request_left_in_front_of_the_data_is_dropped(residue: bytes) -> None:
    assert parse.parse_values("0", residue + b"0+0.000+1.4\r\n", crc=False) == (0.0, 1.4)


def test_an_answer_of_the_address_alone_has_no_values() -> None:
    assert parse.parse_values("0", b"0\r\n", crc=False) == ()
    assert parse.parse_values("0", b"0" + crc_characters(b"0") + b"\r\n", crc=True) == ()


@pytest.mark.parametrize(
    ("kind", "line", "start"),
    [
        ("M", b"00359\r\n", ("0", 35, 9)),
        ("MC3", b"a0011\r\n", ("a", 1, 1)),
        ("C", b"004512\r\n", ("0", 45, 12)),
        ("ICC2", b"000105\r\n", ("0", 1, 5)),
        ("HA", b"0045012\r\n", ("0", 45, 12)),
        ("V", b"00001\r\n", ("0", 0, 1)),
        ("M", b"004512\r\n", None),
        ("C", b"00359\r\n", None),
        ("M", b"0 359\r\n", None),
    ],
)
def test_the_number_of_count_digits_belongs_to_the_command(
    kind: str, line: bytes, start: tuple[str, int, int] | None
) -> None:
    if start:
        assert parse.parse_start(kind, line) == start
    else:
        with pytest.raises(Garbled):
            parse.parse_start(kind, line)


def test_identity_columns_lose_their_padding() -> None:
    got = parse.parse_identity(b"113METER   TER12 201T12-00082937\r\n")
    assert got[:6] == ("1", "13", "METER", "TER12", "201", "T12-00082937")
    assert got.text == "METER   TER12 201T12-00082937"


def test_identity_of_wrong_length_is_refused() -> None:
    for line in (b"113METER   TER12\r\n", b"113METER   TER12 201" + b"x" * 61 + b"\r\n"):
        with pytest.raises(Garbled):
            parse.parse_identity(line)


def test_an_identity_longer_than_the_standard_allows_is_read() -> None:
    got = parse.parse_identity(b"313CampbellCS65X 000Std.00.35=2196405\r\n")
    assert (got.vendor, got.model, got.extra) == ("Campbell", "CS65X", "Std.00.35=2196405")


def test_metadata_gives_its_fields_and_an_unknown_parameter_none() -> None:
    line = b"0,PR,mm,precipitation rate per day;\r\n"
    assert parse.parse_metadata("0", line) == ("PR", "mm", "precipitation rate per day")
    assert parse.parse_metadata("0", b"0\r\n") == ()
    with pytest.raises(Garbled):
        parse.parse_metadata("0", b"0,PR,mm\r\n")


def test_a_service_request_that_lost_its_line_end_is_dropped() -> None:
    assert parse.parse_values("0", b"00+0.000+0.000+25.4\r\n", crc=False) == (0.0, 0.0, 25.4)
    assert parse.parse_values("0", b"00+3.14OqZ\r\n", crc=True) == (3.14,)
    with pytest.raises(Garbled):
        parse.parse_values("1", b"00+3.14\r\n", crc=False)
    with pytest.raises(Garbled):
        parse.parse_values("0", b"000+3.14\r\n", crc=False)


@pytest.mark.parametrize(
    ("text", "address", "values"),
    [
        (b"0+1.60+25.7", "0", (1.6, 25.7)),
        (b"a+1.6+0+25.7\r\n", "a", (1.6, 0.0, 25.7)),
        (b"Z-12.4-4.25\r", "Z", (-12.4, -4.25)),
        (b"0\r\n0+3.14\n", "0", (3.14,)),
        (b"0+3.14OqZ", "0", (3.14,)),
        (b"5", "5", ()),
    ],
)
def test_a_relayed_answer_needs_no_line_end(
    text: bytes, address: str, values: tuple[float, ...]
) -> None:
    assert parse.parse_relayed(text) == (address, values)


@pytest.mark.parametrize("text", [b"", b"+1.6", b"0+1.6\x00", b"0+1.6+nan", b"0+3.14OqX", b"\xff"])
def test_a_relayed_answer_that_is_none_is_garbled(text: bytes) -> None:
    with pytest.raises(Garbled):
        parse.parse_relayed(text)


@pytest.mark.parametrize("kind", ["M", "MC1", "V"])
def test_a_service_request_behind_the_answer_says_that_the_data_are_ready(kind: str) -> None:
    assert read_start("1", kind, b"10013\r\n1\r\n") == ("1", 0, 3)
    assert read_start("1", kind, b"10013\r\n") == ("1", 1, 3)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("C", b"100103\r\n1\r\n"), ("M", b"10013\r\n2\r\n"), ("M", b"1\r\n1\r\n"), ("M", b"1\r\n")],
)
def test_what_is_no_service_request_of_that_probe_does_not_pass_for_one(
    kind: str, answer: bytes
) -> None:
    with pytest.raises(Garbled):
        read_start("1", kind, answer)
