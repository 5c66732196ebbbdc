"""Times that a stamp alone does not say: zone, year, place within a stamp, time since a start."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drivers.files.accounts import csv_sheet, read, refusals

from edaphon_drivers.files.lines import FIRST, Context
from edaphon_drivers.files.sheet import completed, sheet_errors
from edaphon_drivers.message_values import rfc3339_ns
from edaphon_drivers.sheets import load_sheet

HEAD = b"Time,T5,VWC\n"
FORMATS = {"columns": ["Time"], "formats": ["%Y-%m-%d %H:%M:%S"]}
BERLIN = csv_sheet(time={**FORMATS, "zone": "Europe/Berlin"})
EGM4 = completed(load_sheet("ppsystems.egm-4-file"), {"utc_offset": "+00:00", "year": 2026})
LI850 = completed(load_sheet("licor.li-850-file"), {"utc_offset": "+00:00"})
TMS = load_sheet("tomst.tms-4")


def times(stamps, sheet, alone=False):
    """The UTC time of each row; `alone`: each row comes in a piece of its own, through JSON."""
    rows = [f"{stamp},4.2,0.3\n".encode() for stamp in stamps]
    return _times(rows, sheet, HEAD, alone)


def _times(rows, sheet, head, alone, output=None):
    output = output or next(iter(sheet.outputs))
    pieces = rows if alone else [b"".join(rows)]
    found, context = [], FIRST
    for piece in pieces:
        readings, _, _, context = read(piece, sheet, context, head, 999)
        context = Context.of_json(json.loads(json.dumps(context.to_json())))
        found += [reading.time_ns for reading in readings if reading.output == output]
    return found


def utc(*texts):
    return [rfc3339_ns(text) for text in texts]


@pytest.mark.parametrize("alone", [False, True])
def test_the_doubled_hour_of_autumn_is_settled_by_the_order_of_the_rows(alone):
    stamps = [f"2026-10-25 0{h}:{m:02}:00" for h, m in [(1, 30), (2, 0), (2, 30), (2, 0), (2, 30)]]
    assert times([*stamps, "2026-10-25 03:00:00"], BERLIN, alone) == utc(
        "2026-10-24T23:30:00Z",
        "2026-10-25T00:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T02:00:00Z",
    )


@pytest.mark.parametrize("alone", [False, True])
def test_an_hourly_file_has_the_same_stamp_for_both_passes(alone):
    stamps = ["2026-10-25 01:00:00", "2026-10-25 02:00:00", "2026-10-25 02:00:00"]
    found = times([*stamps, "2026-10-25 03:00:00", "2027-10-31 02:00:00"], BERLIN, alone)
    assert found == utc(
        "2026-10-24T23:00:00Z",
        "2026-10-25T00:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T02:00:00Z",
        "2027-10-31T00:00:00Z",
    )


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin"]),
    st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001 a beginning
    st.sampled_from([5, 10, 15, 20, 30]),
    st.booleans(),
)
def test_a_clock_of_a_zone_loses_no_row_of_two_days_and_moves_none(zone, start, minutes, alone):
    """What zoneinfo itself writes comes back, around the days when the clock is set."""
    for change in (start, _next_change(start, zone)):
        begin = change.replace(second=0, microsecond=0, tzinfo=UTC) - timedelta(hours=4)
        moments = [begin + timedelta(minutes=minutes * n) for n in range(8 * 60 // minutes)]
        sheet = csv_sheet(time={**FORMATS, "zone": zone})
        stamps = [f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}" for moment in moments]
        assert times(stamps, sheet, alone) == [int(m.timestamp()) * 10**9 for m in moments]


def _next_change(start, zone):
    moment = start.replace(tzinfo=UTC)
    before = moment.astimezone(ZoneInfo(zone)).utcoffset()
    for step in (timedelta(days=1), timedelta(hours=1)):
        while (moment + step).astimezone(ZoneInfo(zone)).utcoffset() == before:
            moment += step
    return moment + timedelta(hours=1)


def test_a_time_that_summer_time_skips_is_refused_and_costs_no_other():
    rows = "".join(f"2026-03-29 0{h}:30:00,4,0\n" for h in (1, 2, 3))
    ((line, reason),) = refusals(HEAD + rows.encode(), BERLIN)
    assert line == 3
    assert "2026-03-29 02:30:00" in reason
    assert "Europe/Berlin" in reason


def test_a_zone_or_an_offset_is_stated_and_never_both():
    bare = csv_sheet(time=FORMATS)
    assert "zone" in " ".join(sheet_errors(bare))
    for stated in ({"zone": "Europe/Berlin"}, {"utc_offset": "+01:00"}):
        assert list(sheet_errors(completed(bare, stated))) == []
    both = completed(bare, {"zone": "Europe/Berlin", "utc_offset": "+01:00"})
    assert any("one of them" in error for error in sheet_errors(both))
    for name in ("Mars/Olympus", "", "../etc", "Europe", 7):
        assert any("zone" in e for e in sheet_errors(completed(bare, {"zone": name})))


def egm4(*rows, probe="00", elapsed="0"):
    cells = [f"1\t{n}\t{row}\t400\t0.0\t0.0" for n, row in enumerate(rows)]
    spans = elapsed if isinstance(elapsed, list) else [elapsed] * len(rows)
    return [
        f"{row}\t0\t0\t0\t0\t{span}\t0\t0\t0\t980\t{probe}\n".encode()
        for row, span in zip(cells, spans, strict=True)
    ]


@pytest.mark.parametrize("alone", [False, True])
def test_a_file_without_years_goes_on_in_the_next_year(alone):
    rows = egm4(
        "31\t12\t23\t55", "31\t12\t24\t00", "01\t01\t00\t05", "31\t12\t23\t59", "01\t06\t00\t00",
        "30\t12\t00\t00", "02\t01\t00\t00",
    )  # fmt: skip
    assert _times(rows, EGM4, b"", alone) == utc(
        "2026-12-31T23:55:00Z",
        "2027-01-01T00:00:00Z",
        "2027-01-01T00:05:00Z",
        "2026-12-31T23:59:00Z",
        "2027-06-01T00:00:00Z",
        "2027-12-30T00:00:00Z",
        "2028-01-02T00:00:00Z",
    )


def test_a_year_is_that_of_the_first_row_and_a_row_out_of_order_changes_none():
    rows = egm4("05\t01\t00\t00", "01\t09\t00\t00", "31\t08\t00\t00", "29\t02\t00\t00")
    assert _times(rows, EGM4, b"", False) == utc(
        "2026-01-05T00:00:00Z", "2026-09-01T00:00:00Z", "2026-08-31T00:00:00Z"
    )
    rows = egm4("30\t12\t00\t00", "29\t02\t00\t00")
    leap = completed(EGM4, {"year": 2027})
    assert _times(rows, leap, b"", False) == utc("2027-12-30T00:00:00Z", "2028-02-29T00:00:00Z")


def test_days_of_the_year_without_a_year_go_on_too():
    time = {"columns": ["Time"], "formats": ["%j %H%M"], "utc_offset": "Z", "year": 2025}
    found = times(["365 2345", "365 2400", "1 15", "1 945", "1 5"], csv_sheet(time=time))
    assert found == utc(
        "2025-12-31T23:45:00Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:15:00Z",
        "2026-01-01T09:45:00Z",
        "2026-01-01T00:05:00Z",
    )


@pytest.mark.parametrize("alone", [False, True])
def test_rows_of_one_stamp_lie_within_it_in_their_order(alone):
    row = "2026-09-01\t12:00:0{}\t410\t10\t7\t51\t98\t0.1\t0.2\t12\t0.75\n"
    rows = [row.format(second).encode() for second in (0, 0, 1, 2, 2, 2)]
    assert _times(rows, LI850, b"", alone) == utc(
        "2026-09-01T12:00:00Z",
        "2026-09-01T12:00:00.5Z",
        "2026-09-01T12:00:01Z",
        "2026-09-01T12:00:02Z",
        "2026-09-01T12:00:02.5Z",
        "2026-09-01T12:00:02.5Z",  # a third row is in conflict with the second
    )


def test_spread_rows_of_a_doubled_hour_stay_in_their_pass():
    time = {**FORMATS, "zone": "Europe/Berlin", "spread": {"rows": 2, "within_s": 3600}}
    stamps = ["2026-10-25 02:00:00"] * 4
    assert times(stamps, csv_sheet(time=time), alone=True) == utc(
        "2026-10-25T00:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:30:00Z",
    )


@pytest.mark.parametrize("alone", [False, True])
def test_a_chamber_of_an_egm4_is_dated_by_its_elapsed_seconds(alone):
    """A run begins at its first stamp; another begins where the seconds fall."""
    minutes = ["04\t08\t14\t04"] * 2 + ["04\t08\t14\t05"] * 3 + ["04\t08\t15\t00"]
    rows = egm4(*minutes, probe="08", elapsed=["0014", "0039", "0078", "0000", "0005", "0060"])
    assert _times(rows, EGM4, b"", alone, "co2") == utc(
        "2026-08-04T14:04:00Z",
        "2026-08-04T14:04:25Z",
        "2026-08-04T14:05:04Z",
        "2026-08-04T14:05:00Z",
        "2026-08-04T14:05:05Z",
        "2026-08-04T15:00:00Z",  # its stamp lies too far behind: a run of its own
    )


def test_records_of_one_minute_of_an_egm4_lie_a_second_apart():
    rows = egm4(*["04\t08\t14\t04"] * 3)
    assert _times(rows, EGM4, b"", True) == utc(
        "2026-08-04T14:04:00Z", "2026-08-04T14:04:01Z", "2026-08-04T14:04:02Z"
    )


def test_elapsed_time_needs_a_start_and_is_never_of_1970():
    sheet = csv_sheet(time={"elapsed": {"column": "Time", "unit": "min"}})
    rows = b"Time,T5,VWC\n0,4.2,0.3\n1.5,4.3,0.3\n-1,4,0\nx,4,0\n"
    assert any("start" in error for error in sheet_errors(sheet))
    found = refusals(rows, sheet)
    assert [line for line, _ in found] == [2, 3, 4, 5]
    assert all("start" in reason for _, reason in found)
    known = completed(sheet, {"start": "2026-04-01T12:00:00+02:00"})
    assert list(sheet_errors(known)) == []
    readings, account, *_ = read(rows, known)
    assert account == (2, 1, 0, 2)
    assert [r.time_ns for r in readings[::2]] == utc("2026-04-01T10:00:00Z", "2026-04-01T10:01:30Z")


def test_elapsed_time_is_a_short_number_in_plain_digits():
    sheet = csv_sheet(time={"elapsed": {"column": "Time", "unit": "min"}})
    known = completed(sheet, {"start": "2026-04-01T10:00:00Z"})
    texts = ["3", "00000000000001.5", "\u0663", "1.5.2", "1e1", "", "00000000000000.5"]
    rows = "Time,T5,VWC\n" + "".join(f"{text},4.2,0.3\n" for text in texts)
    readings, *_ = read(rows.encode(), known)
    assert [r.time_ns for r in readings[::2]] == utc("2026-04-01T10:03:00Z")


def test_tms_rows_have_seconds_or_no_time_at_midnight_and_say_what_is_not_there():
    rows = (
        b"0;2024.03.05 09:30:00;4;17.5;-200;-200;65336;204;0;\n"
        b"1;06.03.2024;4;2.3125;-100;0.75;1811;0;20;\n"
        b"2;2024.03.06 00:15;4;2.5;2.25;0.75;1811;0;1;\n"
    )
    readings, account, refused, _ = read(rows, TMS)
    assert account == (2, 0, 0, 1)
    assert refused[0].line == 3
    assert [r.number for r in readings] == [17.5, None, None, None, 2.3125, None, 0.75, 1811]
    assert readings[4].time_ns == rfc3339_ns("2024-03-06T00:00:00Z")


def test_other_loggers_of_tomst_read_their_own_columns():
    row = b"0;2020.10.08 12:15;4;11.5;-200;-200;%s;202;0;\n"
    for model, count, numbers in (
        ("tomst.thermologger", b"65336", [11.5]),
        ("tomst.dendrometer", b"7890", [11.5, 7890]),
    ):
        assert [r.number for r in read(row % count, load_sheet(model))[0]] == numbers


def test_an_egm5_file_is_read_below_names_that_are_fewer_than_its_cells():
    sheet = completed(load_sheet("ppsystems.egm-5-file"), {"utc_offset": "+01:00"})
    names = ",".join(sheet.frame["order"][:17])
    row = "M5,03/06/15,09:32:15,1,3,1094,1004.2,327,0,0,20.41,0,0,0,23.4,0,0"
    data = f"{names}\n\nZero\nStart\n{row},1,76,89.56,7.231,480\n{row}\n{row},1,2,3,4,5,6\n"
    readings, account, *_ = read(data, sheet)
    assert account == (2, 3, 1, 1)
    assert {r.output: r.number for r in readings}["co2"] == 1094
    assert readings[0].time_ns == rfc3339_ns("2015-06-03T08:32:15Z")
