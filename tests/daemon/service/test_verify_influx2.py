"""`verify --deep` against a fake InfluxDB 2: its bucket is read back by Flux."""

from pathlib import Path

from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.commands.test_files import HEAD, MODEL, SOURCE
from tests.daemon.commands.test_visit import FACTS
from tests.fake_influx import FakeInflux, Play
from tests.stories.station import Station

from edaphon.service.process import running


def test_every_number_of_the_bucket_is_compared_and_a_missing_one_is_found(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = "".join(f"2026-04-01 12:{minute},5.{minute}\n" for minute in range(10, 60, 10))
    (data / "a.csv").write_text(f"{HEAD}{rows}")
    with FakeInflux(2) as fake:
        sink = (
            f'[[sink]]\nname = "db"\nkind = "influxdb"\nversion = 2\nurl = "{fake.url}"\n'
            'bucket = "plots"\norg = "lter"\n'
        )
        parts = [MODEL, SOURCE.replace("FOLDER", str(data)), sink]
        station = Station(tmp_path, parts, [FACTS])
        with running(station.file):
            until(lambda: len(fake.points) == 5)
        assert "5 current = 5 read back" in call(station, "verify", "--deep")[0]
        assert {request.path for request in fake.requests} == {"/api/v2/write", "/api/v2/query"}
        del fake.points[next(iter(fake.points))]
        found = call_json(station, "verify", "--deep", codes=(1,))["sinks"]["db"]
        assert found["differs"] == ["x 2026-04-01: expected 5 points, the server has 4"]
        assert (found["current"], found["delivered"], found["waiting"]) == (5, 4, 0)


def test_rows_that_wait_are_not_taken_for_delivered_ones(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = data / "a.csv"
    file.write_text(f"{HEAD}2026-04-01 12:10,5.1\n2026-04-01 12:20,5.2\n")
    with FakeInflux(2) as fake:
        sink = (
            f'[[sink]]\nname = "db"\nkind = "influxdb"\nversion = 2\nurl = "{fake.url}"\n'
            'bucket = "plots"\norg = "lter"\n'
        )
        parts = [MODEL, SOURCE.replace("FOLDER", str(data)), sink]
        station = Station(tmp_path, parts, [FACTS])
        with running(station.file):
            until(lambda: len(fake.points) == 2)
        refused = Play(503, body=b"{}")
        fake._door = lambda request: refused if request.path.endswith("write") else None
        file.write_text(f"{HEAD}2026-04-01 12:10,5.1\n2026-04-01 12:20,5.2\n2026-04-01 12:30,5.3\n")
        with running(station.file):
            until(lambda: call_json(station, "status", codes=(0, 1))["ledgers"]["derived"] == 3)
        found = call_json(station, "verify", "--deep")["sinks"]["db"]
        assert (found["current"], found["delivered"], found["waiting"]) == (3, 2, 1)
        del fake.points[next(iter(fake.points))]
        found = call_json(station, "verify", "--deep", codes=(1,))["sinks"]["db"]
        assert found["differs"] == ["x 2026-04-01: expected at least 2 points, the server has 1"]
        assert found["delivered"] == 1
