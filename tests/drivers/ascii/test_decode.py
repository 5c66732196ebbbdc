"""Whatever bytes come, a stream gives readings or a Fault, and no number where there is doubt."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.readers import line_texts

from edaphon_drivers.ascii.engine import decode_exchange, decode_stream
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.readings import Status, Turn
from edaphon_drivers.sheets import load_sheet, model_names, parse_sheet

_MODELS = [name for name in model_names() if load_sheet(name).engine == "ascii"]
_LI7810 = (
    b'DATA\t1666884942\t313442945\t4509\t0\t""\t2022-10-27\t10:35:42\t12500.346\t458.86121'
    b"\t2068.0002\t39.6316\t55.0003\t31.265\t37.8524\t0.00233458\t10.9623\t54.4998\t646.75"
    b"\t0.45345\t14.6852\t 26\n"
)
_GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
_RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
_CS4 = b"CO2=  3562 ppm 9E\r\n"
_M1 = b"M1, 03/06/15, 09:32:15, 1, 0003, 1094, 1004.2, 327, 0.0, 00.0, 20.41, 00\r"


def _stream(model, *lines):
    turns = [Turn(n * 1000, False, line) for n, line in enumerate(lines)]
    return decode_stream(turns, load_sheet(model))


def _numbers(readings):
    return [r.number for r in readings if r.number is not None]


@pytest.mark.parametrize("model", _MODELS)
@settings(max_examples=25, deadline=None)
@given(
    data=st.binary(max_size=200) | st.text("0123456789.,+-MRSDWZ \r\n<>/li820=#*$").map(str.encode)
)
def test_any_bytes_give_readings_or_a_fault(model, data):
    sheet = load_sheet(model)
    for decode in (decode_stream, decode_exchange):
        try:
            readings = decode([Turn(0, False, data)], sheet)
        except (Garbled, NoAnswer, Refused):
            continue
        assert all((r.number is None) == (r.status is not Status.OK) for r in readings)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("licor.li-7810", _LI7810),
        ("generic.gnss-nmea", _GGA),
        ("generic.gnss-nmea", _RMC),
        ("vaisala.gmp252", _CS4),
    ],
    ids=["li-78xx", "nmea-gga", "nmea-rmc", "vaisala-cs4"],
)
def test_a_flipped_bit_in_a_line_with_a_checksum_never_gives_a_number(model, line):
    assert _numbers(_stream(model, line))
    for at in range(len(line) - 1):
        for bit in range(8):
            damaged = line[:at] + bytes([line[at] ^ 1 << bit]) + line[at + 1 :]
            try:
                readings = _stream(model, damaged)
            except Fault:
                continue
            assert _same_text(line, damaged) or not _numbers(readings), damaged


def _same_text(line, damaged):
    """A carriage return, a blank before the checksum's digit and the case of hex say nothing."""
    return line.strip() == damaged.strip()


@pytest.mark.parametrize("cut", [1, 30, len(_LI7810) - 1])
def test_partial_lines_at_both_ends_of_a_chunk_spoil_no_neighbour(cut):
    readings = _stream("licor.li-7810", _LI7810[cut:], _LI7810, _LI7810[:cut])
    assert len(readings) == 14
    assert _numbers(readings)[1] == 458.86121


def test_one_bad_line_gives_nothing_and_spoils_no_neighbour():
    bad = _M1.replace(b"1094", b"10#4")
    readings = _stream("ppsystems.egm-5", _M1, bad, _M1.replace(b"1094", b"1095"))
    assert [r.number for r in readings if r.output == "co2"] == [1094, 1095]


def test_only_bad_lines_are_garbled():
    with pytest.raises(Garbled, match="12 values"):
        _stream("ppsystems.egm-5", b"M1, 03/06/15\r", b"M1, 2\r")


def test_lines_without_a_measurement_are_no_fault():
    assert _stream("ppsystems.egm-4", b" Z,+10\r", b"Z\r", b" I, 30 \r") == ()


def test_a_line_is_measured_when_it_came_unless_it_says_its_own_time():
    readings = _stream("ppsystems.egm-5", _M1, _M1)
    assert {(r.time_ns, r.after_ns) for r in readings} == {(None, 0), (None, 10**9)}
    readings = _stream("licor.li-7810", _LI7810, _LI7810)
    assert {(r.time_ns, r.after_ns) for r in readings} == {(1666884942313442945, 0)}


def test_a_receiver_says_its_time_with_the_year_of_two_digits():
    times = {r.time_ns for r in _stream("generic.gnss-nmea", _RMC)}
    assert times == {764426119 * 10**9}


def test_a_sentence_without_a_date_has_no_time():
    assert {r.time_ns for r in _stream("generic.gnss-nmea", _GGA)} == {None}


def test_zda_says_the_time_alone():
    body = b"GPZDA,201530.00,04,07,2002,00,00"
    check = 0
    for byte in body:
        check ^= byte
    line = b"$%b*%02X\r\n" % (body, check)
    assert _stream("generic.gnss-nmea", line) == ()
    texts, time_ns = line_texts(line, load_sheet("generic.gnss-nmea"))
    assert time_ns == 1025813730 * 10**9
    assert texts["zone_hours"] == "00"


def test_local_time_without_a_zone_is_used_only_when_the_sheet_says_the_zone():
    plain = load_sheet("ppsystems.egm-5")
    table = {**plain.frame, "time": {**plain.frame["time"], "utc_offset": "+01:00"}}
    row = {"name": "co2", "quantity": "co2_mole_fraction", "unit": "ppm"}
    outputs = [row]
    zoned = parse_sheet(
        "own",
        {
            "title": "",
            "engine": "ascii",
            "checked": "unverified",
            "source": "",
            "output": outputs,
            "frame": table,
        },
    )
    assert decode_stream([Turn(5, False, _M1)], zoned)[0].time_ns == 1433320335 * 10**9
    assert decode_stream([Turn(5, False, _M1)], plain)[0].time_ns is None


def test_a_header_line_in_the_stream_overrules_the_sheets_columns():
    sheet = load_sheet("licor.li-7810")
    columns = [*sheet.frame["columns"]]
    swapped = b"\t".join(c.encode() for c in [*columns[:9], "CH4", "CO2", *columns[11:]])
    readings = _stream("licor.li-7810", swapped + b"\n", _LI7810)
    assert {r.output: r.number for r in readings}["ch4"] == 458.86121


def test_another_number_of_columns_than_the_header_says_is_garbled():
    with pytest.raises(Garbled, match="values"):
        _stream("licor.li-7810", b"DATAH\tSECONDS\tCO2\n", _LI7810)


def test_the_echo_of_a_command_is_no_answer():
    sheet = load_sheet("vaisala.gmp252")
    turns = [Turn(0, True, b"send\r"), Turn(3, False, b"send\r\n")]
    with pytest.raises(NoAnswer):
        decode_exchange(turns, sheet)


def test_the_last_good_answer_of_an_exchange_counts_and_pieces_of_it_are_joined():
    sheet = load_sheet("vaisala.gmp252")
    turns = [
        Turn(0, True, b"send\r"), Turn(3, False, b"CO2=   4"), Turn(5, False, b"52 ppm\r\n"),
        Turn(9, True, b"send\r"), Turn(12, False, b"CO2= "), Turn(14, False, b"  460 ppm\r\n"),
    ]  # fmt: skip
    assert _numbers(decode_exchange(turns, sheet)) == [460]


def test_an_answer_from_another_address_is_garbled():
    sheet = _own(ask="#{address}\r", end="\r", pattern=r"(?P<address>\d{2}) (?P<co2>[0-9.]{1,6})")
    answer = Turn(3, False, b"02 400\r")
    with pytest.raises(Garbled, match="address 01"):
        decode_exchange([Turn(0, True, b"#01\r"), answer], sheet)
    assert _numbers(decode_exchange([Turn(0, True, b"#02\r"), answer], sheet)) == [400]


def _own(**frame):
    row = {"name": "co2", "quantity": "co2_mole_fraction", "unit": "ppm", "failure": [-999]}
    table = {"title": "own", "engine": "ascii", "checked": "unverified", "source": "a sample",
             "frame": frame, "output": [row]}  # fmt: skip
    return parse_sheet("own", table)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4.5745673e2", 457.45673),
        ("+  123.45", 123.45),
        ("00476", 476),
        (" -.5", -0.5),
        ("12.", 12),
        ("0x0040", 64),
    ],
)
def test_numbers_as_instruments_write_them(text, expected):
    sheet = _own(heard=True, separator=";", fields={"co2": -1})
    assert _numbers(decode_stream([Turn(0, False, f"x;{text}\n".encode())], sheet)) == [expected]


@pytest.mark.parametrize("text", ["", "nan", "NaN", "-inf", "****", "---", "n/a", "1e999"])
def test_a_value_that_the_instrument_does_not_have_is_a_status(text):
    sheet = _own(heard=True, separator=";", fields={"co2": 2})
    (reading,) = decode_stream([Turn(0, False, f"x;{text}\n".encode())], sheet)
    assert (reading.number, reading.status) == (None, Status.INVALID)


def test_a_failure_code_and_a_code_word_are_status():
    sheet = _own(heard=True, separator=",", fields={"co2": 1}, codes={"OVR": "over range"})
    turns = [Turn(0, False, line) for line in (b"-999\n", b"OVR\n")]
    status = [reading.status for reading in decode_stream(turns, sheet)]
    assert status == [Status.FAILURE, Status.OVER_RANGE]


@pytest.mark.parametrize("text", ["-9.999", "-9.9990", "-9.999e0", "-009.999"])
@pytest.mark.parametrize("of_line", [True, False])
def test_a_code_that_is_a_number_is_known_however_the_line_writes_it(text, of_line):
    code = {"-9.999": "not connected"}
    codes = code if of_line else {"co2": code}
    sheet = _own(heard=True, separator=",", fields={"co2": 1}, codes=codes)
    (reading,) = decode_stream([Turn(0, False, f"{text}\n".encode())], sheet)
    assert (reading.number, reading.status) == (None, Status.NOT_CONNECTED)


def test_a_code_of_one_output_is_a_number_of_the_others():
    codes = {"co2": {"-9,5": "not connected", "OVER": "over range"}, "UNDER": "under range"}
    frame = {"heard": True, "separator": ";", "columns": ["co2", "t"], "decimal": ","}
    sheet = _two(**frame, codes=codes)
    lines = (b"-9,50;-9,5\n", b"OVER;2\n", b"UNDER;UNDER\n")
    reply = decode_stream([Turn(0, False, line) for line in lines], sheet)
    assert [(r.number, str(r.status)) for r in reply] == [
        (None, "not connected"),
        (-9.5, "ok"),
        (None, "over range"),
        (2, "ok"),
        (None, "under range"),
        (None, "under range"),
    ]
    with pytest.raises(Garbled, match="OVER"):
        decode_stream([Turn(0, False, b"1;OVER\n")], sheet)


def _two(**frame):
    rows = [
        {"name": "co2", "quantity": "co2_mole_fraction", "unit": "ppm"},
        {"name": "t", "quantity": "soil_temperature", "unit": "degC"},
    ]
    table = {"title": "own", "engine": "ascii", "checked": "unverified", "source": "a sample"}
    return parse_sheet("own", {**table, "frame": frame, "output": rows})


@pytest.mark.parametrize("begins", ["RX7;", "RX7"])
def test_the_first_text_of_a_line_may_be_told_with_or_without_its_separator(begins):
    sheet = _two(heard=True, separator=";", columns=["-", "co2", "t"], begins=begins)
    reply = decode_stream([Turn(0, False, b"RX7;1;2\n")], sheet)
    assert _numbers(reply) == [1, 2]
    with pytest.raises(
        Garbled, match=f'a line of a kind that the sheet knows, .* begins "{begins}"'
    ):
        decode_stream([Turn(0, False, b"RX8;1;2\n")], sheet)


def test_a_longer_word_is_not_the_first_text_of_a_line():
    sheet = _two(heard=True, separator=";", columns=["-", "co2", "t"], begins="RX7")
    with pytest.raises(Garbled, match="RX7"):
        decode_stream([Turn(0, False, b"RX71;1;2\n")], sheet)


def test_what_was_looked_for_in_a_line_of_no_known_kind_is_said():
    records = [{"begins": ["M1", "R1"]}, {"match": "^Z[0-9]"}, {"begins": "W"}, {"begins": "X"}]
    sheet = _own(heard=True, separator=";", fields={"co2": 2}, record=records)
    wanted = 'one that begins "M1" or "R1", or has ^Z[0-9], or begins "W", ...'
    with pytest.raises(Garbled, match=re.escape(wanted)):
        decode_stream([Turn(0, False, b"Y;1\n")], sheet)


@pytest.mark.parametrize("line", ["RX7;1", "RX7;1;2;3", "RX7", "RX7;1;2;", ";RX7;1;2"])
def test_a_line_with_too_few_or_too_many_columns_is_garbled_skipped_ones_counted(line):
    sheet = _two(heard=True, separator=";", columns=["-", "co2", "t"])
    with pytest.raises(Garbled, match="3 values, not"):
        decode_stream([Turn(0, False, f"{line}\n".encode())], sheet)


def test_an_empty_value_spoils_its_output_and_a_word_the_whole_line():
    sheet = _two(heard=True, separator=";", columns=["co2", "t"])
    reply = decode_stream([Turn(0, False, b";2\n")], sheet)
    assert [(r.number, str(r.status)) for r in reply] == [(None, "invalid"), (2, "ok")]
    with pytest.raises(Garbled, match="a number"):
        decode_stream([Turn(0, False, b"abc;2\n")], sheet)


@pytest.mark.parametrize("text", ["1O", "4\xb2", "1 2", "1,2", "12..3", "9" * 50])
def test_a_damaged_number_spoils_its_line(text):
    sheet = _own(heard=True, separator=";", fields={"co2": 2})
    with pytest.raises(Garbled):
        decode_stream([Turn(0, False, f"x;{text}\n".encode("latin-1"))], sheet)


def test_decimal_commas_scales_and_blanks_between_values():
    sheet = _own(heard=True, separator="blanks", decimal=",", fields={"co2": 2}, divide={"co2": 10})
    assert _numbers(decode_stream([Turn(0, False, b"x    4005,5  7\r\n")], sheet)) == [400.55]


def test_a_number_that_a_factor_makes_infinite_is_a_status():
    sheet = _own(heard=True, separator=",", fields={"co2": 1}, multiply={"co2": 1000})
    (reading,) = decode_stream([Turn(0, False, b"9e307\n")], sheet)
    assert (reading.number, reading.status) == (None, Status.INVALID)


def test_a_chamber_record_scales_its_flux_by_its_own_column():
    line = b"R0000011803131700429" + b"0" * 19 + b"0013" + b"0014" + b"0172" + b"0200" + b"096508\r"
    readings = {r.output: r.number for r in _stream("ppsystems.egm-4", line)}
    assert (readings["delta_co2"], readings["delta_t"]) == (13, 14)
    assert readings["soil_respiration"] == 1.72
    readings = {
        r.output: r.number for r in _stream("ppsystems.egm-4", line.replace(b"0200", b"0300"))
    }
    assert readings["soil_respiration"] == 0.172


def test_a_chamber_record_of_an_unknown_form_still_gives_its_co2():
    line = b"R0000011803131700429" + b"0" * 19 + b"-013" + b"0014" + b"0172" + b"0200" + b"096508\r"
    readings = {r.output: r.number for r in _stream("ppsystems.egm-4", line)}
    assert readings == {"co2": 429, "pressure": 965, "plot": 0, "record": 1}


def test_a_line_of_unbounded_length_is_garbled():
    sheet = _own(heard=True, separator=";", fields={"co2": 1})
    with pytest.raises(Garbled, match="4096"):
        decode_stream([Turn(0, False, b"4;" * 3000 + b"\n")], sheet)


def test_entities_in_elements_are_not_expanded():
    bomb = b'<!DOCTYPE l [<!ENTITY a "9">]><li820><data><co2>&a;</co2></data></li820>\r\n'
    with pytest.raises(Garbled):
        _stream("licor.li-820", bomb)


def test_two_records_without_a_line_end_between_them_are_two():
    one = b"<li820><data><co2>4.1e2</co2></data></li820>"
    readings = _stream("licor.li-820", one + one.replace(b"4.1", b"4.2") + b"\r\n")
    assert _numbers(readings) == [410, 420]


def test_an_element_sent_twice_is_garbled():
    with pytest.raises(Garbled, match="once"):
        _stream("licor.li-820", b"<li820><data><co2>1</co2><co2>2</co2></data></li820>\r\n")


def test_a_sheet_with_a_mistake_is_refused_with_the_mistake():
    with pytest.raises(Refused, match="seperator"):
        decode_stream([Turn(0, False, b"1\n")], _own(heard=True, seperator=","))
