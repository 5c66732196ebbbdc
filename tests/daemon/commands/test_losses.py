"""What is lost of the journal is shown by status and verify until a person has noted it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_explain import FACTS, TABLES, entry, told
from tests.daemon.journal.entries import journal_file
from tests.stories.station import Station

from edaphon.clock import SystemClock
from edaphon.commands.offline import settled_deriver
from edaphon.commands.run import running
from edaphon.commands.storage import open_storage
from edaphon.journal import Journal, Kind


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    station = Station(tmp_path_factory.mktemp("settled"), TABLES, FACTS)
    text = station.file.read_text()
    configuration = orjson.dumps({"file": "edaphon.toml", "sha256": "", "text": text})
    with Journal.open(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(entry(Kind.CONFIGURATION, -6, "", configuration))
    call(station, "apply")
    with Journal.open(station.storage / "journal", SystemClock()) as journal:
        for each in told():
            journal.append_now(each)
    with settled_deriver(open_storage(station.file)):
        pass
    return station.storage


@pytest.fixture
def plot(settled: Path, tmp_path: Path) -> Station:
    station = Station(tmp_path, TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


def deleted(path: Path) -> None:
    path.unlink()


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def truncated(path: Path) -> None:
    os.truncate(path, 8192)


def replaced_by_a_shorter_state(path: Path) -> None:
    """As after a lost -wal: an earlier, whole state of the file."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as db, db:
        (last,) = db.execute("SELECT max(n) FROM entry").fetchone()
        db.execute("DELETE FROM entry WHERE n > ?", (last - 3,))
        db.execute("UPDATE header SET last_n = NULL")


@pytest.mark.parametrize("harm", [deleted, zeroed, truncated, replaced_by_a_shorter_state])
def test_a_newest_file_that_is_lost_is_a_problem_until_it_is_noted(
    plot: Station, harm: Callable[[Path], None]
) -> None:
    values = call(plot, "query", "p-temp")
    path = journal_file(plot.storage / "journal")
    path.chmod(0o644)
    harm(path)
    with running(plot.file) as _:
        status = call_json(plot, "status", codes=(1,))
        assert any("journal-000001.sqlite" in words for words in status["trouble"])
        assert "journal-000001.sqlite" in call(plot, "verify", codes=(1,))[0]
        assert call(plot, "query", "p-temp") == values
        assert call_json(plot, "salvage", codes=(1,))[0]["acknowledged"] is False
        assert "1 losses acknowledged" in call(plot, "salvage", "--acknowledge", "--who", "me")[0]
        status = call_json(plot, "status", codes=(0, 1))
        assert not any("journal" in words for words in status["trouble"])
        call(plot, "verify")
    assert call_json(plot, "salvage")[0]["acknowledged"] is True
    call(plot, "rebuild")
    assert call(plot, "query", "p-temp") == values


def test_a_loss_is_noted_while_the_daemon_is_off(plot: Station) -> None:
    journal_file(plot.storage / "journal").unlink()
    assert "is not there any more" in call(plot, "verify", codes=(1,))[0]
    assert "OPEN" in call(plot, "salvage", codes=(1,))[0]
    call(plot, "salvage", "--acknowledge")
    call(plot, "verify")


def test_salvage_lists_what_a_damaged_file_still_holds(plot: Station) -> None:
    path = journal_file(plot.storage / "journal")
    data = bytearray(path.read_bytes())
    data[:4096] = bytes(4096)
    path.chmod(0o644)
    path.write_bytes(data)
    call(plot, "verify", codes=(1,))
    out, _ = call(plot, "salvage", "1")
    n = len(told()) + 1
    assert int(out.split()[0]) > n
    lines = call(plot, "salvage", "1", "--json")[0].splitlines()
    assert sum(orjson.loads(line)["kind"] == "record" for line in lines) == sum(
        each.kind == Kind.RECORD for each in told()
    )
    assert "take it from a backup" in call(plot, "salvage", "77", codes=(1,))[1]
