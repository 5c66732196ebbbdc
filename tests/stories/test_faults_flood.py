"""Strangers flood a broker and a followed folder: neighbours go on, and every count is exact.

EDAPHON_FAULTS=long floods for ten minutes with 5,000 messages a second, else for some seconds.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from paho.mqtt.publish import single
from tests.programs import ROOT, Mosquitto, wait_until
from tests.stories.load import LONG, Probes, cpu_s, kept_messages, loaded_station, table
from tests.stories.station import Station

from edaphon.acquire.slots import Gap, is_flood
from edaphon.journal import Kind, read_only
from edaphon_drivers.readings import unpack_message

PER_S, SECONDS, SIZE = (5000, 600, 150) if LONG else (2000, 5, 150)
KILLS = 10 if LONG else 2
SPARSE_BYTES = 400_000_000
UNKNOWN_MB = 1
OTHERS_BYTES = 60_000_000 if LONG else 25_000_000  # all else that a station writes


def fast_broker(folder: Path) -> Mosquitto:
    """The shipped one saves its queue at each message that waits, and so slows a flood itself."""
    shipped = (ROOT / "deploy" / "mosquitto" / "edaphon.conf").read_text("utf-8")
    lines = {
        "autosave_on_changes true": "autosave_on_changes false",
        "autosave_interval 1": "autosave_interval 600",
    }
    for line, other in lines.items():
        assert f"\n{line}\n" in shipped
        shipped = shipped.replace(f"\n{line}\n", f"\n{other}\n")
    return Mosquitto(folder, shipped)


def flood(broker: Mosquitto, seconds: float) -> "subprocess.Popen[str]":
    words = [broker.host, broker.port, PER_S, seconds, SIZE]
    command = [sys.executable, "-m", "tests.stories.flooder", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def published(flooding: "subprocess.Popen[str]") -> int:
    out, _ = flooding.communicate(timeout=20 * SECONDS + 120)
    assert flooding.returncode == 0
    return int(out)


def flooded_station(folder: Path, broker: Mosquitto, port: str) -> Station:
    station = loaded_station(folder, broker, port=port)
    (folder / "data").mkdir()
    text = station.file.read_text()
    station.file.write_text(
        f"{text}\n[budget]\nunknown_mb_per_day = {UNKNOWN_MB}\n"
        f'[[source]]\nname = "logger"\nfile = "{folder}/data/*.dat"\n'
        'model = "campbell.toa5"\nsettings = { utc_offset = "+00:00" }\n'
    )
    return station


def wait_subscribed(station: Station, broker: Mosquitto) -> None:
    """Until a message of a configured topic arrives."""

    def arrives() -> bool:
        single("plot/node0", b"{}", qos=1, hostname=broker.host, port=broker.port)
        return bool(kept_messages(station))

    wait_until(arrives, "the subscription", 60)


def kept(station: Station) -> int:
    """Messages of strangers in the journal."""
    records = read_only(station.storage / "journal").scan(sources={"local"}, kinds={Kind.RECORD})
    topics = (unpack_message(entry.payload).topic for _, entry in records)
    return sum(topic.startswith("plot/stranger") for topic in topics)


def declared(station: Station, source: str) -> list[Gap]:
    entries = read_only(station.storage / "journal").scan(sources={source}, kinds={Kind.GAP})
    return [Gap.of_payload(entry.payload) for _, entry in entries if is_flood(entry)]


def counted(station: Station) -> int:
    found = station.ask("status")["floods"]
    return sum(one["n"] for one in found if one["source"] == "local")


def size_of(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def missed(station: Station) -> dict[str, int]:
    """Slots of the probes in gaps, by cause."""
    return dict(station.ask("status")["ledgers"]["gaps"])


@pytest.mark.timeout(40 * SECONDS + 300)
def test_a_flood_costs_neighbours_nothing_and_kept_and_counted_are_all_that_came(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Probes(tmp_path) as probes, fast_broker(tmp_path) as broker:
        station = flooded_station(tmp_path / "station", broker, probes.port)
        try:
            station.start()
            wait_subscribed(station, broker)
            reserve = size_of(station.storage)
            before, begun = cpu_s(station.process.pid), time.monotonic()
            flooding = flood(broker, SECONDS)
            with (tmp_path / "station" / "data" / "a.dat").open("wb") as file:
                file.write(b'"TOA5","x"\n')
                file.truncate(SPARSE_BYTES)
                file.seek(SPARSE_BYTES - 1)
                file.write(b"\n")
            n = published(flooding)
            used, passed_s = cpu_s(station.process.pid) - before, time.monotonic() - begun
            wait_until(lambda: kept(station) + counted(station) >= n, "all messages", 120)
            of_file = [row for row in station.ask("status")["floods"] if "file" in row["source"]]
            gaps = missed(station)
            status = station.ask("status")
            incidents = [one["cause"] for one in status["incidents"] if one["what"] == "flood"]
            wrong = [*status["trouble"], *incidents]  # an incident's words stand for the problem's
            written = size_of(station.storage) - reserve
            took_s = station.stop()
            verdict = station.json("verify")
        finally:
            station.kill()
        own = declared(station, "local")
        total = kept(station) + sum(gap.n for gap in own)
        sparse = sum(int(gap.detail.split()[0]) for gap in declared(station, "file/logger"))
    table(
        capfd,
        f"A flood of {n} messages in {passed_s:.0f} s",
        [
            ("kept, counted, gap entries", kept(station), n - kept(station), len(own)),
            ("CPU of the daemon [s]", f"{used:.1f}"),
            ("written [MB]", f"{written / 1e6:.1f}"),
            ("slots missed", gaps),
            ("stop [s]", f"{took_s:.1f}"),
        ],
    )
    assert total == n
    assert verdict["good"]
    assert verdict["floods"]["local"] == n - kept(station)
    assert sum(gap.n for gap in own) > n / 2
    assert written < UNKNOWN_MB * 1e6 + OTHERS_BYTES
    assert sum(gaps.values()) <= (0 if LONG else 0.2 * 2 * passed_s)
    assert SPARSE_BYTES - 10_000_000 < sparse <= SPARSE_BYTES
    assert of_file
    assert any("budget of local" in words or words == "broker local" for words in wrong)


@pytest.mark.timeout(40 * SECONDS + 300)
def test_kills_in_the_midst_of_a_flood_lose_no_count(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with fast_broker(tmp_path) as broker:
        station = flooded_station(tmp_path / "station", broker, "")
        try:
            station.start()
            wait_subscribed(station, broker)
            flooding = flood(broker, SECONDS)
            for _ in range(KILLS):
                before = counted(station)
                wait_until(lambda k=before: counted(station) > k + PER_S / 2, "a flood", 60)
                station.kill()
                station.start()
            n = published(flooding)
            wait_until(lambda: kept(station) + counted(station) >= n, "all messages", 240)
            time.sleep(2)
            again = sum(row["again"] for row in station.ask("status")["floods"])
            station.stop()
        finally:
            station.kill()
        total = kept(station) + sum(gap.n for gap in declared(station, "local"))
    row = "published, kept and counted, of them with DUP", n, total, again
    table(capfd, f"{KILLS} kills in a flood", [row])
    assert n <= total <= n + again
