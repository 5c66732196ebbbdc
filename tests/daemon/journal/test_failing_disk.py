"""While the disk refuses, entries wait unacknowledged; when it takes again, each is there once."""

import errno
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.journal.entries import SetClock, commit, everything, journal_file, record
from tests.programs import wait_until

from edaphon.journal import Entry, EntryId, Journal, JournalClosed, Kind, read_only, store
from edaphon.journal import journal as journal_module


@pytest.fixture(autouse=True)
def _short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(journal_module, "_LONGEST_RETRY_S", 0.1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "edaphon-test", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def refusing(
    monkeypatch: pytest.MonkeyPatch, times: int, error: Exception, after_commit: bool = False
) -> list[int]:
    """Let OpenFile.write fail so many times, before or after its commit."""
    real, tries = store.OpenFile.write, list[int]()

    def write(self: store.OpenFile, entries: list[Entry], mids: list[int | None]) -> int:
        tries.append(len(entries))
        if len(tries) > times:
            return real(self, entries, mids)
        if after_commit:
            real(self, entries, mids)
        raise error

    monkeypatch.setattr(store.OpenFile, "write", write)
    return tries


def test_a_full_disk_loses_nothing_and_recovers_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3_200_000))
    stated: list[str] = []
    acknowledged: list[EntryId] = []
    with Journal(small_disk, SetClock(), on_problem=stated.append) as journal:
        for k in range(2500):
            journal.append([record(k, bytes(600))], acknowledged.extend)
        wait_until(lambda: journal.is_failing, "a full disk")
        assert len(stated) == 1
        assert "database or disk is full" in stated[0]
        held = len(acknowledged)
        assert 0 < held < 2500
        assert everything(journal) == [record(k, bytes(600)) for k in range(held)]
        ballast.unlink()
        wait_until(lambda: len(acknowledged) == 2500, "all commits")
        assert everything(journal) == [record(k, bytes(600)) for k in range(2500)]
    assert len(stated) == 2
    assert "commits again" in stated[1]


def test_the_service_starts_on_a_full_disk_and_keeps_what_comes(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4_000_000))
    with pytest.raises(OSError, match="No space"):
        (small_disk / "more").write_bytes(bytes(1_000_000))
    with Journal(small_disk, SetClock(), on_problem=lambda text: None) as journal:
        done = threading.Event()
        journal.append([record(1)], lambda places: done.set())
        wait_until(lambda: journal.is_failing, "a full disk")
        assert not done.is_set()
        ballast.unlink()
        assert done.wait(10)
        assert everything(journal) == [record(1)]


@pytest.mark.parametrize("code", ["disk I/O error", "database or disk is full"])
def test_a_refused_commit_is_tried_until_it_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    stated: list[str] = []
    with Journal(tmp_path, SetClock(), on_problem=stated.append) as journal:
        commit(journal, [record(0)])
        error = sqlite3.OperationalError(code)
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        tries = refusing(monkeypatch, 5, error)
        assert commit(journal, [record(1)]) == [EntryId(1, 2)]
        assert len(tries) == 6
        assert everything(journal) == [record(0), record(1)]
    assert [code in text for text in stated] == [True, False]


def test_a_commit_that_reached_the_disk_before_its_error_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path, SetClock(), on_problem=lambda text: None) as journal:
        commit(journal, [record(0)])
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        refusing(monkeypatch, 1, error, after_commit=True)
        assert commit(journal, [record(1), record(2)]) == [EntryId(1, 2), EntryId(1, 3)]
        assert commit(journal, [record(3)]) == [EntryId(1, 4)]
    assert everything(read_only(tmp_path)) == [record(k) for k in range(4)]


def came_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next commit reach the file and fail in its sync."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    refusing(monkeypatch, 1, error, after_commit=True)


def test_a_commit_in_doubt_that_filled_its_file_is_not_written_again_into_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path, SetClock(), 50_000, on_problem=lambda text: None) as journal:
        commit(journal, [record(0)])
        came_through(monkeypatch)
        large = record(1, bytes(60_000))
        assert commit(journal, [large]) == [EntryId(1, 2)]
        assert commit(journal, [record(2)]) == [EntryId(2, 1)]
    assert everything(read_only(tmp_path)) == [record(0), large, record(2)]


def test_a_commit_in_doubt_is_acknowledged_when_it_stands_in_the_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of pages that a failed sync left in the log, the kernel may write none any more."""
    with Journal(tmp_path, SetClock(), on_problem=lambda text: None) as journal:
        commit(journal, [record(0)])
        came_through(monkeypatch)
        commit(journal, [record(1)])
        (tmp_path / "cut").mkdir()
        without_log = tmp_path / "cut" / "journal-000001.sqlite"
        shutil.copy(tmp_path / without_log.name, without_log)
    assert everything(read_only(without_log.parent)) == [record(0), record(1)]


def test_a_file_found_damaged_while_writing_is_left_and_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path, SetClock(), on_problem=lambda text: None) as journal:
        commit(journal, [record(0)])
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        refusing(monkeypatch, 1, error)
        assert commit(journal, [record(1)]) == [EntryId(2, 2)]
        kinds = [entry.kind for _, entry in journal.after(EntryId(1, 1), 10)]
    assert kinds == [Kind.LOST, Kind.RECORD]
    assert (tmp_path / "journal-000001.sqlite.damaged-1").exists()


def test_a_next_file_that_cannot_be_made_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = store.OpenFile.create, list[int]()

    def create(folder: Path, number: int, journal: str, opened_ns: int) -> store.OpenFile:
        tries.append(number)
        if len(tries) < 4:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(folder, number, journal, opened_ns)

    with Journal(tmp_path, SetClock(), largest_bytes=1, on_problem=lambda text: None) as journal:
        commit(journal, [record(0)])
        monkeypatch.setattr(store.OpenFile, "create", staticmethod(create))
        assert commit(journal, [record(1)]) == [EntryId(2, 1)]
    assert tries == [2, 2, 2, 2]
    assert journal_file(tmp_path).stat().st_mode & 0o222 == 0


def test_close_gives_up_what_the_disk_refuses_and_says_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated: list[str] = []
    journal = Journal(tmp_path, SetClock(), on_problem=stated.append)
    refusing(monkeypatch, 10_000, sqlite3.OperationalError("disk I/O error"))
    refused: list[BaseException] = []

    def append_now() -> None:
        with pytest.raises(JournalClosed) as info:
            journal.append_now(record(3))
        refused.append(info.value)

    thread = threading.Thread(target=append_now)
    thread.start()
    wait_until(lambda: journal.is_failing, "a failing disk")
    journal.append([record(1)])
    journal.append([record(2)])
    journal.close()
    thread.join(10)
    assert refused
    assert "closed with 3 entries not committed" in stated[-1]
    assert everything(read_only(tmp_path)) == []


def test_a_full_queue_makes_the_appender_wait_and_then_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "LARGEST_WAITING_BYTES", 10_000)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    gate = threading.Event()
    real = store.OpenFile.write

    def write(self: store.OpenFile, entries: list[Entry], mids: list[int | None]) -> int:
        if not gate.is_set():
            raise error
        return real(self, entries, mids)

    monkeypatch.setattr(store.OpenFile, "write", write)
    appended: list[int] = []
    with Journal(tmp_path, SetClock(), on_problem=lambda text: None) as journal:

        def append() -> None:
            for k in range(200):
                journal.append([record(k, bytes(1000))])
                appended.append(k)

        thread = threading.Thread(target=append)
        thread.start()
        wait_until(lambda: journal.is_failing and len(appended) > 5, "a queue that fills")
        thread.join(0.3)
        assert len(appended) < 150
        gate.set()
        thread.join(20)
        assert len(appended) == 200
    assert len(everything(read_only(tmp_path))) == 200
