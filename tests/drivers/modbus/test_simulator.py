"""The simulated Modbus units speak the protocol as the specification and makers print it."""

import os
import select
import socket
import time

import pytest

from edaphon_drivers.simulators.modbus import SimulatedLine, SimulatedServer, Unit, rtu

_UNIT_IN_THE_SOIL = {0: 658, 1: -101, 2: 1000}  # DFRobot wiki, SEN0601


def _heard(port, wait_s):
    data, end = b"", time.monotonic() + wait_s
    while (left := end - time.monotonic()) > 0:
        if select.select([port], [], [], left)[0]:
            data += os.read(port, 4096)
    return data


def _speak(unit, *requests, wait_s=0.25):
    line = SimulatedLine([unit])
    port = os.open(line.start(), os.O_RDWR | os.O_NOCTTY)
    received = []
    try:
        for request in requests:
            os.write(port, request)
            received.append(_heard(port, wait_s))
    finally:
        os.close(port)
        line.stop()
    return received


def _hex(text):
    return bytes.fromhex(text)


def test_published_questions_get_the_published_answers():
    soil = Unit(1, holding=_UNIT_IN_THE_SOIL)
    assert _speak(soil, _hex("01030000000305cb")) == [_hex("0103060292ff9b03e8d80f")]
    s8 = Unit(254, inputs={3: 400})
    assert _speak(s8, _hex("fe0400030001d5c5")) == [_hex("fe04020190acd8")]
    scd30 = Unit(97, holding={0x20: 0x0342})
    assert _speak(scd30, _hex("6103002000018c60")) == [_hex("6103020342b88d")]


def test_memory_of_a_k30_is_read_byte_by_byte():
    k30 = Unit(254, memory={8: 1, 9: 0x90})
    assert _speak(k30, _hex("fe440008029f25")) == [rtu(254, _hex("44020190"))]


def test_registers_and_functions_that_are_not_there_are_exceptions():
    soil = Unit(1, holding=_UNIT_IN_THE_SOIL)
    asked = [rtu(1, _hex(pdu)) for pdu in ("0300010003", "0400000001", "0600000001")]
    assert _speak(soil, *asked) == [rtu(1, _hex(pdu)) for pdu in ("8302", "8402", "8601")]


def test_other_units_wrong_crcs_and_begun_frames_are_not_answered():
    soil = Unit(1, holding=_UNIT_IN_THE_SOIL)
    good = _hex("01030000000305cb")
    wrong = good[:-1] + b"\xcc"
    answer = _speak(soil, rtu(2, good[1:-2]), wrong, good[:5], good, wait_s=0.3)
    assert answer == [b"", b"", b"", _hex("0103060292ff9b03e8d80f")]


@pytest.mark.parametrize(
    ("fault", "right"),
    [
        ("silent", lambda answer, good: answer == b""),
        ("garbled", lambda answer, good: len(answer) == len(good) and answer != good),
        ("cut", lambda answer, good: 0 < len(answer) < len(good) and good.startswith(answer)),
        ("noise", lambda answer, good: len(answer) > len(good) and answer.endswith(good)),
        ("doubled", lambda answer, good: answer == 2 * good),
        ("late", lambda answer, good: answer == good),
        ("echo", lambda answer, good: answer == _hex("01030000000305cb") + good),
        ("exception", lambda answer, good: answer == rtu(1, b"\x83\x04")),
        ("busy", lambda answer, good: answer == rtu(1, b"\x83\x06")),
    ],
)
def test_a_fault_on_demand_happens_once(fault, right):
    unit = Unit(1, holding=_UNIT_IN_THE_SOIL, late_s=0.03)
    unit.fail(fault)
    spoilt, good = _speak(unit, *[_hex("01030000000305cb")] * 2)
    assert good == _hex("0103060292ff9b03e8d80f")
    assert right(spoilt, good)


def test_a_fault_of_modbus_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="silent"):
        Unit(1).fail("burning")


def test_over_tcp_an_answer_has_the_number_of_its_question():
    server = SimulatedServer([Unit(1, holding=_UNIT_IN_THE_SOIL)])
    try:
        with socket.create_connection(("127.0.0.1", server.start()), timeout=5) as client:
            client.sendall(_hex("abcd 0000 0006 01 03 0001 0001"))
            assert client.recv(99) == _hex("abcd 0000 0005 01 03 02 ff9b")
    finally:
        server.stop()


def test_after_a_replug_the_line_has_another_port(tmp_path):
    line = SimulatedLine([Unit(1, holding={0: 7})], link=tmp_path / "rs485")
    line.start()
    line.unplug()
    assert not (tmp_path / "rs485").exists()
    port = os.open(line.replug(), os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(port, rtu(1, _hex("0300000001")))
        assert _heard(port, 0.1) == rtu(1, _hex("03020007"))
    finally:
        os.close(port)
        line.stop()
