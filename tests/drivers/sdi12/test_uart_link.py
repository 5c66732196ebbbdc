"""The bare serial port: what goes out in which order, and what of the line is an answer.

A fake port records breaks and bytes. What it can't show: the levels and edges of a real line, how
exactly a driver times its break, and whether a real circuit echoes.
"""

import os

import pytest

from edaphon_drivers.faults import LinkDown
from edaphon_drivers.links import serial as serial_link
from edaphon_drivers.links.sdi12_uart import Sdi12UartLink


def _even(text):
    return bytes(byte | (0x80 if bin(byte).count("1") % 2 else 0) for byte in text)


class _Port:
    """Stands in for a port of pyserial; `echo` says whether the wire is shared."""

    def __init__(self, reply, echo):
        self.reply, self.echo = reply, echo
        self.hears, self.speaks = os.pipe()
        self.break_condition_value = False

    def __call__(self, **options):
        self.reply.append(("opened", options["baudrate"], options["bytesize"], options["parity"]))
        return self

    def open(self):
        pass

    def fileno(self):
        return self.hears

    def write(self, data):
        self.reply.append(("sent", data))
        if self.echo:
            os.write(self.speaks, data)

    def flush(self):
        self.reply.append(("drained",))

    def read(self, size):
        return os.read(self.hears, size)

    def close(self):
        os.close(self.hears)
        os.close(self.speaks)

    @property
    def break_condition(self):
        return self.break_condition_value

    @break_condition.setter
    def break_condition(self, on):
        self.reply.append(("break", on))
        self.break_condition_value = on
        if on and self.echo:
            os.write(self.speaks, b"\x00")


class _Line:
    """A link on a fake port, with a clock that only sleeping and `pass_` move."""

    def __init__(self, monkeypatch, echo=True):
        self.reply, self.now = [], 100.0
        self.port = _Port(self.reply, echo)
        monkeypatch.setattr(serial_link.serial, "Serial", self.port)
        self.link = Sdi12UartLink("/dev/ttyS0", sleep=self._sleep, now_s=lambda: self.now)

    def _sleep(self, wait_s):
        self.reply.append(("slept", wait_s))
        self.now += wait_s

    def answer(self, data):
        os.write(self.port.speaks, data)

    def steps(self):
        reply, self.reply[:] = list(self.reply), []
        return reply


@pytest.fixture(params=[True, False], ids=["with echo", "without echo"])
def line(request, monkeypatch):
    line = _Line(monkeypatch, request.param)
    yield line
    line.link.close()


def _breaks(steps):
    return [step for step in steps if step[0] == "break"]


def test_a_probe_is_woken_by_break_and_marking_before_the_first_command(line):
    line.link.write(b"0M!")
    opened, on, first, off, second, sent, drained = line.steps()
    assert opened == ("opened", 1200, 8, "N")
    assert (on, off) == (("break", True), ("break", False))
    assert first[1] >= 0.012
    assert 0.00833 <= second[1] < 0.087
    assert sent == ("sent", _even(b"0M!"))
    assert drained == ("drained",)


def test_the_answer_comes_without_echo_and_without_the_nul_of_the_break(line):
    line.link.write(b"0M!")
    line.answer(_even(b"00013\r\n"))
    received = line.link.read(0.1) + line.link.read(0.01)
    assert received == b"00013\r\n"


def test_an_answer_that_begins_like_the_echo_is_kept_whole(line):
    line.link.write(b"0!")
    line.answer(_even(b"0"))
    first = line.link.read(0.1)
    line.answer(_even(b"\r\n"))
    assert first + line.link.read(0.1) + line.link.read(0.01) == b"0\r\n"


def test_the_echo_may_come_in_pieces(monkeypatch):
    line = _Line(monkeypatch, echo=False)
    line.link.write(b"0D0!")
    received = b""
    for byte in _even(b"0D0!0+1.5\r\n"):
        line.answer(bytes([byte]))
        received += line.link.read(0.1)
    assert received == b"0+1.5\r\n"


def test_the_same_probe_needs_no_break_within_87_ms_and_another_one_does(line):
    line.link.write(b"0M!")
    line.answer(_even(b"00013\r\n0\r\n"))
    line.link.read(0.1)
    line.steps()
    line.now += 0.08
    line.link.write(b"0D0!")
    assert not _breaks(line.steps())
    line.now += 0.08
    line.link.write(b"1D0!")
    assert len(_breaks(line.steps())) == 2
    line.now += 0.088
    line.link.write(b"1D0!")
    assert len(_breaks(line.steps())) == 2


def test_bytes_from_the_probe_keep_it_awake(line):
    line.link.write(b"0M!")
    line.now += 5
    line.answer(_even(b"0\r\n"))
    line.link.read(0.1)
    line.steps()
    line.now += 0.05
    line.link.write(b"0D0!")
    assert not _breaks(line.steps())


def test_a_byte_with_wrong_parity_can_be_no_text(line):
    line.link.write(b"0D0!")
    line.link.read(0.01)
    line.answer(_even(b"0+1.") + bytes([_even(b"5")[0] ^ 0x80]) + _even(b"\r\n"))
    received = line.link.read(0.1)
    assert received == b"0+1.\xb5\r\n"


def test_a_binary_packet_keeps_its_eight_bits(line):
    packet = bytes.fromhex("31040003ffff0100c2ac")
    line.link.write(b"1DB0!")
    line.answer(packet)
    assert line.link.read(0.1) + line.link.read(0.01) == packet
    line.link.write(b"1D0!")
    line.answer(_even(b"1+1\r\n"))
    assert line.link.read(0.1) + line.link.read(0.01) == b"1+1\r\n"


def test_a_lost_port_is_a_link_down(line):
    line.port.write = lambda data: (_ for _ in ()).throw(OSError(5, "gone"))
    with pytest.raises(LinkDown, match="adapter"):
        line.link.write(b"0!")
