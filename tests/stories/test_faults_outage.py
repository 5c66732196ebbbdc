"""The database goes away under load, the daemon is killed meanwhile, and nothing is missing."""

import time
from pathlib import Path

import pytest
from tests.programs import Influx1, Mosquitto, wait_until
from tests.stories.influx import Database
from tests.stories.load import (
    LONG,
    SINK,
    Publisher,
    kept_messages,
    loaded_station,
    points,
    resident_mb,
    table,
)

AWAY_S = 240 if LONG else 20
BACK_WITHIN_S = 330 if LONG else 60  # the longest wait between two tries is 300 s


@pytest.mark.timeout(900)
def test_a_database_that_was_away_has_everything_after_its_return(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    memory: dict[str, float] = {}
    with Mosquitto(tmp_path) as broker, Influx1(tmp_path) as server:
        database = Database(server, "soil")
        station = loaded_station(tmp_path / "station", broker, server.url)

        def note(when: str) -> None:
            assert station.process is not None
            memory[when] = resident_mb(station.process.pid)

        try:
            station.start()
            with Publisher(broker) as nodes:
                wait_until(lambda: database.count() > 300, "points")
                note("before")
                server.kill()
                time.sleep(AWAY_S / 2)
                note("away, before the kill")
                station.kill()
                time.sleep(1)
                station.start()
                time.sleep(5)
                note("away, 5 s after the restart")
                time.sleep(max(0, AWAY_S / 2 - 6))
                note("away, at the end")
                nodes.finish()
            wait_until(lambda: nodes.accepted <= kept_messages(station).keys(), "messages", 30)
            waits = station.ask("status")["ledgers"]["derived"]
            server.start()
            held = database.count()
            wait_until(lambda: database.count() > held, "the first points", BACK_WITHIN_S)
            begun, first = time.monotonic(), database.count()
            expected = 3 * len(nodes.accepted)
            wait_until(lambda: database.count() >= expected, "all points", 60)
            took = time.monotonic() - begun
            note("caught up")
            verdict = station.json("verify", "--deep", "--wait", "30")
            assert verdict["good"]
            assert verdict["sinks"][SINK]["read_back"] == expected
            assert sum(points(database).values()) == expected
            assert set(kept_messages(station).values()) == {1}
        finally:
            station.kill()
    rows = [
        ("messages, observations", len(nodes.accepted), expected),
        ("derived before the return", waits),
        (
            "after the first batch",
            f"{(expected - first) / max(took, 0.05):.0f} in {took:.2f} s",
        ),
        *((f"resident, {when} [MB]", f"{mb:.1f}") for when, mb in memory.items()),
    ]
    table(capfd, f"database away for {AWAY_S} s, the daemon killed meanwhile", rows)
