"""The simulated instrument is asked and read through a real port, and meets each fault."""

import itertools
import time
from contextlib import contextmanager

import pytest

from edaphon.acquire.bus import is_ended
from edaphon_drivers.ascii.engine import decode_exchange, decode_stream, line_end, measure
from edaphon_drivers.faults import LinkDown, NoAnswer
from edaphon_drivers.links.serial import SerialLink
from edaphon_drivers.readings import Turn
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.ascii import (
    Instrument,
    SimulatedPort,
    licor_7810_line,
    vaisala_cs4,
)
from edaphon_drivers.talk import Ask, Asking, Timing

_QUICK = Asking(timing=Timing(answer_s=0.15, gap_s=0.02, tries=3))


@contextmanager
def _port(instrument):
    port = SimulatedPort(instrument)
    path = port.start()
    link = SerialLink(path)
    try:
        yield port, link
    finally:
        link.close()
        port.stop()


def _run(talk, link):
    """Carries out a talk; the turns of the exchange."""
    turns, answer = [], None
    try:
        step = next(talk)
        while True:
            answer = _answered(step, link, turns)
            step = talk.send(answer)
    except StopIteration:
        return turns


def _answered(step, link, turns):
    if isinstance(step, Ask):
        link.write(step.send)
        turns.append(Turn(0, True, step.send))
    came, until = b"", time.monotonic() + step.wait_s
    while time.monotonic() < until and not is_ended(came, getattr(step, "until", b"")):
        came += link.read(0.02)
    if came:
        turns.append(Turn(0, False, came))
    return came


def _probe(**more):
    return Instrument(answers={b"send": lambda: vaisala_cs4("CO2=   452 ppm")}, **more)


@pytest.mark.parametrize("fault", ["", "silent", "garbled", "late", "doubled", "cut", "noise"])
def test_a_probe_is_measured_in_spite_of_one(fault):
    probe, sheet = _probe(echo=True), load_sheet("vaisala.gmp252")
    if fault:
        probe.fail(fault)
    with _port(probe) as (_, link):
        turns = _run(measure("", sheet, _QUICK), link)
    (reading,) = decode_exchange(turns, sheet)
    assert reading.number == 452
    assert len(probe.asked) <= 2


def test_a_probe_that_stays_silent_is_no_answer_after_all_tries():
    probe = _probe()
    probe.fail("silent", 3)
    with _port(probe) as (_, link), pytest.raises(NoAnswer):
        _run(measure("", load_sheet("vaisala.gmp252"), _QUICK), link)
    assert probe.asked == [b"send"] * 3


def test_a_stream_is_heard_line_by_line_and_faults_cost_only_their_lines():
    sheet = load_sheet("licor.li-7810")
    lines = (licor_7810_line(1666884942 + n, n, 400.5 + n, 2000.0) for n in range(6))
    analyser = Instrument(lines=lines, period_s=0.2)  # the link is open before the first
    for fault in ("", "garbled", "cut", "noise", "silent"):
        analyser._queued.append(fault)
    with _port(analyser) as (_, link):
        data, until = b"", time.monotonic() + 3
        while time.monotonic() < until and b"406" not in data and b"405.5" not in data:
            data += link.read(0.05)
        data += link.read(0.05)
    turns = [Turn(0, False, part + line_end(sheet)) for part in data.split(b"\n") if part]
    numbers = [r.number for r in decode_stream(turns, sheet) if r.output == "co2"]
    assert numbers[0] == 400.5
    assert numbers[-1] == 405.5
    assert set(numbers) <= {400.5 + n for n in range(6)}


def test_an_analyser_that_must_be_started_streams_after_the_command():
    analyser = Instrument(
        starts_with=b"r", lines=itertools.repeat(b"CO2=   452 ppm\r\n"), period_s=0.02
    )
    with _port(analyser) as (_, link):
        assert link.read(0.1) == b""
        link.write(b"r\r")
        until, data = time.monotonic() + 3, b""
        while time.monotonic() < until and data.count(b"\n") < 2:
            data += link.read(0.05)
    assert data.startswith(b"CO2=   452 ppm\r\n")


def test_a_pulled_adapter_is_a_link_that_is_down():
    with _port(_probe()) as (port, link):
        port.unplug()
        with pytest.raises(LinkDown):
            _run(measure("", load_sheet("vaisala.gmp252"), _QUICK), link)


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="silent"):
        Instrument().fail("sulking")
