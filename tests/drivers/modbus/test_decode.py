"""What exchanges, sheets and addresses give that are not as they should be."""

import ast
import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edaphon_drivers.simulators.modbus as simulator
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.modbus.decode import possible_requests
from edaphon_drivers.modbus.engine import (
    address_error,
    decode_exchange,
    decode_identity,
    measure,
    sheet_errors,
)
from edaphon_drivers.modbus.frame import tcp_frame
from edaphon_drivers.readings import Status, Turn, pack_exchange, unpack_exchange
from edaphon_drivers.sheets import load_sheet, model_names, parse_sheet
from edaphon_drivers.simulators.modbus import rtu
from edaphon_drivers.talk import Ask, Asking

_SEN0601 = load_sheet("dfrobot.sen0601")
_JXCT = load_sheet("jxct.jxbs-3001-npk")
_SHEETS = [
    load_sheet(name)
    for name in ("dfrobot.sen0601", "vaisala.gmp252-modbus", "senseair.k30", "sensirion.scd30")
]
_ASKED = rtu(1, bytes.fromhex("0300000003"))
_SAID = rtu(1, bytes.fromhex("03060292ff9b03e8"))


def _exchange(*reply):
    """Every other one was sent."""
    return tuple(Turn(i, i % 2 == 0, data) for i, data in enumerate(reply))


def _sheet(read, **output):
    row = {"name": "x", "quantity": "raw_counts", "unit": "count", **output}
    table = {
        "title": "", "engine": "modbus", "checked": "unverified", "source": "none",
        "output": [row], "frame": {"read": [read]},
    }  # fmt: skip
    return parse_sheet("test", table)


def _one(words, output=None, **item):
    read = {"address": 5, "count": len(words), "values": [{"output": "x", **item}]}
    sheet = _sheet(read, **(output or {}))
    asked = rtu(1, struct.pack(">BHH", 3, 5, len(words)))
    reply = rtu(1, bytes([3, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words))
    (reading,) = decode_exchange(_exchange(asked, reply), sheet)
    return reading


@pytest.mark.parametrize(
    ("words", "item", "number"),
    [
        ([0xFF9B], {"type": "i16", "divide": 10}, -10.1),
        ([0xFF9B], {"type": "u16"}, 65435),
        ([0x9BFF], {"type": "i16", "byte_order": "little", "divide": 10}, -10.1),
        ([0x31FD], {"plus": -10000, "divide": 100}, 27.97),
        ([7, 3], {"at": 1, "multiply": 10}, 30),
        ([0x0001, 0x86A0], {"type": "u32"}, 100000),
        ([0x86A0, 0x0001], {"type": "u32", "word_order": "little"}, 100000),
        ([0xFFFF, 0xFFFE], {"type": "i32"}, -2),
        ([0xD47A, 0x43E8], {"type": "f32", "word_order": "little"}, 465.65997314453125),
        ([0x7AD4, 0xE843], {"type": "f32", "word_order": "little", "byte_order": "little"},
         465.65997314453125),
        ([0, 0, 0, 9], {"type": "u64"}, 9),
        ([0x400A, 0, 0, 0], {"type": "f64"}, 3.25),
    ],
)  # fmt: skip
def test_a_value_is_read_by_type_order_and_scale(words, item, number):
    assert _one(words, **item).number == number


@pytest.mark.parametrize(
    ("words", "status"),
    [([0x7FC0, 0], Status.FAILURE), ([0x7F80, 0], Status.INVALID), ([0xFF80, 0], Status.INVALID)],
)
def test_a_float_that_is_no_number_is_a_status(words, status):
    reading = _one(words, type="f32")
    assert (reading.number, reading.status) == (None, status)


def test_a_failure_code_and_the_range_of_the_sheet_give_a_status():
    limits = {"failure": [3276.7], "lowest": 0, "highest": 3000}
    assert _one([32767], limits, divide=10).status is Status.FAILURE
    assert _one([30001], limits, divide=10).status is Status.OVER_RANGE
    assert _one([0xFFFF], limits, type="i16").status is Status.UNDER_RANGE


def test_the_last_good_answer_counts():
    other = rtu(1, bytes.fromhex("0306000100020003"))
    turns = _exchange(_ASKED, other, _ASKED, _SAID, _ASKED, _SAID[:-1])
    assert [r.number for r in decode_exchange(turns, _SEN0601)] == [65.8, -10.1, 1000]


def test_any_window_of_registers_gives_what_it_holds():
    asked, reply = rtu(1, bytes.fromhex("0300010002")), rtu(1, bytes.fromhex("0304ff9b03e8"))
    readings = decode_exchange(_exchange(asked, reply), _SEN0601)
    assert [(r.output, r.number) for r in readings] == [
        ("soil_temperature", -10.1),
        ("bulk_electrical_conductivity", 1000),
    ]


def test_one_value_is_never_put_together_from_two_answers():
    sheet = load_sheet("vaisala.gmp252-modbus")
    halves = [
        (rtu(240, bytes.fromhex("0300000001")), rtu(240, bytes.fromhex("0302d47a"))),
        (rtu(240, bytes.fromhex("0300010001")), rtu(240, bytes.fromhex("030243e8"))),
    ]
    with pytest.raises(Garbled):
        decode_exchange(_exchange(*halves[0], *halves[1]), sheet)


def test_registers_of_another_function_are_others():
    asked, reply = rtu(1, bytes.fromhex("0400000003")), rtu(1, bytes.fromhex("04060292ff9b03e8"))
    with pytest.raises(Garbled):
        decode_exchange(_exchange(asked, reply), _SEN0601)
    mtec = load_sheet("seeed.s-soil-mtec-02")  # has both
    assert decode_exchange(_exchange(asked, reply), mtec)[0].number == 6.58


def test_an_exchange_over_tcp_is_read_by_its_numbers():
    asked = tcp_frame(9, 1, _ASKED[1:-2])
    stale = tcp_frame(8, 1, bytes.fromhex("0306000100020003"))
    reply = tcp_frame(9, 1, _SAID[1:-2])
    assert decode_exchange(_exchange(asked, stale + reply), _SEN0601)[2].number == 1000
    with pytest.raises(Garbled):
        decode_exchange(_exchange(asked, stale), _SEN0601)


def test_silence_refusal_and_noise_are_told_apart():
    with pytest.raises(NoAnswer):
        decode_exchange(_exchange(_ASKED, b"", _ASKED), _SEN0601)
    with pytest.raises(Refused, match="illegal data address"):
        decode_exchange(_exchange(_ASKED, rtu(1, b"\x83\x02")), _SEN0601)
    with pytest.raises(Garbled):
        decode_exchange(_exchange(_ASKED, b"\x55\xaa"), _SEN0601)
    with pytest.raises(NoAnswer):
        decode_exchange((), _SEN0601)


@given(st.data())
def test_no_number_comes_of_a_frame_with_flipped_bits(data):
    came = bytearray(_SAID)
    bits = data.draw(st.sets(st.integers(0, 8 * len(came) - 1), min_size=1, max_size=3))
    for bit in bits:
        came[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Garbled):
        decode_exchange(_exchange(_ASKED, bytes(came)), _SEN0601)


@given(st.data())
def test_any_damage_to_a_modbus_exchange_gives_readings_or_a_fault(data):
    packed = bytearray(pack_exchange(_exchange(_ASKED, _SAID)))
    for _ in range(data.draw(st.integers(1, 6))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        turns = unpack_exchange(bytes(packed))
        decode_identity(turns, _SEN0601)
        decode_exchange(turns, _SEN0601)
    except Fault:
        pass


@given(st.sampled_from(_SHEETS), st.lists(st.tuples(st.booleans(), st.binary(max_size=30))))
def test_any_turns_give_finite_numbers_or_a_fault(sheet, reply):
    turns = [Turn(i, sent, data) for i, (sent, data) in enumerate(reply)]
    decode_identity(turns, sheet)
    try:
        readings = decode_exchange(turns, sheet)
    except Fault:
        return
    assert all((r.number is None) == (r.status is not Status.OK) for r in readings)


@given(st.sampled_from(_SHEETS), st.binary(min_size=12, max_size=12))
def test_any_register_contents_give_finite_numbers_or_a_status(sheet, data):
    turns = []
    for read in sheet.frame["read"]:
        if "address" in read:
            pdu = struct.pack(">BHH", read["function"], read["address"], read["count"])
            size = 2 * read["count"]
        else:
            pdu = bytes([read["function"]]) + bytes.fromhex(read["request"])
            size = read["bytes"]
        turns += [rtu(3, pdu), rtu(3, bytes([pdu[0], size]) + data[:size])]
    try:
        readings = decode_exchange(_exchange(*turns), sheet)
    except (Refused, Garbled):
        return  # not ready, or the same as was given to the question before
    assert all(r.number is None or math.isfinite(r.number) for r in readings)


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_a_talk_ends_with_a_fault_or_well_whatever_comes(answers):
    talk = measure("1", _JXCT, Asking())
    left, steps = list(answers), 0
    try:
        step = next(talk)
        while True:
            steps += 1
            assert steps < 100
            came = left.pop(0) if left else b""
            if callable(step.until):
                step.until(came)
            step = talk.send(came)
    except StopIteration:
        pytest.fail("no such bytes are answers to all questions")
    except Fault:
        pass


_EQUAL = parse_sheet("test", {
    "title": "", "engine": "modbus", "checked": "unverified", "source": "none",
    "output": [{"name": n, "quantity": "raw_counts", "unit": "count"} for n in "xy"],
    "frame": {"read": [
        {"address": n, "count": 1, "values": [{"output": "xy"[n]}]} for n in range(2)
    ]},
})  # fmt: skip
_FIRST, _SECOND = (rtu(1, struct.pack(">BBH", 3, 2, word)) for word in (111, 222))


def _talked(*came):
    """The turns of a talk that is handed these bytes, and how it ended."""
    talk, turns, left = measure("1", _EQUAL, Asking()), [], list(came)
    try:
        step = next(talk)
        while True:
            if isinstance(step, Ask):
                turns.append(Turn(0, True, step.send))
            data = left.pop(0) if left else b""
            turns.append(Turn(0, False, data))
            step = talk.send(data)
    except StopIteration:
        return turns, None
    except Fault as fault:
        return turns, fault


def _numbers(turns):
    return [(r.output, r.number) for r in decode_exchange(turns, _EQUAL)]


def test_the_doubled_answer_before_is_waited_out_for_the_right_one():
    turns, fault = _talked(_FIRST, _FIRST, _SECOND)
    assert fault is None
    assert _numbers(turns) == [("x", 111), ("y", 222)]


def test_the_doubled_answer_is_not_believed_when_the_right_one_is_lost():
    turns, fault = _talked(_FIRST, _FIRST, b"", _SECOND)
    assert fault is None
    assert _numbers(turns) == [("x", 111), ("y", 222)]
    turns, fault = _talked(_FIRST, _FIRST)
    assert fault is not None
    assert _numbers(turns) == [("x", 111)]


def test_registers_that_are_really_equal_are_believed_the_second_time():
    turns, fault = _talked(_FIRST, _FIRST, b"", _FIRST, b"")
    assert fault is None
    assert _numbers(turns) == [("x", 111), ("y", 111)]


def test_a_doubled_answer_behind_the_right_one_is_left_out():
    turns, fault = _talked(_FIRST, b"", b"", _SECOND, _FIRST)
    assert fault is None
    assert _numbers(turns) == [("x", 111), ("y", 222)]


def test_the_silence_before_a_frame_depends_on_the_baud():
    def silence(**how):
        return next(measure("1", _SEN0601, Asking(**how))).silence_s

    assert silence(baud=9600) == pytest.approx(38.5 / 9600)
    assert silence(baud=19200) == pytest.approx(38.5 / 19200)
    assert silence(baud=115200) == 0.00175
    assert silence(tcp=True) == 0


def test_each_question_over_tcp_has_another_number():
    asked = [next(measure("1", _SEN0601, Asking(tcp=True))).send for _ in range(3)]
    assert len({frame[:2] for frame in asked}) == 3
    assert {frame[2:] for frame in asked} == {bytes.fromhex("00000006010300000003")}


@pytest.mark.parametrize("address", ["1", "97", "247", "253", "254"])
def test_addresses_of_units_are_right(address):
    assert address_error(address) == ""


@pytest.mark.parametrize(
    "address", ["", "0", "255", "256", "0x61", "0XFE", "01", "-1", "1.0", "a", "٣", "9" * 30]
)
def test_other_addresses_are_refused_in_words(address):
    assert address_error(address)
    with pytest.raises(Refused):
        next(measure(address, _SEN0601, Asking()))


def test_a_hexadecimal_address_is_explained():
    assert "97 for 0x61" in address_error("0x61")


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ({"function": 3, "count": 1}, "needs address, a whole number"),
        ({"address": 0, "count": 126}, "count is a whole number from 1 to 125"),
        ({"address": True, "count": 1}, "address is a whole number"),
        ({"function": 5, "address": 0, "count": 1}, "function is 3 or 4"),
        ({"function": 68, "request": "zz", "bytes": 2}, "hexadecimal"),
        ({"adress": 0}, "adress is unknown; did you mean address?"),
        ({"address": 0, "count": 1, "values": [{"output": "y"}]}, "output is one of x"),
        ({"address": 0, "count": 1, "values": [{"output": "x", "at": 1}]}, "outside"),
        ({"address": 0, "count": 1, "values": [{"output": "x", "type": "f32"}]}, "outside"),
        ({"address": 0, "count": 1, "values": [{"output": "x", "type": "u8"}]}, "type is one of"),
        ({"address": 0, "count": 1, "values": [{"output": "x", "divide": 0}]}, "divide"),
        ({"address": 0, "count": 1, "values": [{"output": "x", "divide": "a"}]}, "divide"),
        ({"address": 0, "count": 1, "values": [3]}, "values 1 is a table, not 3"),
        ({"address": 0, "count": 1, "values": 3}, "values is a list"),
        ({"address": 0, "count": 1, "states": [{"status": "sad"}]}, "status is one of"),
        ({"address": 0, "count": 1, "states": [{"status": ["x"]}]}, "status is one of"),
        ({"address": 0, "count": 1, "wait": {"tries": "x"}}, "tries is a whole number"),
        ({"address": 0, "count": 1}, "none fills x"),
    ],
)
def test_a_wrong_table_is_told_in_words(read, words):
    errors = list(sheet_errors(_sheet(read)))
    assert any(words in error for error in errors), errors


def test_a_table_that_is_none_is_told_in_words():
    for frame in ({}, {"read": 3}, {"read": [3]}, {"read": []}, {"read": [{}], "identity": 3}):
        sheet = _sheet({})
        sheet.frame.clear()
        sheet.frame.update(frame)
        assert list(sheet_errors(sheet))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["address", "count", "values", "states", "wait", "request", "bytes", "output",
                 "at", "type", "divide", "status", "bits", "objects", "device_identification"]
            ),
            inner,
            max_size=4,
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_table_of_an_owner_gives_words_and_no_exception(row):
    sheet = _sheet({})
    for name in ("read", "identity"):
        sheet.frame[name] = row if name == "read" else [row]
    assert all(isinstance(error, str) for error in sheet_errors(sheet))


@pytest.mark.parametrize("name", [n for n in model_names() if load_sheet(n).engine == "modbus"])
def test_the_sheets_that_come_along_have_right_tables(name):
    assert list(sheet_errors(load_sheet(name))) == []


def test_the_simulator_of_modbus_imports_nothing_of_the_runtime_code():
    tree = ast.parse(Path(simulator.__file__).read_text("utf-8"))
    nodes = list(ast.walk(tree))
    named = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    named |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    own = {name for name in named if name.startswith("edaphon_drivers")}
    assert not {name for name in own if not name.startswith("edaphon_drivers.simulators.")}


def test_an_answer_equal_to_an_earlier_one_is_waited_behind_for_another():
    """The answer to an earlier question may come late: as long as an answer and its delay take."""
    row = {"address": 5, "count": 1, "values": [{"output": "x"}]}
    sheet = _sheet(row)
    sheet.frame["read"].append({**row, "address": 9, "values": []})
    first, other = rtu(1, bytes.fromhex("030200fa")), rtu(1, bytes.fromhex("030200fb"))
    asking = Asking()
    talk = measure("1", sheet, asking)
    assert next(talk).send == rtu(1, bytes.fromhex("0300050001"))
    assert talk.send(first).send == rtu(1, bytes.fromhex("0300090001"))
    listening = talk.send(first)
    assert listening.wait_s == asking.timing.answer_s + asking.timing.late_s
    assert [listening.until(more) for more in (b"", first, other)] == [False, False, True]
    with pytest.raises(StopIteration):
        talk.send(other)


def _answer(size, fill=0):
    return bytes([3, size]) + bytes([fill]) * size


def _asks(*pdus):
    return [bytes.fromhex(pdu) for pdu in pdus]


PH, CLIMATE, EC, NPK = _asks("0300060001", "0300120002", "0300150001", "03001e0003")


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [
        ([2], [[PH, EC]]),  # either may have been answered
        ([4], [[CLIMATE]]),
        ([6, 4], [[NPK], [CLIMATE]]),
        ([2, 2], [[PH], [EC]]),  # both, then in the order of the sheet
        ([2, 4, 2, 6], [[PH], [CLIMATE], [EC], [NPK]]),
        ([2, 2, 2], [[PH, EC]] * 3),
    ],
)
def test_answers_alone_are_of_the_requests_with_their_size_in_the_order_of_the_sheet(sizes, asked):
    frames = [rtu(7, _answer(size)) for size in sizes]
    expected = [
        (frame, tuple(rtu(7, pdu) for pdu in pdus))
        for frame, pdus in zip(frames, asked, strict=True)
    ]
    assert list(possible_requests(b"".join(frames), _JXCT)) == expected
    frames = [tcp_frame(9, 7, _answer(size)) for size in sizes]
    expected = [
        (frame, tuple(tcp_frame(9, 7, pdu) for pdu in pdus))
        for frame, pdus in zip(frames, asked, strict=True)
    ]
    assert list(possible_requests(b"".join(frames), _JXCT)) == expected


def test_an_exception_alone_is_taken_for_the_first_request_of_its_function():
    frame = rtu(7, b"\x83\x02")
    assert possible_requests(frame, _JXCT) == ((frame, (rtu(7, PH),)),)
    with pytest.raises(Garbled, match="2 bytes to function 3"):
        possible_requests(rtu(7, b"\x84\x02"), _JXCT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        rtu(7, _answer(8)),  # no request has so many bytes
        rtu(7, b"\x04\x02\0\0"),  # nor this function
        rtu(7, _answer(2))[:-1],
        rtu(7, _answer(2)) + b"\0",
        rtu(7, _answer(4))[:-1] + b"\x55",
        rtu(7, _answer(4)) + rtu(7, _answer(8)),
        tcp_frame(1, 7, _answer(2))[:-1],
        tcp_frame(1, 7, b""),
    ],
)
def test_bytes_that_answer_nothing_of_the_sheet_are_garbled(data):
    with pytest.raises(Garbled):
        possible_requests(data, _JXCT)


def test_an_answer_to_the_other_function_of_a_read_asks_with_that_function():
    sheet = load_sheet("seeed.s-soil-mt-02")
    for function in (3, 4):
        frame = rtu(1, bytes([function, 4]) + bytes(4))
        ((_, (request,)),) = possible_requests(frame, sheet)
        assert request[1] == function
