"""`verify --deep` against a fake InfluxDB 2: its bucket is read back by Flux."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.commands.test_files import HEAD, MODEL, SOURCE
from tests.daemon.commands.test_visit import FACTS
from tests.fake_influx import FakeInflux, Play
from tests.stories.station import Station

from edaphon.service.process import running

AWAY = Play(503, body=b"{}")
ROWS = [f"2026-04-01 12:{minute},5.{minute}\n" for minute in range(10, 60, 10)]


class Plot:
    """A followed file with two rows, and its points in a bucket."""

    def __init__(self, folder: Path, fake: FakeInflux) -> None:
        self.fake, self.token = fake, folder / "token"
        self.token.write_text("secret-of-the-bucket")
        self.token.chmod(0o600)
        self.file = folder / "data" / "a.csv"
        self.file.parent.mkdir()
        self.write(2)
        sink = (
            f'[[sink]]\nname = "db"\nkind = "influxdb"\nversion = 2\nurl = "{fake.url}"\n'
            f'bucket = "plots"\norg = "lter"\ntoken = {{ file = "{self.token}" }}\n'
        )
        parts = [MODEL, SOURCE.replace("FOLDER", str(self.file.parent)), sink]
        self.station = Station(folder, parts, [FACTS])
        with running(self.station.file):
            until(lambda: len(fake.points) == 2)

    def write(self, rows: int) -> None:
        self.file.write_text(HEAD + "".join(ROWS[:rows]))

    def refuse(self, what: str) -> None:
        """Requests of this path find the server away."""
        self.fake._door = lambda request: AWAY if request.path.endswith(what) else None

    def lose_a_point(self) -> None:
        del self.fake.points[next(iter(self.fake.points))]


@pytest.fixture
def plot(tmp_path: Path) -> Iterator[Plot]:
    with FakeInflux(2) as fake:
        yield Plot(tmp_path, fake)


def test_every_number_of_the_bucket_is_compared_and_a_missing_one_is_found(plot: Plot) -> None:
    plot.write(5)
    with running(plot.station.file):
        until(lambda: len(plot.fake.points) == 5)
    assert "5 current = 5 read back" in call(plot.station, "verify", "--deep")[0]
    paths = {request.path for request in plot.fake.requests}
    assert paths == {"/api/v2/write", "/api/v2/query"}
    plot.lose_a_point()
    found = call_json(plot.station, "verify", "--deep", codes=(1,))["sinks"]["db"]
    assert found["differs"] == ["x 2026-04-01: expected 5 points, the server has 4"]
    assert (found["current"], found["delivered"], found["waiting"]) == (5, 4, 0)
    assert found["closes"] is False


def test_rows_that_wait_are_not_taken_for_delivered_ones(plot: Plot) -> None:
    plot.refuse("write")
    plot.write(3)
    with running(plot.station.file):
        until(lambda: call_json(plot.station, "status", codes=(0, 1))["ledgers"]["derived"] == 3)
    found = call_json(plot.station, "verify", "--deep")["sinks"]["db"]
    assert (found["current"], found["delivered"], found["waiting"]) == (3, 2, 1)
    plot.lose_a_point()
    found = call_json(plot.station, "verify", "--deep", codes=(1,))["sinks"]["db"]
    assert found["differs"] == ["x 2026-04-01: expected at least 2 points, the server has 1"]
    assert found["delivered"] == 1


def test_a_token_that_cannot_be_read_proves_nothing(plot: Plot) -> None:
    plot.token.write_text("no t\u00f6ken")
    sink = call_json(plot.station, "verify", codes=(1,))["sinks"]["db"]
    assert (sink["closes"], sink["differs"][0][:19]) == (None, "can't be read back:")


def test_a_server_that_is_away_proves_nothing(plot: Plot) -> None:
    plot.refuse("query")
    found = call_json(plot.station, "verify", codes=(1,))
    sink = found["sinks"]["db"]
    assert (sink["delivered"], sink["read_back"], sink["closes"]) == (None, None, None)
    assert "can't be read back" in sink["differs"][0]
    assert not found["good"]
    text, errors = call(plot.station, "verify", codes=(1,))
    assert "2 current = not read back + 0 refused + 0 waiting   UNKNOWN" in text
    assert "resend" not in text
    assert "RECORDS MISSING" not in errors
    assert "see the lines that end with UNKNOWN" in errors
