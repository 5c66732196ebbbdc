"""The database is away for 60 days of 60 channels a minute: nothing is missing, nothing grows.

The days are those that the nodes write into their messages; probes are asked in real time.
"""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from tests.benchmarks.nodes import NODES, broker, facts, sources
from tests.benchmarks.publisher import connect, packet, publish
from tests.programs import Influx1, Mosquitto, wait_until
from tests.stories.influx import Database, sink_table
from tests.stories.load import LONG, SINK, Probes, points, resident_mb, table
from tests.stories.station import Station, teros12_facts

from edaphon.journal import Kind, read_only

DAYS = 60 if LONG else 1
STEPS = 60 if LONG else 8  # between them memory is measured
MINUTES = DAYS * 1440 // STEPS  # of a step
PROBES = ("a", "b")
MOST_MB = 160.0  # of the daemon
GROWS_MB = 15.0
INTERVAL_S = 5  # of the probes: a slot is late when the next one is due
# The broker is no part of this; it saves nothing, and holds what comes faster than it is read.
QUIET = "persistence false\nmax_queued_messages 0\nallow_anonymous true\n"


def station_of(folder: Path, port: int, probes: str, sink: str) -> Station:
    tables = [broker(port), sources(), sink_table(sink, "soil", name=SINK)]
    tables.append(f'[bus.sdi12]\nkind = "sdi12"\nport = "{probes}"\n')
    tables += [
        f'[[source]]\nbus = "sdi12"\naddress = "{a}"\nmodel = "meter.teros12"\n'
        f'interval = "{INTERVAL_S}s"\n'
        for a in PROBES
    ]
    return Station(folder, tables, [facts(), *(teros12_facts(f"sdi12/{a}", a) for a in PROBES)])


def send(port: int, step: int, begin_ms: int) -> None:
    """All messages of some simulated hours, as fast as they are taken."""
    first = step * MINUTES
    packets = [
        packet(k * NODES + node, begin_ms + k * 60_000)
        for k in range(first, first + MINUTES)
        for node in range(NODES)
    ]
    connection = connect(port)
    publish(connection, packets, 0)
    connection.close()


def slots_of(station: Station) -> dict[str, list[tuple[int, int]]]:
    """By probe, the slot of each record and when it was kept [UTC ns]."""
    found: dict[str, list[tuple[int, int]]] = {f"sdi12/{a}": [] for a in PROBES}
    journal = read_only(station.storage / "journal")
    for _, entry in journal.scan(sources=set(found), kinds={Kind.RECORD}):
        assert entry.slot_ns is not None
        found[entry.source].append((entry.slot_ns, entry.received_ns))
    return found


@pytest.mark.timeout(7200)
def test_sixty_days_without_the_database(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    expected, memory = DAYS * 1440 * NODES * 3, []
    with (
        Probes(tmp_path) as probes,
        Mosquitto(tmp_path, QUIET) as mosquitto,
        Influx1(tmp_path) as server,
    ):
        database = Database(server, "soil")
        server.stop()
        station = station_of(tmp_path / "station", mosquitto.port, probes.port, server.url)
        try:
            station.start()
            begin_ms = int(time.time() * 1000) // 60_000 * 60_000 - DAYS * 86_400_000
            begun = time.monotonic()
            for step in range(STEPS):
                send(mosquitto.port, step, begin_ms)
                wanted = (step + 1) * MINUTES * NODES * 3

                def derived(wanted: int = wanted) -> bool:
                    return bool(station.ask("status")["ledgers"]["derived"] >= wanted)

                wait_until(derived, "values", 120)
                assert station.process is not None
                memory.append(resident_mb(station.process.pid))
            sent_s, begun = time.monotonic() - begun, time.monotonic()
            server.start()
            station.command("sink", "retry", SINK, "--config", str(station.file))
            wait_until(lambda: database.count() >= expected, "all points", 1200)
            took_s = time.monotonic() - begun
            memory.append(resident_mb(station.process.pid))
            print("resident [MB]", *(f"{mb:.0f}" for mb in memory))
            verdict = station.json("verify", *(() if LONG else ("--deep",)), "--wait", "60")
            assert verdict["good"], verdict
            counts = points(database)
            of_nodes = {n for channel, n in counts.items() if channel.startswith("node")}
            assert of_nodes == {DAYS * 1440}
            assert sum(n for c, n in counts.items() if c.startswith("node")) == expected
            late = []
            for slots in slots_of(station).values():
                assert {b - a for (a, _), (b, _) in pairwise(slots)} == {INTERVAL_S * 10**9}
                late += [(kept - slot) / 1e9 for slot, kept in slots]
        finally:
            station.kill()
    assert max(late) < INTERVAL_S
    assert max(memory) < MOST_MB
    if LONG:  # it has settled by the middle
        assert max(memory) < memory[STEPS // 2] + GROWS_MB
    rows = [
        ("points, simulated days", expected, DAYS),
        ("taken in while it was away [s]", f"{sent_s:.0f}"),
        ("caught up [s], points/s", f"{took_s:.1f}", f"{expected / took_s:.0f}"),
        (
            "resident after the first step, most later [MB]",
            f"{memory[0]:.1f}",
            f"{max(memory):.1f}",
        ),
        ("slots of probes, latest record [s]", len(late), f"{max(late):.2f}"),
    ]
    table(capfd, f"database away for {DAYS} simulated days of 60 channels a minute", rows)
