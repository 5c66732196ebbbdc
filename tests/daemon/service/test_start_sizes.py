"""What a start and a status read does not grow with what the folder holds."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from tests.benchmarks.grown import DAY_ROWS, grow
from tests.benchmarks.nodes import CHANNELS, broker, facts, sources
from tests.daemon.commands.calling import call, call_json
from tests.programs import free_port, wait_until
from tests.stories.station import Station

from edaphon.journal import Entry, Kind, StateFile
from edaphon.journal.summary import Summary, _crc_of
from edaphon.series import Series
from edaphon.service.audit import JOURNAL_SUMMARY
from edaphon.service.process import started
from edaphon.service.requests import Requests

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
    service = started(station.file)  # it sums what it never did, and looks for old incidents
    wait_until(lambda: service.alerts.passes > 0, "the first look")
    service.stop()
    return station


def read_by(station: Station, steps: Steps) -> tuple[int, int]:
    """Steps of a start, and of a status."""
    steps.taken = 0
    service = started(station.file)
    try:
        start, steps.taken = steps.taken, 0
        status = Requests(service).answer({"verb": "status"})
        return start, steps.taken
    finally:
        service.stop()
        assert status["ledgers"]["current"] == status["ledgers"]["derived"] - sum(
            status["ledgers"][name] for name in ("conflicts", "repeats", "replaced")
        )


@pytest.fixture(scope="module")
def one_and_four(tmp_path_factory: pytest.TempPathFactory) -> tuple[Station, Station]:
    """Stations with one day of records, and with four."""
    folder = tmp_path_factory.mktemp("days")
    return station_of(folder / "1", 1), station_of(folder / "4", 4)


def test_start_and_status_read_as_much_of_four_days_as_of_one(
    one_and_four: tuple[Station, Station], monkeypatch: pytest.MonkeyPatch
):
    steps = Steps(monkeypatch)
    one, four = one_and_four
    for few, many in zip(read_by(one, steps), read_by(four, steps), strict=True):
        assert many < few * 1.2 + 50
        assert many * 100 < DAY  # and far from a step for each row
    steps.taken = 0
    with closing(sqlite3.connect(four.storage / "series.sqlite")) as db:
        db.execute("SELECT count(*) FROM conflict WHERE raw > 0").fetchone()
    assert steps.taken > 50  # the count of steps does count


def test_verify_reads_as_much_of_four_days_as_of_one(
    one_and_four: tuple[Station, Station], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("edaphon.service.audit.NEWEST", 5000)
    steps, taken = Steps(monkeypatch), []
    for station in one_and_four:
        whole = call_json(station, "verify", "--deep")
        steps.taken = 0
        found = call_json(station, "verify")
        taken.append(steps.taken)
        assert found["counted_from"] > whole["counted_from"] == 0
        for part in ("entries", "observations", "slots"):
            assert found[part] == whole[part]
    assert taken[1] < taken[0] * 1.2 + 100
    assert taken[1] * 100 < 4 * DAY


def test_what_verify_does_not_read_deep_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edaphon.service.audit.NEWEST", 5000)
    station = station_of(tmp_path, 1)
    newest = max(station.storage.glob("journal/*.sqlite"))
    newest.chmod(0o644)
    last = DAY  # all of a day is in the newest file
    for n, codes in ((10, (0,)), (last - 10, (1,))):
        with closing(sqlite3.connect(newest)) as db, db:
            kept = db.execute("SELECT payload FROM entry WHERE n = ?", (n,)).fetchone()
            assert kept is not None
            db.execute("UPDATE entry SET payload = x'00' WHERE n = ?", (n,))
        assert call_json(station, "verify", codes=codes)["entries"]["damaged"] == codes[0]
        assert call_json(station, "verify", "--deep", codes=(1,))["entries"]["damaged"] == 1
        with closing(sqlite3.connect(newest)) as db, db:
            db.execute("UPDATE entry SET payload = ? WHERE n = ?", (*kept, n))


def test_verify_finds_a_lost_file_without_reading_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Records that were derived and are gone leave the ledger open, whatever is read."""
    monkeypatch.setattr("edaphon.service.audit.NEWEST", 5000)
    monkeypatch.setattr("tests.benchmarks.grown.FILE_ROWS", DAY // 4)
    station = station_of(tmp_path, 1)
    assert call_json(station, "verify")["entries"]["closes"]
    sorted(station.storage.glob("journal/journal-*.sqlite"))[2].unlink()
    assert call_json(station, "verify", codes=(1,))["entries"]["lost"] == DAY // 4


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


def small(folder: Path) -> Station:
    return Station(folder, [broker(free_port()), sources()], [facts()])


def test_places_are_saved_as_soon_as_much_came_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After a kill a start reads few entries, however fast they came."""
    monkeypatch.setattr("edaphon.service.sources.SAVE_AT_ENTRIES", 5)
    monkeypatch.setattr("edaphon.service.sources.WATCH_SAVED_S", 0.02)
    service = started(small(tmp_path).file)
    try:
        entry = Entry(Kind.NOTE, 1, 1, "boot", "local", b"{}")
        places = [service.journal.append_now(entry) for _ in range(20)]
        until = time.monotonic() + 10
        while tuple(service.state.get("slot accounts")[0]) < places[-5]:
            assert time.monotonic() < until
            time.sleep(0.02)
        kept = Summary.of_json(service.state.get(JOURNAL_SUMMARY), service.journal)
        assert kept is not None
        assert kept.place >= places[-5]
    finally:
        service.stop()


def test_a_lost_state_file_costs_no_account_of_slots(tmp_path: Path):
    station = small(tmp_path)
    started(station.file).stop()
    with closing(StateFile(station.storage)) as state:
        saved = state.get("slot accounts")
    for path in station.storage.glob("state.sqlite*"):
        path.unlink()
    with closing(Series(station.storage / "series.sqlite", read_only=True)) as series:
        assert orjson.loads(series.checkpoint("slot accounts") or "") == saved


def test_verify_deep_finds_a_wrong_sum_and_rebuild_sums_again(tmp_path: Path):
    station = small(tmp_path)
    started(station.file).stop()
    assert call_json(station, "verify", "--deep")["summaries"]["closes"]
    with closing(sqlite3.connect(station.storage / "series.sqlite")) as db, db:
        db.execute("INSERT INTO total VALUES ('a-channel', 1, 0, 0, 0)")
    with closing(StateFile(station.storage)) as state:
        table = {name: state.get(JOURNAL_SUMMARY)[name] for name in ("files", "entry_crc")}
        table["files"]["1"][1] += 1
        state.put(JOURNAL_SUMMARY, {**table, "crc": _crc_of(table)})
    found = call_json(station, "verify", "--deep", codes=(1,))["summaries"]
    assert found == {
        "journal": ["journal-000001.sqlite"], "series": ["a-channel"], "closes": False
    }  # fmt: skip
    text, _ = call(station, "verify", "--deep", codes=(1,))
    assert "summaries: a-channel has other rows than its summary; stop the service" in text
    call(station, "rebuild")
    assert call_json(station, "verify", "--deep")["summaries"]["closes"]
