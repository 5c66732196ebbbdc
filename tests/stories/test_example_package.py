"""The package in tests/example_package: installed, recorded with, removed, installed again."""

import base64
import csv
import json
import shutil
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.programs import Mosquitto, wait_until
from tests.stories.sending import broker_table, publish
from tests.stories.station import Station

SOURCE = Path(__file__).parent.parent / "example_package"
EUI, PACKAGE = "A84041B2C1D5E6F7", "edaphon-example 1.0"
CELSIUS = 'quantity = "soil_temperature"\nunit = "degC"\n'


class _Thermometer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(64):
            if data.endswith(b"R\r\n"):
                self.request.sendall(b"T=20.00\r\n")


@pytest.fixture
def thermometer() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Thermometer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def install(scratch: Path, target: Path, version: str = "1.0") -> None:
    """Without a network; the folder of the source stays as it is."""
    source = shutil.copytree(SOURCE, scratch / "source", dirs_exist_ok=True)
    text = (source / "pyproject.toml").read_text()
    (source / "pyproject.toml").write_text(text.replace('"1.0"', f'"{version}"'))
    words = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    words += ["--disable-pip-version-check", "--upgrade", "--target", str(target), str(source)]
    subprocess.run([sys.executable, "-m", *words], check=True)


CHANNELS = ("asked", "bent", "plain", "sent")


def channel(id: str, source: str, output: str, checks: str = "") -> str:
    return (
        f'[[channel]]\nid = "{id}"\nplot = "p"\nreplicate = {CHANNELS.index(id) + 1}\n{CELSIUS}'
        f"depth_cm = 5\n{checks}"
        f'[[deployment]]\nid = "d-{id}"\nchannel = "{id}"\nsource = "{source}"\n'
        f'output = "{output}"\n'
    )


def station_of(folder: Path, port: int, broker: Mosquitto) -> Station:
    kept = folder / "kept.csv"
    tables = [
        f'[bus.line]\nkind = "example-line"\nport = "example://127.0.0.1:{port}"\n',
        '[[source]]\nbus = "line"\nmodel = "example.thermometer"\ninterval = "1s"\n',
        broker_table(broker, "net", "up/#", "example-server"),
        f'[[source]]\nbroker = "net"\ndev_eui = "{EUI}"\nmodel = "decentlab.dl-trs12"\n',
        broker_table(broker, "local", "node"),
        '[[source]]\nbroker = "local"\ntopic = "node"\n'
        f'[[source.field]]\nname = "t"\npath = "t"\n{CELSIUS}',
        f'[[sink]]\nname = "csv"\nkind = "example-csv"\npath = "{kept}"\n',
        f'[[sink]]\nname = "lines"\nkind = "jsonl"\nfolder = "{folder / "lines"}"\n',
    ]
    facts = [
        '[[plot]]\nid = "p"\n',
        channel(
            "asked", "line/0", "temperature", checks="checks = { example_round = { step = 1 } }\n"
        ),
        channel("bent", "local/node", "t"),
        channel("plain", "local/node", "t"),
        channel("sent", f"net/{EUI.lower()}", "soil_temperature"),
        '[[calibration]]\nid = "c"\nchannel = "bent"\ncurve = "example_bend"\n'
        "parameters = { bend = 0.001 }\n",
    ]
    return Station(folder, tables, facts)


def uplink(count: int) -> bytes:
    """The sample message of the DL-TRS12 datasheet, 31.7 degC."""
    data = base64.b64encode(bytes.fromhex("0210d3000346be813d00000c80")).decode()
    return json.dumps({"device": EUI, "port": 1, "count": count, "bytes": data}).encode()


def rows(station: Station, name: str) -> list[dict[str, str]]:
    text = station.command("query", name, "--config", str(station.file))
    return list(csv.DictReader(text.splitlines()))


@contextmanager
def running(station: Station) -> Iterator[None]:
    station.start()
    try:
        yield
    finally:
        station.stop()


def refused(station: Station) -> str:
    """What `check` says of the errors."""
    words = [sys.executable, "-m", "edaphon", "check", str(station.file)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 3
    return done.stderr


def send(broker: Mosquitto, count: int) -> None:
    publish(broker, [("up/1", uplink(count)), ("node", b'{"t": 20.0}')])


@pytest.mark.timeout(240)
def test_a_package_is_installed_used_removed_and_installed_again(
    tmp_path: Path, thermometer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, removed = tmp_path / "packages", tmp_path / "removed"
    install(tmp_path, target)
    monkeypatch.setenv("PYTHONPATH", str(target))
    with Mosquitto(tmp_path / "broker") as broker:
        station = station_of(tmp_path / "station", thermometer, broker)
        assert PACKAGE in station.command("check", str(station.file))
        with running(station):
            wait_until(lambda: bool(rows(station, "asked")), "an answer", 30)
            send(broker, 1)
            wait_until(lambda: all(rows(station, name) for name in CHANNELS), "values", 60)
            assert set(station.json("status")["packages"].values()) == {PACKAGE}
        before = {name: rows(station, name) for name in CHANNELS}
        assert before["bent"][0]["value"] == "20.4"
        assert {row["flag"] for row in before["asked"]} == {"3"}  # by the check
        for name in CHANNELS:
            words = ("explain", name, before[name][0]["time"], "--config", str(station.file))
            assert (PACKAGE in station.command(*words)) == (name != "plain")
        assert PACKAGE in station.command("cal", "show", "c", "--config", str(station.file))
        verified = station.json("verify", "--deep")["sinks"]
        assert (verified["csv"]["read_back"], verified["csv"]["closes"]) == (None, None)
        assert verified["csv"]["notes"] == ["a sink of kind example-csv can't be read back"]
        assert verified["lines"]["closes"]
        assert verified["lines"]["read_back"] >= 3  # what waited at the stop is not compared

        target.rename(removed)
        assert refused(station).count(f"install {PACKAGE} again") == 6
        with running(station):
            send(broker, 2)
            wait_until(lambda: len(rows(station, "plain")) == 2, "a value without the package", 60)
            time.sleep(3)  # slots in which nobody is asked
            problems = "".join(station.json("status", codes=(1,))["trouble"])
            assert problems.count(f"install {PACKAGE} again") == 4
            assert f"the sink example-csv of {PACKAGE} is not installed" in problems
        after = {name: rows(station, name) for name in CHANNELS}
        assert {n: after[n] for n in CHANNELS if n != "plain"} == {
            n: before[n] for n in CHANNELS if n != "plain"
        }

        removed.rename(target)
        with running(station):
            wait_until(lambda: len(rows(station, "bent")) == 2, "what was kept", 60)
            wait_until(lambda: len(rows(station, "sent")) == 2, "what was kept", 60)
            wait_until(lambda: len(rows(station, "asked")) > len(before["asked"]), "more", 60)
            assert station.json("status")["ledgers"]["gaps"]["package missing"] > 0
        assert station.json("verify")["good"]
        for name in CHANNELS:
            assert rows(station, name)[: len(before[name])] == before[name]

        shutil.rmtree(target)
        install(tmp_path, target, "1.1")
        with running(station):
            wait_until(
                lambda: moved(station, before) == {"asked", "bent", "sent"}, "a new name", 60
            )
        points = (tmp_path / "station" / "kept.csv").read_text().splitlines()
        assert {line.partition(",")[0] for line in points} == set(CHANNELS)


def moved(station: Station, before: dict[str, list[dict[str, str]]]) -> set[str]:
    """The channels whose first value has another derivation now."""
    now = {name: rows(station, name)[0]["derivation"] for name in CHANNELS}
    return {name for name in CHANNELS if now[name] != before[name][0]["derivation"]}
