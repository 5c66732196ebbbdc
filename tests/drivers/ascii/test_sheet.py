"""What is wrong in a sheet is stated in words, before any instrument is asked."""

import contextlib
import copy
import re
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon_drivers.ascii.engine import address_error, decode_stream, sheet_errors
from edaphon_drivers.ascii.sheet import AsciiTable
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Turn
from edaphon_drivers.sheets import Command, Factory, Output, parse_sheet

_ROW = {"name": "co2", "quantity": "co2_mole_fraction", "unit": "ppm"}


def _sheet(frame, rows=(_ROW,)):
    table = {"title": "", "engine": "ascii", "checked": "unverified", "source": ""}
    return parse_sheet("own", {**table, "frame": frame, "output": rows})


_GOOD = {"heard": True, "separator": ",", "fields": {"co2": 1}}


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"seperator": ","}, "did you mean separator"),
        ({"separator": ",", "fields": {"co2": 1}}, "ask = "),
        ({"heard": True}, "needs one of pattern"),
        ({**_GOOD, "fields": {"co": 1}}, "'co' is no"),
        ({**_GOOD, "fields": {"co2": "third"}}, ""),
        ({**_GOOD, "pattern": "(?P<co2>.)"}, "not both"),
        ({"heard": True, "pattern": "CO2=(?P<CO2>[0-9]+)"}, "output co2: no column"),
        ({"heard": True, "pattern": "(?P<co2>[0-9]+"}, "frame.pattern has a ( without its )"),
        ({"heard": True, "pattern": r"(?P<co2>\d+)(?=x)"}, "frame.pattern looks ahead with (?="),
        ({**_GOOD, "match": r"(a)\1"}, "frame.match refers back with"),
        ({**_GOOD, "record": [{}] * 101}, "frame.record has 101 tables"),
        ({**_GOOD, "identity": {"ask": "?", "patterns": ["a"] * 21}}, "has 21 patterns"),
        ({**_GOOD, "identity": {"ask": "?", "patterns": ["(?=a)"]}}, "patterns 1 looks ahead"),
        ({**_GOOD, "record": [{"match": ".{0,99}" * 9}] * 12}, "frame: its patterns together take"),
        ({"heard": True, "fixed": {"co2": [3]}}, "first and last character"),
        ({**_GOOD, "end": ""}, "end of a line"),
        ({**_GOOD, "wait_s": -1}, "seconds"),
        ({**_GOOD, "ask": "{adress}R"}, "{address}"),
        ({**_GOOD, "codes": {"OVR": "to high"}}, "known are failure"),
        ({**_GOOD, "states": {"flag": {"A": "fine"}}}, "known are ok"),
        ({**_GOOD, "divide": {"co2": 0}}, "without 0"),
        ({**_GOOD, "checksum": "crc"}, "nmea"),
        ({**_GOOD, "time": {"fields": ["d"], "order": "DD/MM hh:mm"}}, "YYYY or YY"),
        ({**_GOOD, "time": {"fields": ["d"], "order": "DD/MM/YY hh:mm", "utc_offset": "X"}}, "+01"),
        ({**_GOOD, "units": {"co2": {"ppm": 1}}}, "from"),
        ({**_GOOD, "identity": {"ask": "?"}}, "frame.identity.patterns is missing"),
        ({**_GOOD, "columns": ["co2"], "fixed": {"co2": [1, 2]}}, "not both"),
        ({"heard": True, "fixed": {"co2": [1, 2]}, "columns": ["co2"]}, "goes with separator"),
        ({**_GOOD, "record": [{}, {}]}, "known from each other"),
        ({**_GOOD, "record": "M1"}, "list of tables"),
        ({**_GOOD, "record": [{"begin": "M"}]}, "did you mean begins"),
        ({**_GOOD, "lines": 0}, "from 1 on"),
        ({**_GOOD, "ask": "MEAS<CR>"}, r"write \r for CR, \n for LF"),
        ({**_GOOD, "ask": r"MEAS\r"}, "double quotes"),
        ({**_GOOD, "start": ["ON<cr><LF>"]}, "has <cr> as letters"),
        ({**_GOOD, "end": "<CR>"}, "has <CR> as letters"),
        ({**_GOOD, "end": r"\r\n"}, "double quotes"),
        ({**_GOOD, "states": {"flag": {"1": "failure"}}}, 'flag = { OK = "ok" }'),
        ({**_GOOD, "states": {"flag": {}}}, "no word that says that all is well"),
        ({**_GOOD, "states": {"flag": "ok"}}, 'not { flag = "ok" }'),
        ({**_GOOD, "codes": {"co2": {"-9.999": "unplugged"}}}, 'of co2 has the status "unplugged"'),
        ({**_GOOD, "codes": {"-9": {"999": "failure"}}}, 'needs quotes, "-9.999"'),
        ({**_GOOD, "codes": {"vwc": {"-9.999": "failure"}}}, "'vwc' is no [[output]]"),
        ({**_GOOD, "codes": {"OVER": "ok"}}, 'has the status "ok"; known are failure'),
        ({**_GOOD, "codes": ["OVER"]}, 'not ["OVER"]'),
        ({**_GOOD, "codes": {"OVER": ["over range"]}}, 'has the status ["over range"]'),
    ],
)  # fmt: skip
def test_a_mistake_is_named(frame, words):
    errors = list(sheet_errors(_sheet(frame)))
    assert errors
    assert words in " ".join(errors)


def test_a_number_for_the_whole_line_is_refused_where_another_output_may_say_it():
    frame = {"heard": True, "separator": ",", "columns": ["co2", "t"]}
    rows = (_ROW, {"name": "t", "quantity": "soil_temperature", "unit": "degC"})
    (problem,) = sheet_errors(_sheet({**frame, "codes": {"-9.999": "not connected"}}, rows))
    assert problem.endswith('say of which output, co2 = { "-9.999" = "not connected" }')
    for codes in ({"OVER": "over range"}, {"t": {"-9.999": "not connected"}}):
        assert list(sheet_errors(_sheet({**frame, "codes": codes}, rows))) == []


_PYTHON = re.compile(
    r"object|<class|NoneType|Traceback|\bTrue\b|\bFalse\b|\bNone\b|\{'|'\}|argument"
)
_OF_ANY_TYPE = (
    True, 7, -9.999, "word", [], [5], ["a"], {}, {"a": 5}, {"a": [1]}, [{"a": 5}], [["x"]], 10**400,
)  # fmt: skip


def _trouble_of(table):
    """What is reported of a table, by the parser or by the frame's own rules; "" of a good one."""
    try:
        sheet = parse_sheet("own", table)
    except ValueError as error:
        return str(error)
    return "; ".join(sheet_errors(sheet))


_FACTORY = {"name": "f", "curve": "linear", "quantity": "co2_mole_fraction", "unit": "ppm"}
_TABLE = {
    "title": "", "engine": "ascii", "checked": "unverified", "source": "", "warm_up_s": 1,
    "supply_least_v": 4.0, "wires": {"supply": "brown", "data": "orange", "ground": "bare"},
    "frame": _GOOD, "command": [{"send": "M", "outputs": ["co2"]}],
    "output": [{**_ROW, "factory": [_FACTORY]}],
}  # fmt: skip


def _with(place, value):
    """The table with that value at one place, where lists have one element."""
    table = copy.deepcopy(_TABLE)
    inner = table
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return table


@pytest.mark.parametrize("value", _OF_ANY_TYPE, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "place",
    [
        *((key,) for key in _TABLE),
        *(("output", 0, field.name) for field in fields(Output) if field.name != "meaning"),
        *(("output", 0, "factory", 0, field.name) for field in fields(Factory)),
        *(("command", 0, name) for name in Command.model_fields),
        *(("frame", field.alias or key) for key, field in AsciiTable.model_fields.items()),
    ],
    ids=lambda place: ".".join(map(str, place)),
)
def test_a_value_of_a_wrong_type_anywhere_gives_words_that_name_its_key(place, value):
    problem = _trouble_of(_with(place, value))
    assert not _PYTHON.search(problem), problem
    assert not problem or re.search(r"output|frame|command", problem) or place[-1] in problem


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("output", 0, "failure"), -9.999, "output 'co2': failure is a list, such as [-9.999]"),
        (("output", 0, "lowest"), "0", "output 'co2': lowest is a number, such as -40; not \"0\""),
        (("output", 0, "name"), 5, "output 1: name is a name of your own"),
        (("output", 0, "unti"), "ppm", "output 'co2': unti is unknown; did you mean unit?"),
        (("output", 0, "origin"), "made", '"reported", "converted", "inherited"; not "made"'),
        (("output", 0, "factory", 0, "parameters"), {"a": "1"}, "factory 1: parameters is a table"),
        (("output",), [_ROW, _ROW], "output 'co2': this name stands twice"),
        (("output",), {"co2": _ROW}, "output is a list of tables"),
        (("command", 0, "outputs"), "co2", "command 1: outputs is a list of names in order"),
        (("frame",), [_GOOD], "frame is a table, [frame]"),
        (("supply_least_v",), "4 V", 'supply_least_v is a number of volts, such as 4.0; not "4 V"'),
        (("wires",), {"power": "red"}, "wires is colours by what they carry, such as"),
        (("wires",), {"data": ""}, "wires is colours by what they carry, such as"),
    ],
)  # fmt: skip
def test_what_is_right_instead_is_said_with_the_output_and_the_key(place, value, words):
    assert words in _trouble_of(_with(place, value))


def test_an_sdi12_command_in_the_frame_is_told_where_it_belongs():
    command = {"command": [{"send": "M", "outputs": ["co2"]}]}
    problem = _trouble_of({**_TABLE, "engine": "sdi12", "frame": command})
    assert problem == "command is in the frame; [[command]] next to [frame], not in it"


def test_a_good_sheet_has_no_troubles():
    assert _trouble_of(_TABLE) == ""
    assert list(sheet_errors(_sheet(_GOOD))) == []


def test_a_sheet_without_outputs_is_named():
    assert "at least one" in next(sheet_errors(_sheet(_GOOD, ())))


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
    errors = list(sheet_errors(_sheet(frame)))
    assert all(isinstance(problem, str) for problem in errors)
    if not errors:
        with contextlib.suppress(Fault):
            decode_stream([Turn(0, False, b"1,2;3 4\n")], _sheet(frame))


@pytest.mark.parametrize("address", ["", "0", "000", "A1"])
def test_addresses(address):
    assert address_error(address) == ""


@pytest.mark.parametrize("address", ["a b", "\r", "x" * 17, "ä"])
def test_what_is_no_address(address):
    assert "without blanks" in address_error(address)
