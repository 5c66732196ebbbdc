"""What the series keeps of how many rows and conflicts there are is what a count gives."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon.clock import DAY_NS
from edaphon.model import Observations
from edaphon.series import Series, WrongFile

CHANNELS = ("a", "b")
# channel, hour, sequence, rank, raw
ROWS = st.tuples(
    st.sampled_from(CHANNELS), st.integers(0, 60), st.integers(1, 5), st.sampled_from([0, 1, 64]),
    st.sampled_from([0.0, 1.0]),
)  # fmt: skip
ACTS = st.lists(
    st.one_of(ROWS, st.sampled_from(["flush", "open again", "adopt a", "adopt b"])), max_size=40
)


def run(channel: str, hour: int, sequence: int, rank: int, raw: float) -> Observations:
    time_ns = np.array([hour * 3_600_000_000_000], np.int64)
    number, byte = np.array([raw]), np.array([1], np.int8)
    return Observations(
        channel, "d" * 12, time_ns, time_ns, number, number, number, number, byte, byte,
        np.array([sequence], np.int64), rank,
    )  # fmt: skip


def adopt(series: Series, channel: str, folder: Path) -> None:
    with closing(Series(folder / "other.sqlite")) as other:
        other.merge([run(channel, 1, 9, 0, 5.0), run(channel, 1, 10, 0, 6.0)], {"d" * 12: "{}"})
        series.adopt(channel, other, [(0, DAY_NS)])


@settings(max_examples=30, deadline=None)
@given(ACTS)
def test_sums_are_what_a_count_gives_whatever_is_written(tmp_path_factory, acts):
    folder = tmp_path_factory.mktemp("series")
    series = Series(folder / "series.sqlite")
    for act in acts:
        if act == "flush":
            series.flush()
        elif act == "open again":
            series.flush()
            series.close()
            series = Series(folder / "series.sqlite")
        elif isinstance(act, str):
            adopt(series, act[-1], folder)
        else:
            series.merge([run(*act)], {"d" * 12: "{}"})
        rows = {c: sum(map(len, series.read(c, 0, 10 * DAY_NS))) for c in CHANNELS}
        assert {c: series.count(c) for c in CHANNELS} == rows
        assert sum(series.count_conflicts()) == len(series.conflicts())
    series.flush()
    kept, counted = series.totals()
    assert kept == counted
    series.close()


def filled(path: Path) -> None:
    with closing(Series(path)) as series:
        series.merge([run("a", 1, 1, 0, 0.0), run("b", 1, 1, 0, 0.0)], {"d" * 12: "{}"})
        series.merge([run("a", 1, 2, 0, 1.0)], {})
        series.flush()


def test_a_series_of_an_earlier_version_is_summed_when_it_is_opened(tmp_path: Path):
    path = tmp_path / "series.sqlite"
    filled(path)
    with closing(sqlite3.connect(path)) as db, db:
        triggers = db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DROP TABLE total")
    with closing(Series(path, read_only=True)) as series:
        assert (series.count(), series.count_conflicts().conflicts) == (2, 1)
        assert series.totals() == ({}, {})
    with closing(Series(path)) as series:
        assert (series.count(), series.count("a"), series.count_conflicts().conflicts) == (2, 1, 1)
        kept, counted = series.totals()
        assert kept == counted != {}


def test_sums_that_were_changed_show_and_are_made_again(tmp_path: Path):
    path = tmp_path / "series.sqlite"
    filled(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE total SET n = n + 1 WHERE channel = 'a'")
    with closing(Series(path)) as series:
        kept, counted = series.totals()
        assert kept["b"] == counted["b"]
        assert kept["a"] != counted["a"]
        series.sum_again()
        kept, counted = series.totals()
        assert kept == counted


def test_an_earlier_version_that_writes_keeps_the_sums_right(tmp_path: Path):
    """The file sums by itself: a program that does not know of the sums changes them too."""
    path = tmp_path / "series.sqlite"
    filled(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT OR REPLACE INTO block SELECT * FROM block WHERE channel = 'a'")
        db.execute("INSERT OR REPLACE INTO conflict SELECT * FROM conflict")
        db.execute("DELETE FROM block WHERE channel = 'b'")
    with closing(Series(path)) as series:
        kept, counted = series.totals()
        assert kept == counted
        assert series.count() == 1


def test_where_no_sums_can_be_made_each_answer_is_counted(tmp_path: Path, monkeypatch):
    path = tmp_path / "series.sqlite"

    def full(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("edaphon.series.store.add_totals", full)
    filled(path)
    with closing(Series(path)) as series:
        assert (series.count(), series.count("a"), series.count_conflicts().conflicts) == (2, 1, 1)
        series.sum_again()
    monkeypatch.undo()
    with closing(Series(path)) as series:
        kept, counted = series.totals()
        assert kept == counted != {}


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TRIGGER more AFTER INSERT ON block BEGIN DELETE FROM conflict; END",
        "CREATE TRIGGER block AFTER INSERT ON block BEGIN DELETE FROM conflict; END",
        "CREATE VIEW more AS SELECT 1",
    ],
)
def test_a_series_with_a_program_of_others_is_not_opened(tmp_path: Path, text: str) -> None:
    path = tmp_path / "series.sqlite"
    Series(path).close()
    Series(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(text)
    for read_only in (True, False):
        with pytest.raises(WrongFile, match="which is none"):
            Series(path, read_only)


def test_each_of_many_days_is_looked_at_once(tmp_path: Path) -> None:
    days = 450  # more than are read at a time
    with closing(Series(tmp_path / "series.sqlite")) as series:
        series.merge([run("a", 24 * day, 1, 0, 0.5) for day in range(days)], {"d" * 12: "{}"})
        series.flush()
    change = "UPDATE block SET digest = '0123456789abcdef' WHERE day IN (3, 449)"
    with closing(sqlite3.connect(tmp_path / "series.sqlite")) as db, db:
        assert db.execute(change).rowcount == 2
    with closing(Series(tmp_path / "series.sqlite", read_only=True)) as series:
        words = list(series.damaged_blocks())
    assert len(words) == days
    assert [k for k, word in enumerate(words) if word] == [3, 449]
