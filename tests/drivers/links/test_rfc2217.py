"""Ports of a serial server by RFC 2217: settings, SDI-12 with its break, loss and return."""

import os
import pty
import queue
import socket
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import closing

import pytest
from pydantic import ValidationError
from tests.programs import wait_until
from tests.rfc2217_server import SerialServer

from edaphon.acquire.bus import BusOwner, Finished, link_opener
from edaphon.clock import SystemClock
from edaphon.config.sources import Bus
from edaphon_drivers.faults import LinkDown
from edaphon_drivers.links import serial
from edaphon_drivers.links.sdi12_uart import Sdi12UartLink
from edaphon_drivers.links.serial import SerialLink, SerialOptions
from edaphon_drivers.sdi12.engine import decode_exchange, measure
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Asking, Timing

SHEET = load_sheet("meter.teros12")
QUICK = Asking(Timing(answer_s=0.3, gap_s=0.01, late_s=0.01, second_s=0.01))


@pytest.fixture
def line() -> Iterator[SimulatedBus]:
    probe = Probe("0", "13METER   TER12 201", lambda: (1846.9, 22.3, 1.0), seconds=0)
    simulated = SimulatedBus([probe], second_s=0.01)
    yield simulated
    simulated.stop()


@pytest.fixture
def server(line: SimulatedBus) -> Iterator[SerialServer]:
    with SerialServer(line.start()) as opened:
        yield opened


def asked(bus: BusOwner) -> Finished:
    ended: queue.SimpleQueue[Finished] = queue.SimpleQueue()
    bus.submit("0", measure("0", SHEET, QUICK), 5.0, ended.put)
    return ended.get(timeout=20)


def test_sdi12_is_measured_through_a_serial_server_that_goes_and_comes_back(
    line: SimulatedBus,
) -> None:
    path = line.start()
    first = SerialServer(path)
    number = first.number
    bus = BusOwner(
        "b",
        link_opener(Bus(kind="sdi12", port=first.url)),
        SystemClock(),
        reopen_after_s=(0.1, 0.1),
    )
    bus.start()
    try:
        assert [r.number for r in decode_exchange(asked(bus).turns, SHEET)] == [1846.9, 22.3, 1.0]
        first.close()
        lost = asked(bus).fault
        assert isinstance(lost, LinkDown)
        with SerialServer(path, number):
            wait_until(lambda: asked(bus).fault is None, "the server's return")
    finally:
        bus.stop()


def test_baud_format_and_levels_arrive_at_the_servers_port(server: SerialServer) -> None:
    options = SerialOptions(19200, 7, "E", 2, rts=False, dtr=True)
    SerialLink(server.url, options).close()
    expected = {"baudrate": 19200, "bytesize": 7, "parity": "E", "stopbits": 2}
    found = server.port.settings
    assert {name: found[name] for name in expected} == expected
    assert (found["rts"], found["dtr"]) == (False, True)


def test_a_break_is_sent_before_a_command_after_silence_and_to_another_address() -> None:
    """A probe is awake 100 ms after a break: the command has to be there by then."""
    other, own = pty.openpty()
    tty.setraw(own)
    try:
        with SerialServer(os.ttyname(own)) as server:
            with closing(Sdi12UartLink(server.url)) as link:
                link.write(b"0M!")
                assert len(server.port.breaks) == 1
                link.write(b"0D0!")  # the probe is awake
                assert len(server.port.breaks) == 1
                link.write(b"1M!")
                assert len(server.port.breaks) == 2
                time.sleep(0.1)
                link.write(b"1D0!")
                wait_until(lambda: len(server.port.sent) == 4, "the last command")
            (first, _), *_, (last, _) = server.port.sent
            assert len(server.port.breaks) == 3
        assert server.port.breaks[0] < first < server.port.breaks[0] + 0.4
        assert server.port.breaks[2] < last
        assert server.port.settings["baudrate"] == 1200
    finally:
        os.close(other)
        os.close(own)


def test_an_answer_is_there_as_soon_as_it_came_and_no_answer_ends_in_time(
    server: SerialServer,
) -> None:
    with closing(SerialLink(server.url)) as link:
        begun_s = time.monotonic()
        assert link.read(0.2) == b""
        assert 0.2 <= time.monotonic() - begun_s < 0.4
        link.write(b"0!")
        begun_s = time.monotonic()
        assert link.read(2.0)[:1] == b"0"
        assert time.monotonic() - begun_s < 1.0


def test_a_server_that_is_away_or_speaks_no_rfc_2217_is_named_with_what_to_do() -> None:
    with pytest.raises(LinkDown, match=r"power, cable and address of the serial server.*refused"):
        SerialLink("rfc2217://127.0.0.1:1")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"rfc2217://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(LinkDown, match=r"speaks RFC 2217, got Remote does not seem to"):
            SerialLink(url)


def test_a_server_that_lost_its_power_is_found_out_after_silence(
    server: SerialServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial, "_QUIET_S", 0.1)
    with closing(SerialLink(server.url)) as link:
        time.sleep(0.15)
        assert link.read(0.0) == b""  # it has answered
        server.mute = True
        time.sleep(0.15)
        with pytest.raises(LinkDown, match="power, cable and address"):
            link.read(0.0)


def test_what_a_server_sends_unasked_does_not_fill_the_memory(
    server: SerialServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial, "_FLOOD_BYTES", 100)
    with closing(SerialLink(server.url)) as link:
        for _ in range(60):
            server.port.write(b"0!")
        wait_until(lambda: link._port.in_waiting > 100, "the flood")
        with pytest.raises(LinkDown, match="bytes that nobody asked for"):
            link.read(0.1)


@pytest.mark.parametrize("kind", ["sdi12", "sdi12-uart", "serial", "stream"])
def test_check_takes_the_form_and_no_other(kind: str) -> None:
    assert Bus(kind=kind, port="rfc2217://host:2217").port == "rfc2217://host:2217"
    for wrong in (
        "rfc2217://host",
        "rfc2217://host:0",
        "rfc2217://h:1?logging=debug",
        "rfc2217:/h:1",
    ):
        with pytest.raises(ValidationError, match="rfc2217://host:port"):
            Bus(kind=kind, port=wrong)


@pytest.mark.parametrize("kind", ["modbus-tcp", "w1", "i2c"])
def test_lines_without_a_serial_port_take_it_not(kind: str) -> None:
    with pytest.raises(ValidationError):
        Bus(kind=kind, port="rfc2217://host:2217")


def test_no_thread_of_a_closed_port_is_left(server: SerialServer) -> None:
    before = threading.active_count()
    SerialLink(server.url).close()
    assert threading.active_count() == before
