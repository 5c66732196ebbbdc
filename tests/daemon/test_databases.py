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
    ForeignFile,
    StorageFault,
    connect,
    connect_foreign,
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


VALUES = "CREATE TABLE value (time INTEGER PRIMARY KEY, number REAL)"
NAMES = "CREATE TABLE name (id TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID"
LABELS = "CREATE TABLE label (id TEXT PRIMARY KEY)"  # has an index of its own
TABLES = {"value": [VALUES, "CREATE TABLE value (time)"], "name": [NAMES], "label": [LABELS]}


def foreign(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
    return path


def test_a_file_of_others_is_read_by_its_tables_and_nothing_else(tmp_path: Path) -> None:
    path = foreign(
        tmp_path / "a", VALUES, NAMES, LABELS,
        "INSERT INTO value VALUES (1, 2.5), (3, 4.5)", "INSERT INTO label VALUES ('x')",
    )  # fmt: skip
    with closing(connect_foreign(path, TABLES)) as db:
        assert db.execute("SELECT count(*), sum(number), min(time) FROM value").fetchone() == (
            2, 7.0, 1,
        )  # fmt: skip
        assert db.execute("SELECT id FROM label").fetchall() == [("x",)]
        assert db.execute("PRAGMA user_version").fetchone() == (0,)
        for refused in (
            "PRAGMA user_version = 3",
            "PRAGMA page_count",
            "SELECT upper(text) FROM name",
            "SELECT * FROM pragma_table_info('value')",
            "INSERT INTO value VALUES (5, 6)",
            "ATTACH 'b' AS b",
            "CREATE TEMP TABLE t (a)",
        ):
            with pytest.raises(sqlite3.Error):
                db.execute(refused)


@pytest.mark.parametrize(
    ("statements", "came"),
    [
        ((VALUES, NAMES), "no table 'label'"),
        ((), "no table 'label'"),
        ((VALUES, NAMES, LABELS, "CREATE TABLE other (a)"), "table 'other', which"),
        (("CREATE TABLE value (time TEXT)", NAMES, LABELS), "table 'value', which"),
        ((VALUES, NAMES, LABELS, "CREATE INDEX i ON value (number)"), "index 'i', which"),
        ((VALUES, NAMES, LABELS, "CREATE VIEW v AS SELECT 1"), "view 'v', which"),
        (
            (VALUES, NAMES, LABELS, "CREATE TRIGGER t AFTER INSERT ON value BEGIN SELECT 1; END"),
            "trigger 't', which",
        ),
        ((VALUES, NAMES, "CREATE VIEW label AS SELECT 1 AS id"), "view 'label', which"),
    ],
)
def test_a_file_of_others_with_anything_else_in_it_is_refused(
    tmp_path: Path, statements: tuple[str, ...], came: str
) -> None:
    with pytest.raises(ForeignFile, match=came):
        connect_foreign(foreign(tmp_path / "a", *statements), TABLES)


@pytest.mark.parametrize("root", ["0", "-1", "'x'", "(SELECT rootpage FROM r)"])
def test_two_tables_of_others_never_share_a_place(tmp_path: Path, root: str) -> None:
    path = foreign(tmp_path / "a", VALUES, NAMES, LABELS)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TEMP TABLE r AS SELECT rootpage FROM sqlite_schema WHERE name = 'name'")
        db.execute("PRAGMA writable_schema = 1")
        db.execute(f"UPDATE sqlite_schema SET rootpage = {root} WHERE name = 'value'")  # noqa: S608
    with pytest.raises((ForeignFile, sqlite3.DatabaseError)):
        connect_foreign(path, TABLES)


def test_what_is_no_file_is_no_file_of_others(tmp_path: Path) -> None:
    with pytest.raises(ForeignFile, match="no regular file"):
        connect_foreign(tmp_path, TABLES)


def test_a_statement_that_works_more_than_the_file_explains_ends(tmp_path: Path) -> None:
    rows = ", ".join(f"({n}, {n})" for n in range(3000))
    path = foreign(tmp_path / "a", VALUES, NAMES, LABELS, f"INSERT INTO value VALUES {rows}")  # noqa: S608
    with closing(connect_foreign(path, TABLES)) as db:
        assert [db.execute("SELECT sum(number) FROM value").fetchone() for _ in range(200)]
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            db.execute("SELECT count(*) FROM value a, value b").fetchone()
