"""The life of a plot whose cables were crossed, from wire to InfluxDB, and what was seen of it."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.daemon.commands.calling import call, call_json
from tests.instants import Instants
from tests.programs import Influx1, wait_until
from tests.stories.crossed import (
    CHANNELS,
    CONFIRMED,
    FOUND,
    MIDDLE,
    RIGHTED,
    SERIALS,
    SLOT_NS,
    SLOTS,
    SWAPPED,
    Belief,
    N,
    answer,
    hanging,
    instant,
)
from tests.stories.crossed_facts import AT_START, PATHS
from tests.stories.influx import Database, Point
from tests.stories.played import IdleWatch, PlayedClock
from tests.stories.station import Station

from edaphon.journal import read_only
from edaphon.service.process import running
from edaphon.service.service import Service
from edaphon.service.sources import Overrides
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Timing

__all__ = ["ASKED", "Moment", "Row", "Story"]

Row = Mapping[str, Any]

# What is explained while that is believed.
ASKED: dict[Belief, list[tuple[str, int]]] = {
    Belief.FIRST: [("P1-vwc-5", SWAPPED + 4), ("P1-vwc-20", 3)],
    Belief.SWAP: [("P1-vwc-5", SWAPPED + 1), ("P1-vwc-5", SWAPPED + 4), ("P1-vwc-20", 300)],
    Belief.CROSSED: [(id, n) for id in CHANNELS for n in (3, 300)],
    Belief.SOIL: [("P1-vwc-20", 300), ("P1-vwc-20", RIGHTED + 5)],
    Belief.DRIFT: [("P1-temp-5", MIDDLE), ("P1-temp-20", RIGHTED), ("P1-temp-20", FOUND)],
    Belief.CHECKED: [("P1-temp-20", FOUND), ("P1-temp-20", CONFIRMED), ("P1-temp-5", SWAPPED + 4)],
}


class Moment(NamedTuple):
    """What people and InfluxDB saw while something was believed."""

    problem: list[str]
    printed: Mapping[str, str]  # by `edaphon query`
    points: Mapping[str, Mapping[int, Point]]
    points_in_all: int

    def rows(self, channel: str) -> dict[int, Row]:
        """By slot."""
        return {SLOT_OF[row["time"]]: row for row in json.loads(self.printed[channel])}


SLOT_OF = {instant(n).replace("+00:00", "Z"): n for n in range(N)}


class Story:
    """The station with its wire and its clock over several lives of the service."""

    def __init__(self, folder: Path, server: Influx1) -> None:
        self._slots: list[int] = []
        self._watch = IdleWatch(quiet_s=0.001)
        self.clock = PlayedClock(self._slots, SLOTS[0] - SLOT_NS // 8, self._watch)
        self._line = SimulatedBus([self._hung(a) for a in PATHS], second_s=0.001)
        self.database = Database(server, "crossed")
        sources = "".join(
            f'[[source]]\nbus = "sdi12"\naddress = "{a}"\nmodel = "meter.teros12"\n'
            f'interval = "8h"\n'
            for a in PATHS
        )
        bus = f'[bus.sdi12]\nkind = "sdi12"\nport = "{self._line.start()}"\n'
        self.station = Station(folder, [bus, sources, self.database.sink], [AT_START])
        self.moments: dict[Belief, Moment] = {}
        self.ways: dict[tuple[Belief, str, int], Row] = {}
        self.learned: dict[Belief, float] = {}  # when [slots]
        self.foreseen: dict[Belief, Row] = {}
        self.released: Row = {}

    @property
    def n(self) -> float:
        return (self.clock.wall_ns() - SLOTS[0]) / SLOT_NS

    def _hung(self, address: str) -> Probe:
        """Whatever hangs there at the time, under its own serial number."""

        def fault(_: str) -> str | None:
            serial = SERIALS.get(hanging(address, round(self.n)))
            probe.identity = f"14METER   TER12 312{serial}"
            return "silent" if serial is None else None

        probe = Probe(
            address,
            "",
            values=lambda: answer(address, round(self.n)),
            seconds=0,
            fault=fault,
        )
        return probe

    def stop(self) -> None:
        self._line.stop()

    @contextmanager
    def life(self, until: int) -> Iterator[None]:
        """The service at work from the next slot to before `until`, with all delivered."""
        coming = range(len(self._slots), until)
        self._slots += SLOTS[coming.start : until]
        overrides = Overrides(
            clock=self.clock,
            schedules={path: Instants(SLOTS[:until]) for path in PATHS.values()},
            timing=Timing(answer_s=0.15, gap_s=0.002, late_s=0.05, second_s=0.001),
            make_bus=self._watch.make_bus,
        )
        records = sum(bool(answer(address, n)) for address in PATHS for n in coming)
        with running(self.station.file, overrides) as service:
            self._recorded(service, records)
            self.settle()
            yield
            assert service.problem == {}

    def _recorded(self, service: Service, records: int) -> None:
        wait_until(lambda: service.sources.taken >= records, "the last record", within_s=90)
        self._watch.wait_idle(threading.Event())  # who is there is asked after a record

    def settle(self) -> None:
        def done() -> bool:
            """In the order in which it comes about, so that no step is passed over."""
            status = self.station.ask("status")
            last = read_only(self.station.storage / "journal").last
            if status["journal"]["position"] != str(last):
                return False
            if not self.station.ask("rebuild")["done"]:
                return False
            return not any(self.station.ask("status")["ledgers"]["waiting"].values())

        self.station.ask("flush")  # all that was handed to the journal is committed
        wait_until(done, "all derived and delivered", within_s=40)

    def pass_to(self, n: float) -> None:
        """Time goes by while nothing is due."""
        ahead = SLOTS[0] + round(n * SLOT_NS) - self.clock.wall_ns()
        assert ahead > 0
        self.clock.wait_until(self.clock.mono_ns() + ahead, threading.Event())

    def learn(self, belief: Belief, text: str, *verb: str) -> None:
        """`edaphon VERB` of a file with these facts, as a real process; then look what became."""
        self.learned[belief] = self.n
        path = self.station.folder / f"{belief.name.lower()}.toml"
        path.write_text(text)
        self.foreseen[belief] = self.station.json(*verb, str(path))
        assert self.foreseen[belief]["applied"] == len(self.foreseen[belief]["new"]) > 0
        self.settle()

    def look(self, belief: Belief) -> None:
        self.moments[belief] = Moment(
            self.station.ask("status")["trouble"],
            {id: self.query(id) for id in CHANNELS},
            {id: self.database.points(quantity, id) for id, quantity in CHANNELS.items()},
            self.database.count(),
        )
        for channel, n in ASKED[belief]:
            words = ("explain", channel, instant(n))
            self.ways[belief, channel, n] = call_json(self.station, *words, codes=(0, 1))

    def query(self, channel: str, *words: str) -> str:
        return call(self.station, "query", channel, "--format", "json", *words)[0]
