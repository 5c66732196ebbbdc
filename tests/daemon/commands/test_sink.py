"""`edaphon sink`, and what status says of points that a server refuses."""

import time
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.sinks.samples import run
from tests.fake_influx import FakeInflux
from tests.stories.station import Station

from edaphon.model import Channel
from edaphon.service.notes import dead_letter_words
from edaphon.service.process import running
from edaphon.service.service import Service

C = Channel("c", "soil_temperature", "degC", "story", "P", depth_cm="5")
FACTS = """
[[plot]]
id = "P"
[[channel]]
id = "c"
plot = "P"
quantity = "soil_temperature"
unit = "degC"
depth_cm = 5
"""


def station_of(folder: Path, url: str, bucket: str = "plots") -> Station:
    sink = (
        f'[[sink]]\nname = "s"\nkind = "influxdb"\nurl = "{url}"\nbucket = "{bucket}"\norg = "o"\n'
    )
    return Station(folder, [sink], [FACTS])


def written(service: Service, n: int) -> None:
    """Values straight into the series, as the deriver would put them."""
    service.series.merge([run(C, n=n)], {"0123456789abcdef": "{}"})
    for parts in service.sinks.values():
        parts.delivery.wake()


def test_refused_points_are_a_problem_until_they_are_taken(tmp_path: Path) -> None:
    with FakeInflux(2) as fake:
        station = station_of(tmp_path, fake.url)
        fake.refuse = lambda point: "too odd" if point["time"] // 60_000_000_000 % 2 else ""
        with running(station.file) as service:
            written(service, 84)
            until(lambda: service.state.set_aside("s"))
            until(lambda: service.sinks["s"].feed.waiting() == 0)
            n = len(service.state.set_aside("s"))
            out, _ = call(station, "status", codes=(1,))
            assert f"sink s: {n} points are set aside" in out
            assert f"{n} points refused" in out
            out, _ = call(station, "sink", "list")
            assert "too odd" in out
            assert call_json(station, "sink", "list")["s"][0]["n"] > 0
            fake.refuse = lambda _: ""
            out, _ = call(station, "sink", "retry")
            assert f"s: {n} points are offered again" in out
            until(lambda: not service.state.set_aside("s"))
            assert len(fake.points) == 84
            call(station, "status")
            assert call(station, "sink", "list")[0] == "s: no points refused\n"
            _, err = call(station, "sink", "retry", "t", codes=(1,))
            assert "expected the name of a sink (s), got 't'" in err
    _, err = call(station, "sink", "retry", codes=(75,))
    assert "start it with `edaphon run`" in err


def test_a_lost_database_is_filled_again_and_a_new_place_from_the_beginning(
    tmp_path: Path,
) -> None:
    with FakeInflux(2) as fake, FakeInflux(2) as other:
        station = station_of(tmp_path, fake.url)
        with running(station.file) as service:
            written(service, 60)
            until(lambda: len(fake.points) == 60)
            fake.points.clear()
            call(station, "sink", "resend", "s", "--since", "2026-01-01T00:30:00")
            until(lambda: len(fake.points) == 30)
            call(station, "sink", "resend", "s")
            until(lambda: len(fake.points) == 60)
            until(lambda: service.sinks["s"].feed.waiting() == 0)
            before = len(fake.writes)
        with running(station.file) as service:
            time.sleep(0.3)
            assert len(fake.writes) == before  # the same place: nothing is sent again
        station.file.write_text(station.file.read_text().replace(fake.url, other.url))
        with running(station.file) as service:
            until(lambda: len(other.points) == 60)


def test_what_a_server_refused_is_offered_again_after_the_state_file_was_lost(
    tmp_path: Path,
) -> None:
    with FakeInflux(2) as fake:
        station = station_of(tmp_path, fake.url)
        fake.refuse = lambda point: "too odd" if point["time"] // 60_000_000_000 % 2 else ""
        with running(station.file) as service:
            written(service, 84)
            until(lambda: service.state.set_aside("s"))
            until(lambda: service.sinks["s"].feed.waiting() == 0)
        for path in station.storage.glob("state.sqlite*"):
            path.unlink()
        fake.refuse = lambda _: ""
        with running(station.file):
            until(lambda: len(fake.points) == 84)


@pytest.mark.parametrize(
    ("dead", "of", "stated"),
    [
        (0, 0, False),
        (99, 99, False),
        (100, 100, True),
        (100, 50_000, False),
        (150_000, 10**8, True),
    ],
)
def test_many_dead_letters_are_a_problem_and_a_few_are_not(
    dead: int, of: int, stated: bool
) -> None:
    words = list(dead_letter_words(dead, of))
    assert bool(words) is stated
    assert all(f"{dead} dead letters" in each for each in words)
