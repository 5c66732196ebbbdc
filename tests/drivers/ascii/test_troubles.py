"""What is wrong in a sheet is said in words, before any instrument is asked."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon_drivers.ascii.engine import address_trouble, decode_stream, sheet_troubles
from edaphon_drivers.ascii.patterns import pattern_trouble
from edaphon_drivers.faults import Fault
from edaphon_drivers.payloads import Turn
from edaphon_drivers.sheets import parse_sheet

_ROW = {"name": "co2", "quantity": "co2_mole_fraction", "unit": "ppm"}


def _sheet(frame, rows=(_ROW,)):
    table = {"title": "", "engine": "ascii", "checked": "unverified", "source": ""}
    return parse_sheet("own", {**table, "frame": frame, "output": rows})


_GOOD = {"heard": True, "separator": ",", "fields": {"co2": 1}}


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"seperator": ","}, "did you mean 'separator'"),
        ({"separator": ",", "fields": {"co2": 1}}, "ask = "),
        ({"heard": True}, "needs one of pattern"),
        ({**_GOOD, "fields": {"co": 1}}, "'co' is no"),
        ({**_GOOD, "fields": {"co2": "third"}}, ""),
        ({**_GOOD, "pattern": "(?P<co2>.)"}, "not both"),
        ({"heard": True, "pattern": "CO2=(?P<CO2>[0-9]+)"}, "output co2: no column"),
        ({"heard": True, "pattern": "(?P<co2>[0-9]+"}, "no regular expression"),
        ({"heard": True, "pattern": r"(?P<co2>(\d+)+)"}, "for ever"),
        ({"heard": True, "fixed": {"co2": [3]}}, "first and last character"),
        ({**_GOOD, "end": ""}, "end of a line"),
        ({**_GOOD, "wait_s": -1}, "seconds"),
        ({**_GOOD, "ask": "{adress}R"}, "{address}"),
        ({**_GOOD, "codes": {"OVR": "to high"}}, "known are ok"),
        ({**_GOOD, "states": {"flag": {"A": "fine"}}}, "known are ok"),
        ({**_GOOD, "divide": {"co2": 0}}, "without 0"),
        ({**_GOOD, "checksum": "crc"}, "nmea"),
        ({**_GOOD, "time": {"fields": ["d"], "order": "DD/MM hh:mm"}}, "YYYY or YY"),
        ({**_GOOD, "time": {"fields": ["d"], "order": "DD/MM/YY hh:mm", "utc_offset": "X"}}, "+01"),
        ({**_GOOD, "units": {"co2": {"ppm": 1}}}, "from"),
        ({**_GOOD, "identity": {"ask": "?"}}, "needs patterns"),
        ({**_GOOD, "columns": ["co2"], "fixed": {"co2": [1, 2]}}, "not both"),
        ({"heard": True, "fixed": {"co2": [1, 2]}, "columns": ["co2"]}, "goes with separator"),
        ({**_GOOD, "record": [{}, {}]}, "told apart"),
        ({**_GOOD, "record": "M1"}, "list of tables"),
        ({**_GOOD, "record": [{"begin": "M"}]}, "did you mean 'begins'"),
        ({**_GOOD, "lines": 0}, "from 1 on"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(frame, words):
    troubles = list(sheet_troubles(_sheet(frame)))
    assert troubles
    assert words in " ".join(troubles)


def test_a_good_sheet_has_no_troubles():
    assert list(sheet_troubles(_sheet(_GOOD))) == []


def test_a_sheet_without_outputs_is_named():
    assert "at least one" in next(sheet_troubles(_sheet(_GOOD, ())))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["co2", "from", "order", "ask"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    ["ask", "pattern", "fixed", "separator", "xml", "pairs", "columns", "fields", "units", "words",
     "states", "time", "angles", "record", "identity", "count", "heard", "begins", "codes", "start"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(frame=st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_whatever_an_owner_writes_there_are_words_and_never_an_exception(frame):
    troubles = list(sheet_troubles(_sheet(frame)))
    assert all(isinstance(trouble, str) for trouble in troubles)
    if not troubles:
        with contextlib.suppress(Fault):
            decode_stream([Turn(0, False, b"1,2;3 4\n")], _sheet(frame))


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\d+)+",
        r"(?:a*)*b",
        r"(?:\d+,?)+",
        r"(x|\w+){2,}",
        r".*.*.*=",
        r"\d+\d+\d*x",
        r"[0-9.]*\d*(?:[0-9])+y",
        r"(?:,?\d+)?\d+\d+",
        r"(a)\1",
        r"(?P<a>.)(?P=a)",
        r"(?:(?:\d{1,99})-?){3,99}",
    ],
)
def test_a_pattern_that_can_take_for_ever_is_refused(pattern):
    assert "for ever" in pattern_trouble(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"CO2=\s*(?P<co2>[-+.\d]+)\s*ppm",
        r"(\d+),(\d+),(\d+),(\d+)",
        r"(?:[^,]{0,20},){11}[^,]{0,20}",
        r".*=(\d+)",
        r"[A-Z]{3}\s+\d+\.\d*(?:[eE][+-]?\d+)?",
    ],
)
def test_a_usual_pattern_is_taken(pattern):
    assert pattern_trouble(pattern) == ""


@pytest.mark.parametrize("address", ["", "0", "000", "A1"])
def test_addresses(address):
    assert address_trouble(address) == ""


@pytest.mark.parametrize("address", ["a b", "\r", "x" * 17, "ä"])
def test_what_is_no_address(address):
    assert "without blanks" in address_trouble(address)
