"""Modbus and text instruments on one pair of wires, with pymodbus's own server as the other end.

Every number says whose it is, where it stands and how often it was asked for, so that an answer
taken for another one shows and late answers differ from those in time.
EDAPHON_TRANSACTIONS=100000 runs the long form.
"""

import asyncio
import heapq
import os
import random
import re
import select
import threading
import time
import tty
from contextlib import contextmanager

import pytest
from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edaphon.acquire.bus import BusOwner
from edaphon.clock import SystemClock
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.links.serial import SerialLink, SerialOptions, TcpLink
from edaphon_drivers.modbus.engine import decode_exchange, decode_identity, identify, measure
from edaphon_drivers.sheets import parse_sheet
from edaphon_drivers.simulators.modbus import FAULTS, SimulatedLine, SimulatedServer, Unit
from edaphon_drivers.talk import Ask, Asking, Pause, Timing

_LONG = int(os.environ.get("EDAPHON_TRANSACTIONS", "0"))
_TRANSACTIONS = _LONG or 2000
_BAUD = 115200
_TIMING = Timing(answer_s=0.04, gap_s=0.004, late_s=0.04)
_IDENTITY = ModbusDeviceIdentification(
    info_name={"VendorName": "Peer", "ProductCode": "P1", "MajorMinorRevision": "3.16"}
)
_UNITS = (1, 2, 3, 200)
_WINDOWS = (0, 16, 32)  # equally long neighbours: the hardest case


def _register(unit, address):
    return unit << 8 | address


def _sheet():
    """Three reads of the same length, each of one value of two registers."""
    outputs = [{"name": f"at{a}", "quantity": "raw_counts", "unit": "count"} for a in _WINDOWS]
    reads = [
        {"address": a, "count": 2, "values": [{"output": f"at{a}", "type": "u32"}]}
        for a in _WINDOWS
    ]
    frame = {"read": reads, "identity": [{"device_identification": True}]}
    return parse_sheet("line", {
        "title": "", "engine": "modbus", "checked": "unverified", "source": "none",
        "output": outputs, "frame": frame,
    })  # fmt: skip


_SHEET = _sheet()


async def _count(function, start, address, count, registers, values):
    """Every read finds another number in the second register of each window."""
    registers[address - start + 1] = (registers[address - start + 1] + 1) % 0x10000


class _Peer:
    """pymodbus's servers on an event loop of their own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers = []

    def serve(self, make):
        async def started():
            devices = []
            for unit in _UNITS:
                values = [_register(unit, a) for a in range(64)]
                data = SimData(0, values=values, datatype=DataType.REGISTERS)
                devices.append(SimDevice(unit, [data], action=_count))
            server = make(devices)
            await server.serve_forever(background=True)
            return server

        server = asyncio.run_coroutine_threadsafe(started(), self._loop).result(10)
        self._servers.append(server)
        return server

    def stop(self):
        for server in self._servers:
            asyncio.run_coroutine_threadsafe(server.shutdown(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Wire:
    """Two pseudo terminals joined to one line: late, doubled, missing and cut answers on it.

    A text instrument listens too: `a?` and `b?` are answered with four digits.
    """

    def __init__(self, faults, seed=7):
        self.theirs, self.peers = os.openpty(), os.openpty()
        for pair in (self.theirs, self.peers):
            tty.setraw(pair[1])
        self.path, self.peer_path = (os.ttyname(pair[1]) for pair in (self.theirs, self.peers))
        self.counted = dict.fromkeys(("late", "doubled", "missing", "cut", "good"), 0)
        self._faults = faults
        self._random = random.Random(seed)
        self._due = []
        self._number = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._join, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopping = True
        self._thread.join()
        for end in (*self.theirs, *self.peers):
            os.close(end)

    def _join(self):
        asker, peer = self.theirs[0], self.peers[0]
        while not self._stopping:
            wait_s = self._due[0][0] - time.monotonic() if self._due else 0.02
            ready, _, _ = select.select([asker, peer], [], [], min(max(wait_s, 0), 0.02))
            if asker in ready:
                question = os.read(asker, 4096)
                if re.fullmatch(rb"[ab]\?\r", question):
                    self._answer(b"+1111\r" if question[:1] == b"a" else b"+2222\r")
                else:  # pymodbus knows no silence between frames, a real slave drops such lines
                    os.write(peer, question)
            if peer in ready:
                self._answer(os.read(peer, 4096))
            while self._due and self._due[0][0] <= time.monotonic():
                os.write(asker, heapq.heappop(self._due)[2])

    def _answer(self, answer):
        weights = [self._faults] * 4 + [1 - 4 * self._faults]
        kind = self._random.choices(tuple(self.counted), weights)[0]
        self.counted[kind] += 1
        late_s = self._random.uniform(0.005, 0.07) if kind == "late" else 0
        if kind == "cut":
            answer = answer[: self._random.randrange(1, len(answer))]
        if kind != "missing":
            self._put(answer, late_s)
        if kind == "doubled":
            text = answer.endswith(b"\r")
            self._put(answer, self._random.uniform(0.0005, 0.005 if text else 0.03))

    def _put(self, answer, after_s):
        self._number += 1
        heapq.heappush(self._due, (time.monotonic() + after_s, self._number, answer))


def _text_talk(letter, given):
    """A talk with the text instrument, which believes every line of four digits."""
    fault = NoAnswer("four digits")
    for _ in range(_TIMING.tries):
        came = yield Ask(f"{letter}?\r".encode(), b"\r", _TIMING.answer_s)
        if not re.fullmatch(rb"\+\d{4}\r", came):
            came += yield Pause(_TIMING.late_s, True, b"\r")
        if found := re.search(rb"\+(\d{4})\r$", came):
            # Its lines carry no number: the rest of a doubled one must not meet the next question.
            yield Pause(0.006, True)
            given.append((letter, int(found[1])))
            return
        fault = Garbled("four digits", came) if came else fault
    raise fault


class _Campaign:
    """Keeps one talk of each address running until enough have ended."""

    def __init__(self, bus, talks, tcp=False):
        self.ended = []
        self.texts = []
        self._bus, self._left, self._tcp = bus, talks, tcp
        self._running = 0
        self._news = threading.Condition()

    def run(self, addresses):
        for address in addresses:
            self._next(address)
        with self._news:
            assert self._news.wait_for(lambda: not self._running, timeout=50 + _LONG / 20)
        return self.ended

    def _next(self, address):
        with self._news:
            if self._left <= 0:
                return
            self._left -= 1
            self._running += 1
        if address in "ab":
            talk = _text_talk(address, self.texts)
        else:
            talk = measure(address, _SHEET, Asking(_TIMING, baud=_BAUD, tcp=self._tcp))
        self._bus.submit(address, talk, 30, self._end)

    def _end(self, finished):
        self._next(finished.address)
        with self._news:
            self.ended.append(finished)
            self._running -= 1
            self._news.notify()


@contextmanager
def _line(faults):
    peer, wire = _Peer(), _Wire(faults)
    peer.serve(
        lambda devices: ModbusSerialServer(
            devices, port=wire.peer_path, baudrate=_BAUD, identity=_IDENTITY
        )
    )
    bus = BusOwner(
        "rs485",
        lambda: SerialLink(wire.path, SerialOptions(baud=_BAUD)),
        SystemClock(),
        quiet_s=0.001,
    )
    bus.start()
    try:
        yield bus, wire
    finally:
        bus.stop()
        peer.stop()
        wire.stop()


def _judged(ended):
    """(right, refused or silent) talks; fails on the first wrong number."""
    right = faults = 0
    counts = set()
    for finished in ended:
        if finished.address in "ab":
            right += finished.fault is None
            faults += finished.fault is not None
            continue
        try:
            readings = decode_exchange(finished.turns, _SHEET)
        except Fault:
            readings = ()
        for reading in readings:
            owner = _register(int(finished.address), int(reading.output.removeprefix("at")))
            assert int(reading.number) >> 16 == owner, (finished.turns, reading)
            counts.add(int(reading.number) & 0xFFFF)
        if finished.fault is None:
            assert len(readings) == len(_WINDOWS), finished
            right += 1
        else:
            faults += 1
    assert len(ended) < 50 or len(counts) > 10, "the peer's numbers do not change"
    return right, faults


@pytest.mark.timeout(60 + _LONG)
def test_on_a_mixed_and_faulty_line_no_answer_is_taken_for_another():
    with _line(faults=0.005) as (bus, wire):
        campaign = _Campaign(bus, _TRANSACTIONS // 3)
        ended = campaign.run([*map(str, _UNITS), "a", "b"])
        right, faults = _judged(ended)
    assert right + faults == _TRANSACTIONS // 3
    assert right > 0.95 * len(ended), (right, faults)
    assert all(number == (1111 if letter == "a" else 2222) for letter, number in campaign.texts)
    assert all(wire.counted.values()), wire.counted


@pytest.mark.timeout(60 + _LONG)
def test_over_tcp_every_answer_is_that_of_its_question():
    peer = _Peer()
    server = peer.serve(lambda devices: ModbusTcpServer(devices, address=("127.0.0.1", 0)))
    port = server.transport.sockets[0].getsockname()[1]
    clock = SystemClock()
    bus = BusOwner("tcp", lambda: TcpLink("127.0.0.1", port), clock, quiet_s=0.0)
    bus.start()
    try:
        right, faults = _judged(_Campaign(bus, _TRANSACTIONS // 3, tcp=True).run(map(str, _UNITS)))
    finally:
        bus.stop()
        peer.stop()
    assert (right, faults) == (_TRANSACTIONS // 3, 0)


def _fault_of(bus, address, sheet):
    ended, got = threading.Event(), []
    talk = measure(address, sheet, Asking(_TIMING, baud=_BAUD))
    bus.submit(address, talk, 30, lambda finished: (got.append(finished), ended.set()))
    assert ended.wait(20)
    return got[0].fault


def test_registers_that_the_peer_does_not_have_are_refused_in_words():
    sheet = parse_sheet("beyond", {
        "title": "", "engine": "modbus", "checked": "unverified", "source": "none",
        "output": [{"name": "x", "quantity": "raw_counts", "unit": "count"}],
        "frame": {"read": [{"address": 900, "count": 1, "values": [{"output": "x"}]}]},
    })  # fmt: skip
    with _line(faults=0) as (bus, _):
        fault = _fault_of(bus, "1", sheet)
    assert isinstance(fault, Refused)
    assert "illegal data address" in str(fault)


def test_the_peers_device_identification_is_read():
    with _line(faults=0) as (bus, _):
        ended, got = threading.Event(), []
        talk = identify("1", _SHEET, Asking(_TIMING, baud=_BAUD))
        bus.submit("1", talk, 30, lambda finished: (got.append(finished), ended.set()))
        assert ended.wait(20)
    identity = decode_identity(got[0].turns, _SHEET)
    assert (identity.vendor, identity.model, identity.version) == ("Peer", "P1", "3.16")


@pytest.mark.parametrize("fault", sorted({*FAULTS} - {"exception"}))
def test_one_fault_of_a_simulated_unit_costs_no_number(fault):
    registers = {a: _register(1, a) for a in range(64)}
    unit = Unit(1, holding=registers, late_s=0.06)
    unit.fail(fault)
    line = SimulatedLine([unit])
    path = line.start()
    bus = BusOwner("rs485", lambda: SerialLink(path), SystemClock(), quiet_s=0.001)
    bus.start()
    try:
        ended = _Campaign(bus, 2).run(["1"])
    finally:
        bus.stop()
        line.stop()
    assert _judged(ended) == (2, 0)


# Over TCP the transport guards the bytes: no frame is garbled on its way.
@pytest.mark.parametrize("fault", sorted({*FAULTS} - {"garbled"}))
def test_one_fault_over_tcp_costs_no_number_either(fault):
    registers = {a: _register(1, a) for a in range(64)}
    unit = Unit(1, holding=registers, late_s=0.06)
    server = SimulatedServer([unit])
    port = server.start()
    bus = BusOwner("tcp", lambda: TcpLink("127.0.0.1", port), SystemClock(), quiet_s=0.0)
    bus.start()
    unit.fail(fault)
    try:
        ended = _Campaign(bus, 2, tcp=True).run(["1"])
    finally:
        bus.stop()
        server.stop()
    assert _judged(ended) == ((1, 1) if fault == "exception" else (2, 0))


def test_a_unit_that_is_not_there_does_not_answer():
    line = SimulatedLine([Unit(1)])
    path = line.start()
    bus = BusOwner("rs485", lambda: SerialLink(path), SystemClock(), quiet_s=0.001)
    bus.start()
    try:
        assert isinstance(_fault_of(bus, "9", _SHEET), NoAnswer)
        assert isinstance(_fault_of(bus, "1", _SHEET), Refused)
    finally:
        bus.stop()
        line.stop()
