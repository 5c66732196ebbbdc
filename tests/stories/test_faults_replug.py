"""The adapter of a line is pulled out and plugged in again, each time as a port of another name.

EDAPHON_FAULTS=long (`./run faults`) does it fifty times.
"""

import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.programs import wait_until
from tests.stories.load import LONG, Spread, random_of, table
from tests.stories.station import Station, teros12_facts

from edaphon.journal import Entry, Kind, read_only
from edaphon_drivers.readings import unpack_exchange
from edaphon_drivers.sdi12.engine import decode_exchange
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

CYCLES = 50 if LONG else 4
SECOND_NS = 10**9
BACK_WITHIN_SLOTS = 5  # of a second each
PATHS = ("line/a", "line/b")
SOURCE = '[[source]]\nbus = "line"\naddress = "{}"\nmodel = "meter.teros12"\ninterval = "1s"\n'


class Soil:
    """What a probe says: counts that rise by one with each measurement, so each number is sent
    once."""

    def __init__(self, first: int) -> None:
        self.stated = [first]

    def __call__(self) -> tuple[float, ...]:
        self.stated.append(self.stated[-1] + 1)
        return self.stated[-1], 11.5, 120


class Adapter:
    """The plug of the line; each port that it was, and when it was plugged in."""

    def __init__(self, bus: SimulatedBus, link: Path) -> None:
        self._bus, self._link = bus, link
        self.names = [self._link.readlink()]
        self.plugged_ns: list[int] = []

    def pull(self) -> None:
        self._bus.unplug()

    def plug(self) -> None:
        """Others have taken the lowest numbers meanwhile, the old port's among them."""
        others: list[int] = []
        while len(others) < 200 and self.names[-1] not in map(_port, others):
            others += os.openpty()
        self._bus.replug()
        self.plugged_ns.append(time.time_ns())
        self.names.append(self._link.readlink())
        for end in others:
            os.close(end)


def _port(end: int) -> Path:
    return Path(os.ttyname(end))


@pytest.mark.timeout(900 if LONG else 150)
def test_a_line_whose_adapter_is_replugged_goes_on_under_any_port_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    link, soils = tmp_path / "adapter", (Soil(1000), Soil(2000))
    probes = [Probe(a, f"14METER   TER12 312T12-{a}", s) for a, s in zip("ab", soils, strict=True)]
    bus = SimulatedBus(probes, second_s=0.1, link=link)
    tables = [f'[bus.line]\nkind = "sdi12"\nport = "{bus.start()}"\n']
    station = Station(
        tmp_path / "station",
        tables + [SOURCE.format(address) for address in "ab"],
        [teros12_facts(path, path[-1]) for path in PATHS],
    )
    adapter = Adapter(bus, link)
    station.start()
    try:
        replug(adapter, station, soils, random_of("replug"))
    finally:
        station.stop()
        bus.stop()
    found = station.json("verify", "--deep")  # nothing is recorded any more while it counts
    assert all(one != other for one, other in pairwise(adapter.names))
    assert_one_message_each(station)
    back: list[float] = []
    gaps = 0
    for path, soil in zip(PATHS, soils, strict=True):
        records, missed = slots(station, path)
        assert_every_slot(records, missed)
        assert_as_said(records, soil)
        assert found["slots"][path]["records"] == len(records)
        gaps += len(missed)
        for plugged_ns in adapter.plugged_ns:
            first_ns = min(e.received_ns for e in records.values() if e.received_ns > plugged_ns)
            waited = [t for t in missed if plugged_ns < t < first_ns]
            assert len(waited) <= BACK_WITHIN_SLOTS
            back.append((first_ns - plugged_ns) / SECOND_NS)
    rows = [("first record after the plug [s]", Spread(back)), ("slots in gaps, both probes", gaps)]
    table(capfd, f"{CYCLES} times unplugged and plugged in again", rows)


def replug(adapter: Adapter, station: Station, soils: tuple[Soil, ...], rng: random.Random) -> None:
    """Pulls at any moment of a measurement and between two."""

    def measured() -> list[int]:
        return [len(soil.stated) for soil in soils]

    wait_until(lambda: min(measured()) > 2, "the first measurements")
    for cycle in range(1, CYCLES + 1):
        time.sleep(rng.uniform(0, 1.2))
        adapter.pull()
        wait_until(stated(station, "is lost", cycle), "the message of the loss", 10)
        time.sleep(rng.uniform(0.1, 2.0))
        before = measured()
        adapter.plug()
        wait_until(stated(station, "is back", cycle), "the message of the return", 10)
        wait_until(
            lambda before=before: all(
                now > old + 1 for now, old in zip(measured(), before, strict=True)
            ),
            "measurements of both",
            20,
        )


def stated(station: Station, what: str, times: int) -> Callable[[], bool]:
    return lambda: len(re.findall(f"bus line {what}", whole_log(station))) == times


def whole_log(station: Station) -> str:
    return (station.folder / "daemon.log").read_text("utf-8")


def assert_one_message_each(station: Station) -> None:
    """Lost and back by turns, once each, of the bus and of each of its probes."""
    log = whole_log(station)
    assert "Traceback" not in log
    reported = re.findall(r"bus line is (lost|back)", log)
    assert reported == ["lost", "back"] * CYCLES
    for path in PATHS:
        back = len(re.findall(f"{path} is back", log))
        lost = len(re.findall(f"{path}.*expected", log))
        assert back == lost <= CYCLES


def slots(station: Station, path: str) -> tuple[dict[int, Entry], list[int]]:
    """(the record of each slot, the slots that gaps account for)."""
    journal = read_only(station.storage / "journal")
    records, missed = {}, []
    for _, entry in journal.scan(sources={path}, kinds={Kind.RECORD, Kind.GAP}):
        if entry.kind == Kind.RECORD:
            assert entry.slot_ns not in records
            records[entry.slot_ns or 0] = entry
        else:
            missed += closed_slots(json.loads(entry.payload))
    return records, missed


def closed_slots(gap: dict[str, int | str]) -> Iterator[int]:
    if gap["state"] == "closed":
        found = range(int(gap["first_ns"]), int(gap["last_ns"]) + 1, SECOND_NS)
        assert len(found) == gap["n"]
        assert gap["cause"] != "garbled", gap
        yield from found


def assert_every_slot(records: dict[int, Entry], missed: list[int]) -> None:
    """Each second between the first and the last record is a record or in one gap, never both."""
    every = sorted([*records, *missed])
    assert every == list(range(every[0], every[-1] + 1, SECOND_NS))


def assert_as_said(records: dict[int, Entry], soil: Soil) -> None:
    counts = []
    for entry in records.values():
        turns = unpack_exchange(entry.payload)
        count, temperature, ec = decode_exchange(turns, load_sheet("meter.teros12"))
        assert (temperature.number, ec.number) == (11.5, 120)
        counts.append(count.number)
    assert counts == sorted(set(counts) & set(soil.stated)), "the probe's own, each once, in order"
    assert len(counts) > CYCLES
