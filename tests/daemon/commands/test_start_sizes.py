"""What a start and a status read does not grow with what the folder holds."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.benchmarks.grown import DAY_ROWS, grow
from tests.benchmarks.nodes import CHANNELS, broker, facts, sources
from tests.programs import free_port
from tests.stories.station import Station

from edaphon.commands.desk import Desk
from edaphon.commands.run import started

DAY = DAY_ROWS * CHANNELS


class Steps:
    """How many hundred steps SQLite took in the connections opened while it counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        self._connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", self._counting)

    def _counting(self, *words: object, **named: object) -> sqlite3.Connection:
        connection = self._connect(*words, **named)
        connection.set_progress_handler(self._step, 100)
        return connection

    def _step(self) -> None:
        self.taken += 1


def station_of(folder: Path, days: int) -> Station:
    station = Station(folder, [broker(free_port()), sources()], [facts()])
    started(station.file).stop()
    grow(station.storage, days * DAY)
    started(station.file).stop()  # it sums what it never did
    return station


def read_by(station: Station, steps: Steps) -> tuple[int, int]:
    """Steps of a start, and of a status."""
    steps.taken = 0
    service = started(station.file)
    try:
        start, steps.taken = steps.taken, 0
        status = Desk(service).answer({"verb": "status"})
        return start, steps.taken
    finally:
        service.stop()
        assert status["ledgers"]["current"] == status["ledgers"]["derived"] - sum(
            status["ledgers"][name] for name in ("conflicts", "repeats", "replaced")
        )


def test_start_and_status_read_as_much_of_four_days_as_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    steps = Steps(monkeypatch)
    one, four = station_of(tmp_path / "1", 1), station_of(tmp_path / "4", 4)
    for few, many in zip(read_by(one, steps), read_by(four, steps), strict=True):
        assert many < few * 1.2 + 50
        assert many * 100 < DAY  # and far from a step for each row
    steps.taken = 0
    with closing(sqlite3.connect(four.storage / "series.sqlite")) as db:
        db.execute("SELECT count(*) FROM conflict WHERE raw > 0").fetchone()
    assert steps.taken > 50  # the count of steps does count


def test_a_start_does_not_read_the_journal_where_no_source_is_asked(tmp_path: Path):
    """The place up to which slots are accounted for is kept, also where there are no slots."""
    station = station_of(tmp_path, 1)
    service = started(station.file)
    try:
        place, accounts, _ = service.state.get("slot accounts")
        assert tuple(place) > (1, 1)
        assert accounts == {}
    finally:
        service.stop()
