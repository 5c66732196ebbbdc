"""Date-times keep every nanosecond and every offset, and nothing else passes for one."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.message_values import rfc3339_ns

NOON = 1_795_348_800_000_000_000  # 2026-11-22T12:00:00Z


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22t12:00:00z", NOON),
        ("2026-11-22 12:00:00Z", NOON),
        ("2026-11-22T12:00:00.1Z", NOON + 100_000_000),
        ("2026-11-22T12:00:00.123456789Z", NOON + 123_456_789),
        ("2026-11-22T12:00:00.1234567899Z", NOON + 123_456_789),
        ("2026-11-22T13:30:00+01:30", NOON),
        ("2026-11-22T08:00:00-04:00", NOON),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
        ("2262-04-11T23:47:16.854775807Z", 2**63 - 1),
    ],
)
def test_a_date_time_becomes_exact_nanoseconds(text: str, ns: int) -> None:
    assert rfc3339_ns(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T12:00:00",
        "2026-11-22T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T12:00:61Z",
        "2026-11-22T12:00:00+24:00",
        "2026-11-22T12:00:00+01:60",
        "2026-11-22T12:00:00.Z",
        "2026-11-22T12:00:00ZZ",
        "1969-12-31T23:59:59Z",
        "2262-04-11T23:47:16.854775808Z",
        "0001-01-01T00:00:00Z",
        "２０２６-11-22T12:00:00Z",
        "20261122T120000Z",
    ],
)
def test_what_is_no_date_time_of_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected|out of range|must be in"):
        rfc3339_ns(text)


@given(st.text(max_size=40))
def test_any_text_gives_a_time_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= rfc3339_ns(text) < 2**63
