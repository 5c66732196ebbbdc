"""Sheets of files: what they lack is stated, and no bytes bring a decoder to another error."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drivers.files.following import Follower
from tests.readers import decode_piece

from edaphon_drivers.faults import Fault, Refused
from edaphon_drivers.files.cutting import Rest
from edaphon_drivers.files.engine import cut
from edaphon_drivers.files.sheet import completed, sheet_errors
from edaphon_drivers.readings import Piece, Status
from edaphon_drivers.sheets import load_sheet, model_names

OWNER = {"utc_offset": "+01:00", "date_order": "dmy", "year": 2026, "interval_s": 60}
MODELS = [name for name in model_names() if load_sheet(name).engine == "file"]
SHEETS = {name: completed(load_sheet(name), OWNER) for name in MODELS}

# What rows are made of, so that random files come near to real ones.
BITS = [
    b"\n",
    b"\r\n",
    b"\t",
    b",",
    b";",
    b" ",
    b'"',
    b'"TOA5"',
    b"LI-8100:",
    b"Type\tEtime\tDate\tCO2",
    b"1\t0\t2026-01-01 00:00:00\t400",
    b"4\t9\t2026-01-01 00:00:00\t4",
    b"Exp_Flux:\t1",
    b"NAN",
    b"-9999",
    b"1e999",
    b"2026-01-01 00:00:00",
    b"31.02.2026 24:00",
    b"TIMESTAMP",
    b"Time",
    b"EPOCH_TIME",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\xff",
    b"{",
    b"}",
    b'{"datasets": [',
]


def test_every_shipped_file_sheet_needs_nothing_but_what_its_owner_knows():
    assert len(MODELS) >= 10
    for name, sheet in SHEETS.items():
        assert list(sheet_errors(sheet)) == [], name


@given(st.sampled_from(sorted(SHEETS)), st.binary(max_size=300), st.booleans())
def test_any_bytes_of_a_file_are_cut_and_decoded_or_a_fault(name, data, ended):
    check(SHEETS[name], data, ended)


@settings(max_examples=200)
@given(st.sampled_from(sorted(SHEETS)), st.lists(st.sampled_from(BITS), max_size=60), st.booleans())
def test_any_mixture_of_true_rows_is_cut_and_decoded_or_a_fault(name, bits, ended):
    check(SHEETS[name], b"".join(bits), ended)


def check(sheet, data, ended):
    found = cut(data, sheet, Rest.ENDED if ended else Rest.GROWING)
    assert 0 <= found.header_bytes <= found.whole <= len(data) or found.whole == 0
    follower = Follower(sheet).see(data, ended)
    assert b"".join(piece.data for piece in follower.pieces) == data[: follower.offset]
    for piece in [*follower.pieces, Piece("f", 7, b"", data), Piece("f", 7, data, data[:9])]:
        try:
            readings = decode_piece(piece, sheet)
        except Fault:
            continue
        for r in readings:
            assert (r.number is None) == (r.status is not Status.OK)
            assert r.time_ns is not None
            assert r.start_ns is None or r.start_ns < r.time_ns


BASE = SHEETS["campbell.toa5"]
ISO = {"columns": ["TIMESTAMP"], "formats": ["%Y-%m-%d %H:%M:%S"]}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("form", "toa6", "form"),
        ("form", None, "form"),
        ("separator", "space", "separator"),
        ("decimal", ";", "decimal"),
        ("decimal", ",", "both"),
        ("missing", "NAN", "missing"),
        ("order", [1], "order"),
        ("comment", 3, "comment"),
        ("interval_s", 0, "interval_s"),
        ("interval_s", "1 h", "interval_s"),
        ("intervals", {"Hourly": -1}, "intervals"),
        ("intervals", [3600], "intervals"),
        ("column", [], "column"),
        ("column", {"name": "x"}, "column"),
        ("column", [{"name": "x", "output": "nowhere"}], "nowhere"),
        ("column", [{"output": "battery_voltage"}], "name"),
        ("column", [{"number": 0, "output": "battery_voltage"}], "number"),
        ("column", [{"name": "a", "number": 2, "output": "battery_voltage"}], "name"),
        ("column", [{"name": "a", "output": "battery_voltage", "mean": 1}], "mean"),
        ("column", [{"name": "a", "output": "battery_voltage", "unit": "V"}], "unit"),
        ("column", [{"name": "a", "output": "battery_voltage", "when": {}}], "when"),
        ("only", [{"column": "a"}], "only"),
        ("only", 7, "only"),
        ("time", None, "time"),
        ("time", {"columns": []}, "columns"),
        ("time", {"columns": ["T"], "formats": ["%Q"], "utc_offset": "Z"}, "%Q"),
        ("time", {"columns": ["T"], "formats": "%Y", "utc_offset": "CET"}, "CET"),
        ("time", {"columns": ["T"], "formats": ["%H:%M"], "utc_offset": "Z"}, "no day"),
        ("time", {"columns": ["T"], "formats": ["%d %m"], "utc_offset": "Z"}, "year"),
        ("time", {"columns": ["T"], "formats": ["%D"], "utc_offset": "Z"}, "date_order"),
        ("time", {"columns": ["T"], "epoch": "min"}, "epoch"),
        ("time", {"columns": ["T"], "epoch": "s", "zone": "CET"}, "zone"),
        ("time", {"columns": ["T"], "epoch": "s", "year": 26}, "year"),
        ("time", {"columns": ["T"], "epoch": "s", "date_order": "dym"}, "date_order"),
        ("comment", [3], "comment"),
        ("width", 0, "width"),
        ("width", True, "width"),
        ("width", "9", "width"),
        ("refuse", [{"column": "a"}], "refuse"),
        ("time", {**ISO, "zone": "Mars"}, "zone"),
        ("time", {**ISO, "zone": "Europe/Berlin", "utc_offset": "Z"}, "one of them"),
        ("time", {**ISO, "utc_offset": "Z", "spread": {"rows": 1, "within_s": 1}}, "spread"),
        ("time", {**ISO, "utc_offset": "Z", "spread": {"rows": 2, "within_s": 0}}, "spread"),
        ("time", {**ISO, "utc_offset": "Z", "spread": 2}, "spread"),
        ("time", {**ISO, "utc_offset": "Z", "elapsed": {"unit": "s"}}, "elapsed"),
        ("time", {**ISO, "utc_offset": "Z", "elapsed": {"column": 1, "unit": "a"}}, "elapsed"),
        ("time", {**ISO, "utc_offset": "Z", "elapsed": {"column": 1, "when": 3}}, "elapsed"),
        ("time", {**ISO, "utc_offset": "Z", "start": "2026-04-01T12:00:00Z"}, "start"),
        ("time", {"elapsed": {"column": 1}}, "start is missing"),
        ("time", {"elapsed": {"column": 1}, "start": "2026-04-01"}, "start"),
        ("time", {"elapsed": {"column": 1}, "start": 7}, "start"),
        ("like", "nothing", ""),
        ("colums", [], "colums"),
    ],
)
def test_each_mistake_in_a_frame_is_named_and_raises_nothing(key, value, says):
    wrong = replace(BASE, frame={**BASE.frame, key: value})
    answer = list(sheet_errors(wrong))
    assert any(says in text for text in answer) or key == "like"
    try:
        decode_piece(Piece("f", 0, b"", b"x"), wrong)
    except Fault:
        return


def test_dates_that_could_be_two_days_are_refused():
    time = {"columns": ["T"], "formats": ["%d/%m/%Y", "%m/%d/%Y"], "utc_offset": "Z"}
    answer = list(sheet_errors(replace(BASE, frame={**BASE.frame, "time": time})))
    assert any("ambiguous" in text for text in answer)


def test_a_mean_without_an_interval_is_a_trouble():
    frame = {**BASE.frame, "column": [{"name": "a", "output": "battery_voltage", "mean": True}]}
    del frame["interval_s"]
    assert any("interval_s" in text for text in sheet_errors(replace(BASE, frame=frame)))


def test_a_sheet_whose_lines_are_an_instruments_names_one_that_says_its_time():
    sheet = load_sheet("licor.li-7810-file")
    for like in (None, "licor.li-850", "meter.teros12", "nothing", 7):
        wrong = replace(sheet, frame={**sheet.frame, "like": like})
        assert any("like" in text for text in sheet_errors(wrong))
        with pytest.raises(Refused, match="like"):
            decode_piece(Piece("f", 0, b"", b"DATA\n"), wrong)


def test_what_an_owner_states_goes_where_it_belongs():
    sheet = completed(load_sheet("losgatos.ugga"), {"utc_offset": "Z", "missing": ["x"]})
    assert sheet.frame["time"]["utc_offset"] == "Z"
    assert sheet.frame["time"]["columns"] == ["Time"]
    assert sheet.frame["missing"] == ["x"]
    assert "utc_offset" not in load_sheet("losgatos.ugga").frame["time"]
