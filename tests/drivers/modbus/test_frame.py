"""Frames and their CRC: published vectors, and every way in which bytes are no answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.checksums import crc16_modbus, has_crc, with_crc
from edaphon_drivers.modbus.frame import (
    Request,
    Shape,
    answers,
    exception_name,
    is_exception,
    parse_request,
    registers_asked,
    rtu_frame,
    tcp_frame,
    without_echo,
)
from edaphon_drivers.simulators.modbus import rtu

# Manuals and logs: request and answer.
_PUBLISHED = [
    ("f00300000002d12a", "f00304d47a43e833ab"),  # Vaisala GMP252 User Guide, A.3
    ("0103000000070408", "01030e016000f101a200400012000c003fa0fd"),  # a real 7-in-1
    ("fe0400030001d5c5", "fe04020190acd8"),  # Senseair TDE2067
    ("6103002000018c60", "6103020342b88d"),  # mbpoll with a SCD30
]
_READ = Request(1, bytes.fromhex("0300000003"))
_ANSWER = bytes.fromhex("0103060292ff9b03e8d80f")  # DFRobot SEN0601
_SHAPE = Shape(6)


def test_the_crc_of_the_nine_digits_is_that_of_the_catalogue():
    assert crc16_modbus(b"123456789") == 0x4B37


def test_the_specifications_own_example_has_its_crc():
    assert with_crc(b"\x02\x07") == b"\x02\x07\x41\x12"  # serial line V1.02, 6.2.2


@given(st.binary(max_size=40))
def test_the_crc_agrees_with_the_simulators_other_way_to_compute_it(data):
    assert with_crc(b"\x07" + data) == rtu(7, data)
    assert has_crc(with_crc(b"\x07" + data))


@pytest.mark.parametrize(("request_hex", "answer_hex"), _PUBLISHED)
def test_published_frames_are_a_question_and_its_answer(request_hex, answer_hex):
    frame, came = bytes.fromhex(request_hex), bytes.fromhex(answer_hex)
    request = parse_request(frame)
    assert rtu_frame(request.unit, request.pdu) == frame
    _, count = registers_asked(request.pdu)
    assert answers(came, request, Shape(2 * count)) == [came[1:-2]]


def test_the_printed_frame_of_a_datasheet_with_a_wrong_crc_is_no_answer():
    came = bytes.fromhex("01030e01140146004b02d2000800080015f80e")
    assert answers(came, Request(1, bytes.fromhex("0300000007")), Shape(14)) == []


@given(st.integers(0, 8 * len(_ANSWER) - 1))
def test_a_flipped_bit_is_never_an_answer(bit):
    came = bytearray(_ANSWER)
    came[bit // 8] ^= 1 << bit % 8
    assert answers(bytes(came), _READ, _SHAPE) == []


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_noise_around_a_frame_does_not_hide_it(before, after):
    assert _ANSWER[1:-2] in answers(before + _ANSWER + after, _READ, _SHAPE)


@pytest.mark.parametrize("length", range(len(_ANSWER)))
def test_a_begun_frame_is_not_yet_an_answer(length):
    assert answers(_ANSWER[:length], _READ, _SHAPE) == []


def test_an_answer_of_another_unit_function_or_length_is_none():
    data = bytes.fromhex("060292ff9b03e8")
    assert answers(rtu(2, b"\x03" + data), _READ, _SHAPE) == []
    assert answers(rtu(1, b"\x04" + data), _READ, _SHAPE) == []
    assert answers(rtu(1, b"\x03\x04\x02\x92\xff\x9b"), _READ, _SHAPE) == []


def test_the_echo_of_a_question_is_dropped():
    frame = rtu_frame(1, _READ.pdu)
    assert answers(frame + _ANSWER, _READ, _SHAPE) == [_ANSWER[1:-2]]
    assert without_echo(frame, _READ) == b""
    # An echo that looks like the answer to a read of one register: 01 03 02 00 00 01 ..
    tricky = Request(1, bytes.fromhex("0302000001"))
    assert answers(rtu_frame(1, tricky.pdu), tricky, Shape(2)) == []


def test_exceptions_are_named_in_words():
    (pdu,) = answers(rtu(1, b"\x83\x02"), _READ, _SHAPE)
    assert is_exception(pdu)
    assert exception_name(pdu) == "illegal data address"
    assert exception_name(b"\x83\x63") == "exception 99"


def test_two_answers_come_in_their_order():
    other = rtu(1, bytes.fromhex("030600000000 0001"))
    assert answers(_ANSWER + other, _READ, _SHAPE) == [_ANSWER[1:-2], other[1:-2]]


def test_a_tcp_answer_has_the_number_of_its_question():
    request = Request(1, _READ.pdu, 0x1234)
    pdu = _ANSWER[1:-2]
    assert parse_request(tcp_frame(0x1234, 1, _READ.pdu)) == request
    assert answers(tcp_frame(0x1234, 1, pdu), request, _SHAPE) == [pdu]
    assert answers(tcp_frame(0x1233, 1, pdu), request, _SHAPE) == []
    assert answers(tcp_frame(0x1234, 2, pdu), request, _SHAPE) == []
    late = tcp_frame(0x1233, 1, b"\x03\x06" + bytes(6))
    assert answers(late + tcp_frame(0x1234, 1, pdu), request, _SHAPE) == [pdu]
    assert answers(tcp_frame(0x1234, 1, b"\x83\x0b"), request, _SHAPE) == [b"\x83\x0b"]


def test_a_short_serial_question_is_not_taken_for_a_tcp_one():
    for frame in (rtu(1, bytes.fromhex("0300000002")), rtu(254, bytes.fromhex("44000802"))):
        assert parse_request(frame) == Request(frame[0], frame[1:-2])
    assert parse_request(b"0M!") is None


def test_the_objects_of_an_identification_end_its_answer():
    request = Request(1, bytes.fromhex("2b0e0100"))
    pdu = bytes.fromhex("2b0e0183000002") + b"\x00\x02ab" + b"\x01\x01c"
    came = rtu(1, pdu)
    assert answers(came, request, Shape(None)) == [pdu]
    assert all(not answers(came[:n], request, Shape(None)) for n in range(len(came)))


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_answers_or_none(came, tcp):
    request = Request(1, _READ.pdu, 7 if tcp else None)
    for shape in (_SHAPE, Shape(None)):
        assert all(len(pdu) >= 2 for pdu in answers(came, request, shape))
    parse_request(came)
