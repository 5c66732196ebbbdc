"""What is stored is not shown as an answer while it may be older than the daemon knows."""

import fcntl
import os
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from tests.daemon.commands.calling import call
from tests.daemon.commands.test_explain import FACTS, TABLES
from tests.daemon.commands.test_release import settled
from tests.stories.station import Station

from edaphon.journal import Kind
from edaphon.service.check import open_storage
from edaphon.storage import access as storage_module

__all__ = ["settled"]  # a fixture


@pytest.fixture
def station(settled: Path, tmp_path: Path) -> Station:
    made = Station(tmp_path / "plot", TABLES, FACTS)
    shutil.copytree(settled, made.storage)
    return made


@contextmanager
def daemon_that_takes_questions_only(path: Path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()  # the kernel takes connections, nobody answers
        yield
    path.unlink()


@pytest.fixture
def impatient(monkeypatch):
    real = storage_module.ask
    monkeypatch.setattr(storage_module, "ask", lambda path, words, _: real(path, words, 0.2))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "verb",
    [["query", "p-temp"], ["verify"], ["explain", "p-temp", "2026-01-01"], ["status"]],
    ids=lambda verb: verb[0],
)
def test_a_daemon_that_is_silent_ends_a_question_with_75(station: Station, verb) -> None:
    control = open_storage(station.file).layout.control
    with daemon_that_takes_questions_only(control):
        out, err = call(station, *verb, codes=(75,))
    assert "expected an answer of the daemon" in err
    assert out == ""


def test_a_journal_written_by_a_process_without_a_socket_ends_with_75(station: Station) -> None:
    storage = open_storage(station.file)
    lock = os.open(storage.layout.journal / "journal.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(typer.Exit) as ended:
        storage.series()
    os.close(lock)
    assert ended.value.exit_code == 75
    storage.series().close()


def test_what_a_kill_left_underived_is_derived_before_it_is_shown(station: Station) -> None:
    from edaphon.clock import SystemClock
    from edaphon.derive.projection import derived_by
    from edaphon.journal import Entry, Journal

    storage = open_storage(station.file)
    with Journal(storage.layout.journal, SystemClock()) as journal:
        place = journal.append_now(Entry(Kind.NOTE, 0, 0, "boot", "", b"{}"))
    series = storage.series()
    assert derived_by(series).position == place
    series.close()


def test_rebuild_in_a_folder_that_never_ran_makes_nothing(tmp_path: Path) -> None:
    made = Station(tmp_path, TABLES, FACTS)
    before = sorted(tmp_path.rglob("*"))
    _, err = call(made, "rebuild", codes=(1,))
    assert "start `edaphon run` first" in err
    assert sorted(tmp_path.rglob("*")) == before
