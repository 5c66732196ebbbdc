"""Everything that can be asked of a probe, asked of simulated ones through a pseudo terminal."""

import tomllib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.drivers.sdi12.talking import QUICK, hold, line_with

from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.readings import Identity, Turn, pack_exchange, unpack_exchange
from edaphon_drivers.sdi12 import engine
from edaphon_drivers.sdi12.engine import acknowledge, change_address, extended, measure
from edaphon_drivers.sheets import load_sheet, parse_sheet
from edaphon_drivers.simulators.sdi12 import Probe
from edaphon_drivers.talk import Ask, Asking

_ASKING = Asking(timing=QUICK)
_NAME = "14EDAPHON PROBE 001SN4711"


def _sheet(commands, frame=""):
    """A sheet with outputs v1, v2.. in the order in which the commands need them."""
    text, count = f'title="t"\nengine="sdi12"\nchecked="unverified"\nsource="a test"\n{frame}\n', 0
    for send, n in commands:
        names = [f"v{count + i + 1}" for i in range(n)]
        count += n
        text += f'[[command]]\nsend = "{send}"\noutputs = {names}\n'.replace("'", '"')
    for i in range(count):
        text += f'[[output]]\nname = "v{i + 1}"\nquantity = "raw_counts"\nunit = "count"\n'
    return parse_sheet("test.probe", tomllib.loads(text))


def _numbers(probe, sheet, asking=_ASKING):
    """What the sheet gives after a measurement, from the packed bytes alone; and the commands."""
    with line_with(probe) as (path, _):
        _, turns, fault = hold(path, engine.measure(probe.address, sheet, asking))
    assert fault is None
    kept = unpack_exchange(pack_exchange(turns))
    sent = [turn.data for turn in turns if turn.sent]
    return [reading.number for reading in engine.decode_exchange(kept, sheet)], sent


def test_continuous_measurements_need_no_start():
    probe = Probe("0", _NAME, [], at_once={0: [1.5, -2.25], 3: [7]})
    numbers, sent = _numbers(probe, _sheet([("R0", 2), ("R3", 1)]))
    assert numbers == [1.5, -2.25, 7]
    assert sent == [b"0R0!", b"0R3!"]
    _, sent = _numbers(probe, _sheet([("R0", 2), ("R3", 1)]), replace(_ASKING, crc=True))
    assert sent == [b"0RC0!", b"0RC3!"]


def test_a_continuous_measurement_that_the_probe_lacks_is_refused():
    with line_with(Probe("0", _NAME, [], at_once={})) as (path, _):
        _, _, fault = hold(path, engine.measure("0", _sheet([("R5", 1)]), _ASKING))
    assert isinstance(fault, Refused)


def test_high_volume_text_goes_beyond_ten_answers():
    values = [float(n) / 4 for n in range(150)]
    probe = Probe("h", _NAME, [], high=values, per_answer=7)
    numbers, sent = _numbers(probe, _sheet([("HA", 150)]))
    assert numbers == values
    assert sent[0] == b"hHA!"
    assert sent[-1] == b"hD21!"


def test_high_volume_packets_of_every_type_come_through():
    packets = [
        (1, [-128, 127]), (2, [255]), (3, [-32768]), (4, [65535]), (5, [-(2**31)]),
        (6, [2**32 - 1]), (7, [-5]), (8, [6]), (9, [0.5, -2.25]), (10, [3.141592653589793]),
    ]  # fmt: skip
    expected = [float(number) for _, numbers in packets for number in numbers]
    numbers, sent = _numbers(Probe("b", _NAME, [], packets=packets), _sheet([("HB", 12)]))
    assert numbers == expected
    assert sent == [b"bHB!", *(f"bDB{n}!".encode() for n in range(10))]


@pytest.mark.parametrize("fault", ["silent", "garbled", "cut", "noise", "late"])
def test_a_packet_that_is_spoilt_once_is_asked_for_again(fault):
    probe = Probe("b", _NAME, [], packets=[(9, [0.5, 1.5])], late_s=0.02)
    spoilt = iter([None, fault])
    probe.fault = lambda command: next(spoilt, None)
    numbers, sent = _numbers(probe, _sheet([("HB", 2)]))
    assert numbers == [0.5, 1.5]
    assert (fault == "late") or sent.count(b"bDB0!") == 2


def test_a_long_packet_is_heard_to_its_end():
    numbers = [float(n) for n in range(125)]
    probe = Probe("b", _NAME, [], packets=[(10, numbers)])
    assert _numbers(probe, _sheet([("HB", 125)]))[0] == numbers


def test_a_sheet_may_forbid_crc_and_concurrent_measurements():
    probe = Probe("0", _NAME, [1, 2])
    both = replace(_ASKING, concurrent=True, crc=True)
    assert _numbers(probe, _sheet([("M", 2)]), both)[1][0] == b"0CC!"
    assert _numbers(probe, _sheet([("M", 2)], "[frame]\ncrc=false"), both)[1][0] == b"0C!"
    sheet = _sheet([("M", 2)], "[frame]\nconcurrent=false")
    assert _numbers(probe, sheet, both)[1][0] == b"0MC!"


def test_a_shorter_probe_of_a_profile_gives_fewer_values():
    sheet = _sheet([("M", 4), ("M1", 2)], "[frame]\nfewer=true")
    probe = Probe("0", _NAME, [1, 2])
    assert _numbers(probe, sheet)[0] == [1, 2]
    with line_with(probe) as (path, _):
        _, turns, fault = hold(path, engine.measure("0", _sheet([("M", 4)]), _ASKING))
    assert fault is None
    with pytest.raises(Garbled, match="4 values"):
        engine.decode_exchange(turns, _sheet([("M", 4)]))


def test_settings_belong_to_the_identity_and_an_unknown_one_is_left_out():
    settings = '[frame.settings]\naveraging = "XAVG"\nsoil = "XS"'
    sheet = _sheet([("M", 1)], settings)
    probe = Probe("0", _NAME, [1], extended={"XAVG": "+4"})
    with line_with(probe) as (path, _):
        _, turns, fault = hold(path, engine.identify("0", sheet, _ASKING))
    assert fault is None
    found = engine.decode_identity(turns, sheet)
    assert found == Identity("EDAPHON", "PROBE", "001", "SN4711", {"averaging": "+4"})


def test_makers_who_spread_the_version_over_the_columns_are_read_by_the_sheet():
    line = b"012STEVENSW0560126.302GSN00303589\r\n"
    turns = [Turn(0, True, b"0I!"), Turn(1, False, line)]
    pattern = r"(?P<vendor>.{8})(?P<model>.{6})(?P<version>\d\.\d+).*SN(?P<serial>\w+)"
    sheet = _sheet([("M", 1)], f"[frame]\nidentity = '{pattern}'")
    found = engine.decode_identity(turns, sheet)
    assert found == Identity("STEVENSW", "056012", "6.302", "00303589")
    assert engine.decode_identity(turns, _sheet([("M", 1)])).serial == "02GSN00303589"
    assert engine.decode_identity(turns[:1], sheet) is None


@pytest.mark.parametrize(
    ("model", "line", "version", "serial"),
    [
        ("campbell.cs655", "313CampbellCS65X 000Std.00.35=2196405", "000Std.00.35", "2196405"),
        ("campbell.cs451", "013CampbellCS45X 001SN=12345678", "001", "12345678"),
        ("stevens.hydraprobe", "012STEVENSW0560126.302GSN00303589", "6.302", "00303589"),
        ("stevens.hydraprobe-2.7", "012STEVENSW0000012.7ST4SN00000000", "2.7", "00000000"),
        ("meter.teros12", "113METER   TER12 201T12-00082937", "201", "T12-00082937"),
    ],
)
def test_the_serial_number_is_found_where_each_maker_prints_it(model, line, version, serial):
    turns = [Turn(0, True, f"{line[0]}I!".encode()), Turn(1, False, f"{line}\r\n".encode())]
    found = engine.decode_identity(turns, load_sheet(model))
    assert (found.version, found.serial) == (version, serial)


_SHEETS = [
    _sheet([("M", 1), ("R0", 2)]),
    _sheet([("HA", 3)], "[frame.settings]\nsoil = 'XS'"),
    _sheet([("HB", 2), ("C1", 1)], "[frame]\nfewer = true\nidentity = '(?P<serial>.*)'"),
]
_SENT = st.sampled_from([b"0M!", b"0D0!", b"0R0!", b"0HA!", b"0HB!", b"0DB0!", b"0I!", b"0XS!"])
_SAID = st.sampled_from(
    [b"00011\r\n", b"0001001\r\n", b"0+1\r\n", b"0+1-2\r\n", b"0\r\n", b"0\x02a\r\n\x03"]
)


@given(
    st.sampled_from(_SHEETS),
    st.lists(st.tuples(st.just(True), _SENT) | st.tuples(st.just(False), _SAID | st.binary())),
)
def test_whatever_was_said_gives_readings_or_a_fault(sheet, answer):
    turns = [Turn(i, sent, data) for i, (sent, data) in enumerate(answer)]
    engine.decode_identity(turns, sheet)
    with suppress(Fault):
        readings = engine.decode_exchange(turns, sheet)
        assert all(reading.output in sheet.outputs for reading in readings)


def test_an_address_is_changed_and_verified():
    probe, other = Probe("0", _NAME, [1]), Probe("5", _NAME, [2])
    with line_with(probe, other) as (path, bus):
        assert hold(path, change_address("0", "a", QUICK))[2] is None
        assert sorted(bus.probes) == ["5", "a"]
        assert hold(path, acknowledge("a", QUICK))[0] == "a"


@pytest.mark.parametrize(("old", "new"), [("0", "5"), ("0", "0"), ("0", "?"), ("0", "")])
def test_an_address_that_is_taken_or_none_is_refused_and_nothing_changes(old, new):
    with line_with(Probe("0", _NAME, [1]), Probe("5", _NAME, [2])) as (path, bus):
        assert isinstance(hold(path, change_address(old, new, QUICK))[2], Refused)
        assert sorted(bus.probes) == ["0", "5"]


def test_nobody_at_the_old_address_is_no_answer():
    with line_with(Probe("5", _NAME, [1])) as (path, bus):
        assert isinstance(hold(path, change_address("0", "a", QUICK))[2], NoAnswer)
        assert sorted(bus.probes) == ["5"]


def test_a_change_whose_answer_is_lost_is_found_at_the_new_address():
    probe = Probe("0", _NAME, [1])
    probe.fault = lambda command: "silent" if command == "0Ab" else None
    with line_with(probe) as (path, bus):
        assert hold(path, change_address("0", "b", QUICK))[2] is None
        assert sorted(bus.probes) == ["b"]


def test_a_makers_own_command_gives_one_line_or_several():
    lines = ("This is the first line", "", "and the last")
    probe = Probe("0", _NAME, [], extended={"XS": "loam", "XHELP": lines})
    with line_with(probe) as (path, _):
        assert hold(path, extended("0", "XS", QUICK))[0] == ("loam",)
        assert hold(path, extended("0", "XHELP", QUICK))[0] == lines
        assert isinstance(hold(path, extended("0", "XNO", QUICK))[2], NoAnswer)


@pytest.mark.parametrize("address", list("0a9Z"))
def test_an_address_of_the_standard_is_no_trouble(address):
    assert engine.address_error(address) == ""


@pytest.mark.parametrize("address", ["", "?", "10", "é", "!"])
def test_any_other_address_is_named(address):
    assert "0-9, A-Z or a-z" in engine.address_error(address)


@pytest.mark.parametrize(
    ("commands", "frame", "words"),
    [
        ([("D0", 1)], "", "expected send M"),
        ([("M", 10)], "", "1 to 9 outputs"),
        ([("M", 1)], "[frame]\ncrc = 1", "frame.crc is true or false, not 1"),
        ([("M", 1)], "[frame]\nspeed = 1", "speed"),
        ([("M", 1)], "[frame]\nidentity = '('", "frame.identity has a ( without its )"),
        ([("M", 1)], "[frame]\nidentity = '(?P<colour>.)'", "colour"),
        ([("M", 1)], "[frame]\nsettings = 'XS'", "frame.settings is a table of commands"),
        ([("M", 1)], "[frame.settings]\nsoil = 'X!'", "soil"),
    ],
)
def test_what_is_wrong_in_a_sheet_is_said_in_words(commands, frame, words):
    assert any(words in error for error in engine.sheet_errors(_sheet(commands, frame)))


def test_a_sheet_without_commands_is_no_sheet():
    errors = engine.sheet_errors(replace(_sheet([("M", 1)]), commands=()))
    assert "at least one" in next(errors)


def test_outputs_that_no_command_gives_or_that_nobody_knows_are_named():
    sheet = _sheet([("M", 2)])
    lost = replace(
        sheet, commands=(sheet.commands[0].model_copy(update={"outputs": ("v1", "x", "v1")}),)
    )
    errors = "\n".join(engine.sheet_errors(lost))
    assert "'v2' is given by no command" in errors
    assert "'x', and no [[output]]" in errors
    assert "'v1' is twice" in errors


def test_a_whole_answer_is_followed_by_the_next_question_without_a_wait():
    talk = measure("a", load_sheet("meter.teros12"), _ASKING)
    asked, answers = [], {b"aM!": b"a0003\r\n", b"aD0!": b"a+1807.8+21.0+1\r\n"}
    step = next(talk)
    with suppress(StopIteration):
        while True:
            assert isinstance(step, Ask), asked
            asked.append(step.send)
            step = talk.send(answers[step.send])
    assert asked == [b"aM!", b"aD0!"]
