"""Twenty probes on one line, answers late, doubled and missing: no number comes from a neighbour.

EDAPHON_FAULTS=long makes 100,000 transactions of it.
"""

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from edaphon.acquire.bus import BusOwner, Finished
from edaphon.clock import SystemClock
from edaphon_drivers.links.serial import SerialLink
from edaphon_drivers.sdi12.engine import decode_exchange, measure
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Asking, Timing

_SHEET = load_sheet("meter.teros12")
_ADDRESSES = "0123456789abcdeXYZfg"
_TRANSACTIONS = 100_000 if os.environ.get("EDAPHON_FAULTS") == "long" else 1_500
_QUICK = Timing(answer_s=0.008, gap_s=0.002, late_s=0.008, second_s=0.001)
_LATE_S = 0.01  # beyond the answer time, into the next question
_SHARES = {"late": 5, "doubled": 5, "silent": 5}  # percent of all commands


class _Cycle:
    """Collects how the talks of one cycle ended, and waits for all of them."""

    def __init__(self, n: int) -> None:
        self.ended: list[Finished] = []
        self._n = n
        self._news = threading.Condition()

    def __call__(self, finished: Finished) -> None:
        with self._news:
            self.ended.append(finished)
            self._news.notify()

    def wait(self) -> list[Finished]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.ended) >= self._n, timeout=50)
        return self.ended


class _Plot:
    """Probes whose numbers tell the address and the how-manieth measurement it is."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.measured = dict.fromkeys(_ADDRESSES, 0)
        self.faults = 0
        self.probes = [
            Probe(
                address,
                "13METER   TER12 201",
                partial(self._values, address),
                seconds=i % 2,
                service_request=i % 3 > 0,
                per_answer=1 + i % 3,
                late_s=_LATE_S,
                fault=self._fault,
            )
            for i, address in enumerate(_ADDRESSES)
        ]

    def transactions(self) -> int:
        return sum(len(probe.asked) for probe in self.probes)

    def belongs(self, finished: Finished, before: int) -> bool:
        """Whether all three numbers are of that probe and of one measurement of this talk."""
        counts, temperature, conductivity = (
            reading.number for reading in decode_exchange(finished.turns, _SHEET)
        )
        address = _ADDRESSES.index(finished.address)
        count = round((temperature or 0) * 10)
        during = {n % 500 for n in range(before + 1, self.measured[finished.address] + 1)}
        return (counts, conductivity) == (1000 + address, 20 * count + address) and count in during

    def _values(self, address: str) -> list[float]:
        self.measured[address] += 1
        count, i = self.measured[address] % 500, _ADDRESSES.index(address)
        return [1000.0 + i, count / 10, 20.0 * count + i]

    def _fault(self, command: str) -> str | None:
        draw = self.chance.randrange(100)
        for name, share in _SHARES.items():
            draw -= share
            if draw < 0:
                self.faults += 1
                return name
        return None


@contextmanager
def _line(probes: list[Probe]) -> Iterator[BusOwner]:
    simulated = SimulatedBus(probes, second_s=0.0005)
    path = simulated.start()
    bus = BusOwner("sdi12", lambda: SerialLink(path), SystemClock(), quiet_s=0.001)
    bus.start()
    try:
        yield bus
    finally:
        bus.stop()
        simulated.stop()


def test_no_number_is_ever_taken_for_that_of_another_probe_or_another_time() -> None:
    plot = _Plot(seed=12)
    right = 0
    with _line(plot.probes) as bus:
        while plot.transactions() < _TRANSACTIONS:
            cycle, before = _Cycle(len(_ADDRESSES)), dict(plot.measured)
            for address in _ADDRESSES:
                concurrent, crc = plot.chance.random() < 0.5, plot.chance.random() < 0.3
                asking = Asking(_QUICK, concurrent, crc)
                bus.submit(address, measure(address, _SHEET, asking), 20, cycle)
            for finished in cycle.wait():
                if finished.fault is None:
                    assert plot.belongs(finished, before[finished.address]), finished
                    right += 1
    print(f"{plot.transactions()} transactions, {plot.faults} faults, {right} measurements right")
    assert plot.faults > _TRANSACTIONS / 10
    assert right > _TRANSACTIONS / 8


def test_a_dead_probe_costs_one_question_in_each_cycle_and_its_neighbours_nothing() -> None:
    plot = _Plot(seed=3)
    for probe in plot.probes:
        probe.fault = lambda command: None
    dead = plot.probes.pop(7).address
    once = Timing(answer_s=0.5, gap_s=0.1, late_s=0.3, second_s=0.001, tries=1, sequences=1)
    with _line(plot.probes) as bus:
        for _ in range(3):
            cycle, before = _Cycle(len(_ADDRESSES)), dict(plot.measured)
            for address in _ADDRESSES:
                bus.submit(address, measure(address, _SHEET, Asking(once)), 20, cycle)
            silent = [f for f in cycle.wait() if f.fault is not None]
            assert [(f.address, f.fault.cause) for f in silent] == [(dead, "no answer")]
            assert [turn.data for turn in silent[0].turns] == [f"{dead}M!".encode()]
            alive = [f for f in cycle.ended if f.fault is None]
            assert all(plot.belongs(f, before[f.address]) for f in alive)
            assert len(alive) == len(_ADDRESSES) - 1
