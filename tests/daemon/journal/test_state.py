"""The state file remembers, counts tries, and knows a journal that is not the one it saw."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from edaphon import databases
from edaphon.journal import SetAside, StateFile
from edaphon.journal import state as state_module


def test_notes_survive_a_reopening(tmp_path: Path) -> None:
    with StateFile(tmp_path) as state:
        state.put("held", {"boot": [1, 2, None], "ü": "x"})
        state.put("gone", 1)
        state.remove("gone")
    with StateFile(tmp_path) as state:
        assert state.get("held") == {"boot": [1, 2, None], "ü": "x"}
        assert state.get("gone", "nothing") == "nothing"


def test_a_point_set_aside_again_counts_its_tries_and_a_rewrite_clears_it(tmp_path: Path) -> None:
    point = SetAside("influx", "soil/5", 60, 7, "field type conflict")
    other = point._replace(time_ns=120)
    with StateFile(tmp_path) as state:
        state.add_set_aside([point, other])
        state.add_set_aside([point._replace(words="again", sequence=9)])
        state.add_set_aside([point._replace(sink="copy")])
    with StateFile(tmp_path) as state:
        again = point._replace(words="again", sequence=9, tries=2)
        assert state.set_aside("influx") == [again, other]
        state.clear_set_aside("influx", "soil/5", [60, 61])
        assert state.set_aside("influx", "soil/5") == [other]
        assert state.set_aside("influx", "soil/10") == []
        assert len(state.set_aside("copy")) == 1


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 400])
def test_a_damaged_state_file_is_set_aside_and_begun_anew(tmp_path: Path, damage: bytes) -> None:
    StateFile(tmp_path).close()
    (tmp_path / "state.sqlite").write_bytes(damage)
    with StateFile(tmp_path) as state:
        state.put("a", 1)
        assert state.get("a") == 1
    assert (tmp_path / "state.sqlite.damaged-1").exists() == bool(damage)


def test_threads_may_share_it(tmp_path: Path) -> None:
    with StateFile(tmp_path) as state:
        points = [SetAside("s", "c", k, k, "w") for k in range(50)]
        threads = [
            threading.Thread(target=state.add_set_aside, args=([point],)) for point in points * 2
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert state.set_aside("s") == [point._replace(tries=2) for point in points]


def test_a_state_file_that_is_damaged_while_it_is_used_is_begun_anew(tmp_path: Path) -> None:
    with StateFile(tmp_path) as state:
        for k in range(200):
            state.put(f"key {k}", "x" * 200)
    with StateFile(tmp_path) as state:
        path = tmp_path / "state.sqlite"
        with closing(sqlite3.connect(path)) as other, other:  # what is in memory holds no more
            other.execute("UPDATE note SET json = x'31' WHERE key = 'key 100'")
        for each in (path, tmp_path / "state.sqlite-wal"):
            data = each.read_bytes()
            each.write_bytes(data[:4096] + bytes(len(data) - 4096))
        assert state.get("key 7") is None
        state.put("key 7", 7)
        assert "set aside as state.sqlite.damaged-1" in state.moved
    with StateFile(tmp_path) as state:
        assert state.get("key 7") == 7
        assert state.get("key 8") is None


def test_what_a_connection_that_only_reads_refuses_is_kept_at_the_latest_by_the_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite opens a file to read only where its disk refuses to open it to write."""
    with StateFile(tmp_path) as state:
        state.put("before", 1)
    connect = databases.connect
    with monkeypatch.context() as patch:
        patch.setattr(state_module, "connect", lambda path, _: connect(path, "mode=ro"))
        state = StateFile(tmp_path)
    state.put("after", 2)
    assert (state.get("before"), state.get("after")) == (1, 2)
    state.close()
    with StateFile(tmp_path) as again:
        assert (again.get("before"), again.get("after")) == (1, 2)
