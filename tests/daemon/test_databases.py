"""Errors of SQLite are distinguished; a file that a power cut left unfinished is begun again."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edaphon import databases
from edaphon.clock import SystemClock
from edaphon.databases import (
    StorageFault,
    connect,
    connect_reading,
    fault_of,
    is_created,
    make_folder,
)
from edaphon.journal import Journal, StateFile
from edaphon.journal.entry import file_numbers
from edaphon.series import Series

Raised = Callable[[Path], object]


def read(path: Path) -> object:
    with closing(connect_reading(path)) as connection:
        return connection.execute("SELECT * FROM t").fetchall()


def written(path: Path) -> sqlite3.Connection:
    connection = connect(path, "mode=rwc")
    connection.execute("CREATE TABLE t (a)")
    return connection


def full(path: Path) -> object:
    with closing(written(path)) as connection:
        connection.execute("PRAGMA max_page_count = 2")
        return connection.execute("INSERT INTO t VALUES (zeroblob(100000))")


def read_only(path: Path) -> object:
    written(path).close()
    with closing(connect(path, "mode=ro")) as connection:
        return connection.execute("INSERT INTO t VALUES (1)")


def damaged(path: Path) -> object:
    path.write_bytes(b"garbage" * 1000)
    return read(path)


def a_directory(path: Path) -> object:
    path.mkdir()
    return read(path)


def missing_table(path: Path) -> object:
    with closing(connect(path, "mode=rwc")) as connection:
        connection.execute("CREATE TABLE other (a)")
    return read(path)


def locked(path: Path) -> object:
    with closing(written(path)) as first, closing(connect(path, "mode=rw")) as second:
        first.execute("BEGIN EXCLUSIVE")
        second.execute("PRAGMA busy_timeout = 10")
        return second.execute("BEGIN IMMEDIATE")


@pytest.mark.parametrize(
    ("raised", "fault"),
    [
        (full, StorageFault.FULL),
        (read_only, StorageFault.READ_ONLY),
        (damaged, StorageFault.DAMAGED),
        (a_directory, StorageFault.DAMAGED),
        (missing_table, StorageFault.MISSING_TABLE),
        (locked, StorageFault.LOCKED),
    ],
)
def test_each_fault_is_told_apart(tmp_path: Path, raised: Raised, fault: StorageFault) -> None:
    path = tmp_path / "file.sqlite"
    with pytest.raises(sqlite3.Error) as found:
        raised(path)
    assert fault_of(found.value, path) is fault


def cuts(folder: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copies of a folder before each statement of SQLite, as a power cut would leave it."""
    copies: list[Path] = []
    plain = sqlite3.connect

    def copied(_: str) -> None:
        copies.append(made / str(len(copies)))
        shutil.copytree(folder, copies[-1])

    def connected(*words: Any, **named: Any) -> sqlite3.Connection:
        connection = plain(*words, **named)
        connection.set_trace_callback(copied)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connected)
    return copies


def opened_series(folder: Path) -> None:
    Series(folder / "series.sqlite").close()


def opened_state(folder: Path) -> None:
    with StateFile(folder) as state:
        state.put("note", 1)
        assert not state.moved


def opened_journal(folder: Path) -> None:
    with Journal(folder, SystemClock()):
        assert len(file_numbers(folder)) == 1
    assert not list(folder.glob("*.damaged-*"))


@pytest.mark.parametrize("opened", [opened_series, opened_state, opened_journal])
def test_a_power_cut_while_a_file_is_created_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[Path], None]
) -> None:
    folder = tmp_path / "storage"
    folder.mkdir()
    (tmp_path / "cuts").mkdir()
    with monkeypatch.context() as patched:
        copies = cuts(folder, tmp_path / "cuts", patched)
        opened(folder)
    assert len(copies) > 5
    for copy in copies:
        opened(copy)


def test_a_stray_file_with_a_number_that_none_can_have_is_set_aside(tmp_path: Path) -> None:
    stray = tmp_path / "journal-99999999999999999999.sqlite"
    stray.write_bytes(b"from another place")
    words: list[str] = []
    with Journal(tmp_path, SystemClock(), on_problem=words.append):
        assert file_numbers(tmp_path) == [1]
    assert f"{stray.name}.damaged-1" in words[0]


def test_a_database_whose_creation_was_cut_holds_nothing_yet(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite"
    assert not is_created(path)
    written(path).close()
    assert is_created(path)
    Path(f"{path}-journal").write_bytes(b"pages as they were before")
    assert not is_created(path)


def test_a_folder_that_was_made_is_durable_with_its_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised: list[Path] = []
    monkeypatch.setattr(databases, "sync_folder", synchronised.append)
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert set(synchronised) == {tmp_path, tmp_path / "a"}
    make_folder(tmp_path / "a" / "b")
    assert synchronised[2:] == [tmp_path / "a"]
