"""Times in files: stated orders, exact nanoseconds, and no time where there is no such day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.files.clock import Clock, compile_format, offset_s
from edaphon_drivers.message_values import rfc3339_ns


def clock(*formats, offset="+00:00", order="", year=None):
    made = tuple(compile_format(text, order) for text in formats)
    return Clock(("T",), made, offset_s(offset), year=year)


ISO = "%Y-%m-%d %H:%M:%S"


@pytest.mark.parametrize(
    ("text", "offset", "utc"),
    [
        ("2026-01-01 00:30:00", "+01:00", "2025-12-31T23:30:00Z"),
        ("2026-01-01 00:30:00", "-03:30", "2026-01-01T04:00:00Z"),
        ("2026-03-29 02:30:00", "+01:00", "2026-03-29T01:30:00Z"),  # no summer time in a logger
        ("2024-02-29 12:00:00.25", "+00:00", "2024-02-29T12:00:00.25Z"),
        ("2024-1-2 3:04:05.123456789", "Z", "2024-01-02T03:04:05.123456789Z"),
        ("2026-12-31 24:00:00", "+00:00", "2027-01-01T00:00:00Z"),
    ],
)
def test_local_time_becomes_utc_by_a_fixed_offset(text, offset, utc):
    assert clock(ISO, offset=offset).read([text]) == rfc3339_ns(utc)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-31 00:00:00",
        "2025-02-29 00:00:00",
        "2026-13-01 00:00:00",
        "2026-00-10 00:00:00",
        "2026-01-01 25:00:00",
        "2026-01-01 24:00:01",
        "2026-01-01 23:60:00",
        "2026-01-01 23:59:61",
        "0000-01-01 00:00:00",
        "1969-12-31 23:59:59",
        "2263-01-01 00:00:00",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00 UTC",
        "٢٠٢٦-01-01 00:00:00",
        "",
        "NAN",
    ],
)
def test_what_is_no_time_gives_none(text):
    assert clock(ISO).read([text]) is None


def test_the_same_text_is_another_day_by_the_stated_order():
    text = "05/04/2023 08:13:06.603"
    assert clock("%D %H:%M:%S", order="mdy").read([text]) == rfc3339_ns("2023-05-04T08:13:06.603Z")
    assert clock("%D %H:%M:%S", order="dmy").read([text]) == rfc3339_ns("2023-04-05T08:13:06.603Z")
    with pytest.raises(ValueError, match="date_order"):
        compile_format("%D %H:%M:%S")


def test_two_formats_that_look_alike_have_one_shape():
    assert compile_format("%d/%m/%Y").shape == compile_format("%m/%d/%Y").shape
    assert compile_format("%d/%m/%Y").fields != compile_format("%m/%d/%Y").fields
    assert compile_format("%d.%m.%Y").shape != compile_format("%Y.%m.%d").shape


@pytest.mark.parametrize(
    ("form", "text", "utc"),
    [
        ("%d-%b-%y %I", "", None),
        ("%d %b %Y %H:%M", "7 Mar 2026 06:05", "2026-03-07T06:05:00Z"),
        ("%m/%d/%y %H:%M:%S %p", "03/07/26 12:00:01 AM", "2026-03-07T00:00:01Z"),
        ("%m/%d/%y %H:%M:%S %p", "03/07/99 12:00:01 PM", "1999-03-07T12:00:01Z"),
        ("%m/%d/%y %H:%M:%S %p", "03/07/26 13:00:01 PM", None),
        ("%m/%d/%y %H:%M%p", "03/07/26 12:30a", "2026-03-07T00:30:00Z"),
        ("%m/%d/%y %H:%M%p", "03/07/26 1:00p", "2026-03-07T13:00:00Z"),
        ("%Y %j %H:%M", "2024 366 00:00", "2024-12-31T00:00:00Z"),
        ("%Y %j %H:%M", "2023 366 00:00", None),
        ("%Y%m%d%H%M%S", "20260307060501.5", "2026-03-07T06:05:01.5Z"),
        ("%Y%m%d %H%M", "2026037 0605", None),
        ("%Y %j %H%M", "2024 366 45", "2024-12-31T00:45:00Z"),
        ("%Y %j %H%M", "2024 366 945", "2024-12-31T09:45:00Z"),
        ("%Y %j %H%M", "2024 366 2400", "2025-01-01T00:00:00Z"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-01-01 00:00:00+02:00", "2025-12-31T22:00:00Z"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00Z"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-01-01 00:00:00+99:00", None),
    ],
)
def test_each_token_reads_what_it_says(form, text, utc):
    if not text:
        with pytest.raises(ValueError, match="%I"):
            compile_format(form)
        return
    assert clock(form).read([text]) == (rfc3339_ns(utc) if utc else None)


def test_a_year_that_the_file_leaves_out_is_the_owners():
    assert clock("%d %m %H %M", year=2014).read(["04 08 14 04"]) == rfc3339_ns(
        "2014-08-04T14:04:00Z"
    )
    assert clock("%d %m %H %M").read(["04 08 14 04"]) is None


@pytest.mark.parametrize(
    ("texts", "power", "ns"),
    [
        (["1673165810.922"], 9, 1673165810_922000000),
        (["1673165810."], 9, 1673165810_000000000),
        (["1673165810.1234567899"], 9, 1673165810_123456789),
        (["1673165810922"], 6, 1673165810_922000000),
        (["1673165810922333444"], 0, 1673165810_922333444),
        (["1666884942", "313442945"], 9, 1666884942_313442945),
        (["1666884942", "x"], 9, None),
        (["3600"], 9, None),
        (["-1"], 9, None),
        (["9999999999999999999"], 9, None),
        (["nan"], 9, None),
    ],
)
def test_counts_since_1970_are_read_digit_by_digit(texts, power, ns):
    assert Clock(("A", "B"), epoch=power).read(texts) == ns


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text):
    for made in (clock(ISO), clock("%d/%m/%y %H:%M"), Clock(("T",), epoch=9)):
        ns = made.read([text])
        assert ns is None or 0 <= ns < 2**63


@given(st.datetimes(min_value=__import__("datetime").datetime(1970, 1, 2)))
def test_every_written_second_comes_back(moment):
    if moment.year < 2262:
        text = f"{moment:%Y-%m-%d %H:%M:%S}"
        assert clock(ISO).read([text]) == rfc3339_ns(text + "Z")


@pytest.mark.parametrize("text", ["", "CET", "+1", "+15:00", "+01:60", "01:00", "Europe/Berlin"])
def test_an_offset_is_fixed_and_signed(text):
    with pytest.raises(ValueError, match="offset"):
        offset_s(text)


def test_blanks_in_a_format_stand_for_as_many_or_more_and_are_looked_for_once():
    text = "%Y" + " \t" * 20 + "%m"
    assert compile_format("%Y  %m").parts("2024 \t 05") == {"Y": "2024", "m": "05"}
    assert compile_format("%Y  %m").parts("2024 05") is None
    assert compile_format(text).parts("2024" + " \t" * 9000 + "x") is None
