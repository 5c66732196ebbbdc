"""A stranger's sheets full of hostile patterns, and lines that suit them: the station goes on."""

import time
from pathlib import Path

import pytest
from tests.drivers.test_patterns import HOSTILE
from tests.programs import wait_until
from tests.stories.station import Station, teros12_facts
from tests.stories.test_bad_input import Wire, state, whole_log

from edaphon_drivers.patterns import compiled
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

ANSWER_S, STOP_S = 10.0, 20.0  # generous: on a loaded machine; a pattern that hangs takes years
SHEETS, STEPS = 3, 9000
SHEET = """
[model."own.m{number}"]
title = "a sheet from a stranger"
engine = "ascii"
output = [{{ name = "t", quantity = "soil_temperature", unit = "degC" }}]
[model."own.m{number}".frame]
ask = "T!"
lines = 6
end = "\\n"
separator = "blanks"
fields = {{ t = 1 }}
{records}
[bus.b{number}]
kind = "serial"
port = "{port}"
answer_s = 0.3
[[source]]
bus = "b{number}"
model = "own.m{number}"
interval = "2s"
"""
RECORD = """[[model."own.m{number}".frame.record]]
begins = "#"
match = '''{pattern}'''
ignore = true
"""
LAST = '[[model."own.m{number}".frame.record]]\n'


def hostile_lines(command: bytes) -> bytes:
    """Of the signs that such patterns repeat, as many as a line may have; then a number."""
    lines = (b"a", b"ab", b"aA", b"a ", b"aaab")
    return b"".join(b"#" + run * (1000 // len(run)) + b"x\n" for run in lines) + b"21.5\n"


def sheet(number: int, port: str) -> str:
    patterns = [p for p in HOSTILE[number::SHEETS] if compiled(p, ignore_case=True).steps < 1000]
    assert patterns
    records = "".join(RECORD.format(number=number, pattern=pattern) for pattern in patterns)
    return SHEET.format(number=number, port=port, records=records + LAST.format(number=number))


def _state(station: Station, number: int) -> str:
    sources = station.ask("status")["sources"]
    return next(str(s["state"]) for s in sources if s["path"].startswith(f"b{number}"))


@pytest.mark.timeout(180)
def test_patterns_that_hang_re_leave_status_stop_start_and_the_neighbour_as_they_are(
    tmp_path: Path,
) -> None:
    wires = [Wire(hostile_lines) for _ in range(SHEETS)]
    values = lambda: (2100.0, 10.5, 100.0)  # noqa: E731
    neighbour = SimulatedBus([Probe("a", "14METER   TER12 312T12-2", values)], second_s=0.02)
    ports = [wire.__enter__() for wire in wires]
    tables = [
        f'[bus.good]\nkind = "sdi12"\nport = "{neighbour.start()}"\nanswer_s = 0.3\n',
        '[[source]]\nbus = "good"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "2s"\n',
        *(sheet(number, port) for number, port in enumerate(ports)),
    ]
    station = Station(tmp_path / "station", tables, [teros12_facts("good/a", "good")])
    answered = 0
    try:
        for _ in range(2):  # the second time on the journal of the first
            station.start(within_s=60)
            for number in range(SHEETS):
                wait_until(lambda n=number: _state(station, n) == "ok", "a number", 60)
            # Its next slot may not have come yet: it is due each 2 s.
            wait_until(lambda: state(station, "good/a") == "ok", "the neighbour", 10)
            begun = time.monotonic()
            assert state(station, "good/a") == "ok"
            assert time.monotonic() - begun < ANSWER_S
            slots = station.json("verify", "--wait", "30", codes=(0, 1))["slots"]["good/a"]
            assert slots["records"] > answered
            answered = slots["records"]
            assert station.stop() < STOP_S
    finally:
        station.stop()
        neighbour.stop()
        for wire in wires:
            wire.__exit__()
    whole_log(station)
