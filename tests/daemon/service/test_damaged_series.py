"""A series that turns out to be damaged while it is used is made again, and recording goes on."""

import shutil
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.commands.test_explain import FACTS, TABLES, entry, reported
from tests.stories.station import Station

from edaphon.clock import SystemClock
from edaphon.databases import move_aside
from edaphon.journal import Journal, Kind
from edaphon.series import Series
from edaphon.service.audit import StoredCheck
from edaphon.service.check import open_storage
from edaphon.service.deriving import Deriving
from edaphon.service.process import running
from edaphon.service.service import Service
from edaphon.storage.access import new_series, settled_deriver


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    station = Station(tmp_path_factory.mktemp("settled"), TABLES, FACTS)
    call(station, "apply")
    with running(station.file):
        pass
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for each in reported():
            journal.append_now(each)
    with settled_deriver(open_storage(station.file)):
        pass
    return station.storage


@pytest.fixture
def plot(settled: Path, tmp_path: Path) -> Station:
    station = Station(tmp_path, TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


def change(plot: Station, sql: str) -> None:
    with closing(sqlite3.connect(plot.storage / "series.sqlite")) as db, db:
        assert db.execute(sql).rowcount > 0


def pages_of_zeros(plot: Station) -> None:
    """All but the first page and the schema, in the file and its log, as a bad card gives them."""
    for end in ("", "-wal"):
        path = plot.storage / f"series.sqlite{end}"
        data = path.read_bytes()
        path.write_bytes(data[:4096] + bytes(len(data) - 4096))


def made_again(plot: Station) -> bool:
    return bool(list(plot.storage.glob("series.sqlite.damaged-*")))


def renewed(service: Service) -> bool:
    position, last = service.deriver.position, service.journal.last
    done = last is not None and position >= last and not service.deriver.reworking
    return done and not service.series.damage


BLOCKS = {
    "rows": "UPDATE block SET columns = zeroblob(50)",
    "another day": "UPDATE block SET day = day + 1",
    "a digest": "UPDATE block SET digest = '0123456789abcdef'",
}


@pytest.mark.parametrize("what", BLOCKS)
def test_a_damaged_block_is_found_without_being_asked_for(plot: Station, what: str) -> None:
    values = call(plot, "query", "p-temp")
    change(plot, BLOCKS[what])
    with running(plot.file) as service:
        until(lambda: made_again(plot))
        until(lambda: renewed(service))
        assert call(plot, "query", "p-temp") == values
        status = call_json(plot, "status", codes=(1,))
        assert any("series.sqlite.damaged-1" in words for words in status["trouble"])
        found = call_json(plot, "verify", codes=(0, 1))
        assert found["entries"]["closes"]
        assert found["observations"]["closes"]


@pytest.mark.parametrize("name", ["deriver", "change"])
def test_a_checkpoint_with_another_number_is_not_gone_on_from(plot: Station, name: str) -> None:
    values = call(plot, "query", "p-temp")
    change(
        plot,
        "UPDATE checkpoint SET json = replace(json, substr(json, 14, 1), '7') || ''"  # noqa: S608
        f" WHERE name = '{name}'"
        if name == "deriver"
        else f"UPDATE checkpoint SET json = json + 64 WHERE name = '{name}'",  # noqa: S608
    )
    assert call(plot, "query", "p-temp")[0] == values[0]
    assert made_again(plot)


def test_pages_that_go_bad_while_the_service_runs_do_not_stop_it(plot: Station) -> None:
    values = call(plot, "query", "p-temp")
    with running(plot.file) as service:
        until(lambda: renewed(service))
        service.flush()
        pages_of_zeros(plot)
        service.journal.append([entry(Kind.NOTE, 200, "", b"{}")])
        with suppress(sqlite3.DatabaseError):  # unless another part of the service read it before
            service.series.read("p-temp", -(2**62), 2**62)
        until(lambda: made_again(plot))
        until(lambda: renewed(service))
        assert call(plot, "query", "p-temp") == values
        assert not service.journal.is_failing
        assert service.alive()
        assert (plot.storage / "series.sqlite-wal").exists()  # of the new one
    assert call(plot, "query", "p-temp") == values


def test_a_sink_is_sent_all_again_and_loses_nothing(plot: Station) -> None:
    with plot.file.open("a") as config:
        config.write(f'[[sink]]\nname = "out"\nkind = "jsonl"\nfolder = "{plot.folder / "out"}"\n')
    with running(plot.file) as service:
        until(lambda: renewed(service) and not service.sinks["out"].feed.waiting())
        before = lines_of(plot)
        service.series.note_damage("a test")
        until(lambda: made_again(plot) and renewed(service))
        until(lambda: not service.sinks["out"].feed.waiting())
    lines = lines_of(plot)
    written = [line for line in before if b"withdrawn" not in line]
    assert sorted(line for line in lines if b"withdrawn" not in line) == sorted(2 * written)
    last = {(row["channel"], row["time_ns"]): row for row in map(orjson.loads, lines)}
    assert not any(row.get("withdrawn") for row in last.values())


def lines_of(plot: Station) -> list[bytes]:
    days = sorted((plot.folder / "out").glob("*"))
    return b"".join(path.read_bytes() for path in days).splitlines()


def test_no_answer_is_given_of_values_that_are_not_all_derived_again(
    plot: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(plot.file) as service:
        until(lambda: renewed(service))
        monkeypatch.setattr(Deriving, "deriving_all", True)
        assert "derived again from the journal" in call(plot, "query", "p-temp", codes=(75,))[1]


def test_opening_to_write_says_what_was_set_aside(plot: Station) -> None:
    (plot.storage / "series.sqlite").write_bytes(b"nothing of it")
    out, err = call(plot, "query", "p-temp")
    assert "set aside as series.sqlite.damaged-1" in err
    assert out.count("\n") > 3
    with closing(Series(plot.storage / "series.sqlite", read_only=True)) as series:
        assert series.count() > 0


def test_a_reader_takes_no_series_that_is_written_meanwhile_for_a_damaged_one(
    tmp_path: Path,
) -> None:
    path, stop = tmp_path / "series.sqlite", threading.Event()
    with closing(Series(path)) as writer:

        def write() -> None:
            n = 0
            while not stop.is_set():
                writer.flush_notes({"deriver": str(n := n + 1)})

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(300):
                with closing(Series(path, read_only=True)) as reader:
                    assert reader.damage == ""
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("what", BLOCKS)
def test_a_rebuild_without_the_service_mends_it(plot: Station, what: str) -> None:
    values = call(plot, "query", "p-temp")
    change(plot, BLOCKS[what])
    if what == "rows":
        assert "`edaphon rebuild`" in call(plot, "query", "p-temp", codes=(75,))[1]
    call(plot, "rebuild", codes=(0, 1))
    assert made_again(plot)
    assert call(plot, "query", "p-temp") == values


def test_a_file_that_a_full_disk_does_not_let_open_is_no_damaged_one(plot: Station) -> None:
    storage = open_storage(plot.file)
    storage.layout.series.unlink()  # as before its first commit, which waits for room
    found: list[str] = []
    check = StoredCheck(storage, found.append, found.append, threading.Event())
    with pytest.raises(sqlite3.OperationalError):
        check._read_series()
    assert not found


def test_a_series_that_was_set_aside_and_not_made_is_made_by_the_next_try(plot: Station) -> None:
    path, words = plot.storage / "series.sqlite", list[str]()
    move_aside(path)
    new_series(path, "bad page", words.append).close()
    assert words == ["bad page, all values are derived again"]
    assert path.exists()
