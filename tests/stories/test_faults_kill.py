"""kill -9 of the whole daemon, again and again, under probes, messages and an upload."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.programs import Influx1, Mosquitto, wait_until
from tests.stories import auto_ack_daemon
from tests.stories.influx import Database
from tests.stories.load import (
    NODES,
    SINK,
    Probes,
    Publisher,
    Spread,
    cpu_s,
    kept_messages,
    loaded_station,
    points,
    random_of,
    table,
)
from tests.stories.station import Station

from edaphon.journal import Entry, Kind, read_only
from edaphon.storage.client import DaemonOff

KILLS = int(os.environ.get("EDAPHON_KILLS", "60"))
CHANNELS_OF_A_NODE = ("vwc", "temp", "ec")
ROUNDS_OF_A_WRONG_DAEMON = 15
# One that saves itself at each message is so slow to read acknowledgements that a kill may
# overtake them, and a daemon that acknowledges too early goes unpunished.
QUICK_BROKER = "allow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 100000\n"


@dataclass
class Lives:
    """Seconds from the start of each process that was watched, and the CPU seconds until then."""

    answered: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    probed: list[float] = field(default_factory=list)

    def watch(self, station: Station) -> None:
        """One start, until it answers and both a message and a probe are recorded again."""
        reader, begun = read_only(station.storage / "journal"), time.monotonic()
        last = reader.last if reader.folder.exists() else None
        self.answered.append(station.start())
        assert station.process is not None
        self.cpu.append(cpu_s(station.process.pid))
        seen: set[str] = set()
        while seen != {"local", "sdi12"}:
            assert station.process.poll() is None, station.log()
            assert time.monotonic() - begun < 30, f"recorded again: {seen}; {station.log()}"
            page = reader.after(last, 4000)
            last = page[-1][0] if page else last
            for source in {_bus(e) for _, e in page if e.kind == Kind.RECORD} - seen:
                seen.add(source)
                took = time.monotonic() - begun
                (self.received if source == "local" else self.probed).append(took)
            time.sleep(0.03)

    def rows(self) -> Iterator[tuple[object, ...]]:
        yield "start until the socket answers [s]", Spread(self.answered)
        yield "CPU until then [s]", Spread(self.cpu)
        yield "start until a message is kept again [s]", Spread(self.received)
        yield "start until a probe's answer is kept again [s]", Spread(self.probed)


def _bus(entry: Entry) -> str:
    return entry.source.partition("/")[0]


@contextmanager
def flushing(station: Station) -> Iterator[None]:
    """Ask for a flush several times a second, so that kills meet checkpoints half written."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.2):
            with suppress(DaemonOff, OSError):
                station.ask("flush")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def survive(station: Station, kills: int, lives: Lives) -> None:
    """Start and kill; each fifth life ends while it still starts, each second one flushes."""
    rng = random_of("kills")
    for k in range(kills):
        if k % 5 == 4:
            station.launch()
            time.sleep(rng.uniform(0.05, 0.9))
        elif k % 2:
            lives.watch(station)
            with flushing(station):
                time.sleep(rng.uniform(0, 1.5))
                station.kill()
        else:
            lives.watch(station)
            time.sleep(rng.uniform(0, 1.5))
        station.kill()


def assert_probes_have_every_slot(station: Station) -> None:
    """Counted here once more, apart from `edaphon verify`."""
    records: dict[str, list[int]] = {}
    in_gaps: dict[str, int] = {}
    for _, entry in read_only(station.storage / "journal").scan(kinds={Kind.RECORD, Kind.GAP}):
        if entry.slot_ns is not None:
            records.setdefault(entry.source, []).append(entry.slot_ns)
    verdict = station.json("verify")["slots"]
    for path, slots in records.items():
        assert len(set(slots)) == len(slots)
        in_gaps[path] = verdict[path]["in_gaps"]
        span = (max(slots) - min(slots)) // 10**9 + 1
        assert span <= len(slots) + in_gaps[path] <= span + 60  # a gap may stand at either end
    assert in_gaps.keys() == {"sdi12/a", "sdi12/b"}
    assert all(in_gaps.values())


def expected_points(kept: set[bytes], station: Station) -> dict[str, int]:
    """By channel, from the records of the journal alone."""
    per_node = [0] * len(NODES)
    for payload in kept:
        per_node[int(payload.partition(b'"n":')[2].partition(b",")[0]) % len(NODES)] += 1
    found = {
        f"{node}-{name}": n
        for node, n in zip(NODES, per_node, strict=True)
        for name in CHANNELS_OF_A_NODE
    }
    records = read_only(station.storage / "journal").scan(kinds={Kind.RECORD})
    probed = [entry.source[-1] for _, entry in records if entry.slot_ns is not None]
    for address in "ab":
        n = probed.count(address)
        found |= {f"probe-{address}-{name}": n for name in ("vwc", "temp")}
    return found


@pytest.mark.timeout(900)
def test_nothing_that_was_accepted_is_lost_or_doubled_over_many_kills_of_the_daemon(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lives, begun = Lives(), time.monotonic()
    with (
        Mosquitto(tmp_path) as broker,
        Influx1(tmp_path) as server,
        Probes(tmp_path) as probes,
    ):
        database = Database(server, "soil")
        station = loaded_station(tmp_path / "station", broker, server.url, probes.port)
        try:
            station.start()  # the session exists from now on
            with Publisher(broker) as nodes:
                station.kill()
                survive(station, KILLS, lives)
                lives.watch(station)
                nodes.finish()
            probes.bus.unplug()  # so that the counts stand still
            wait_until(lambda: len(kept_messages(station)) >= len(nodes.accepted), "messages", 60)
            verdict = station.json("verify", "--deep", "--wait", "30")
            assert verdict["good"]
            assert verdict["sinks"][SINK]["waiting"] == 0
            kept = kept_messages(station)
            assert set(kept) == nodes.accepted
            assert [payload for payload, n in kept.items() if n != 1] == []
            assert_probes_have_every_slot(station)
            assert station.json("rebuild")["differing"] == 0
            assert points(database) == expected_points(set(kept), station)
        finally:
            station.kill()
    expected = expected_points(set(kept), station)
    slots = verdict["slots"].items()
    rows = [
        ("messages accepted, and kept once", len(nodes.accepted), len(kept)),
        ("points in InfluxDB, channels", sum(expected.values()), len(expected)),
        *((f"slots of {p}: records, in gaps", s["records"], s["in_gaps"]) for p, s in slots),
        *lives.rows(),
        ("whole test [s]", round(time.monotonic() - begun)),
    ]
    table(capfd, f"{KILLS} kills of the daemon", rows)


@pytest.mark.timeout(300)
def test_a_daemon_that_acknowledges_before_the_commit_loses_messages_to_the_same_kills(
    tmp_path: Path,
) -> None:
    lost: set[bytes] = set()
    with Mosquitto(tmp_path, QUICK_BROKER) as broker:
        program = (auto_ack_daemon.__file__,)
        station = loaded_station(tmp_path / "station", broker, program=program)
        rng = random_of("wrong daemon")
        station.start()
        try:
            for _ in range(ROUNDS_OF_A_WRONG_DAEMON):
                with Publisher(broker, per_s=600) as nodes:
                    before = sum(kept_messages(station).values())
                    wait_until(
                        lambda n=before: sum(kept_messages(station).values()) > n, "messages"
                    )
                    time.sleep(rng.uniform(0, 0.5))
                    station.kill()
                    nodes.finish()
                station.start()
                last = nodes.sent[-1]
                wait_until(lambda k=last: k in kept_messages(station), "the last message")
                lost |= nodes.accepted - kept_messages(station).keys()
                if lost:
                    break
        finally:
            station.kill()
    assert lost
