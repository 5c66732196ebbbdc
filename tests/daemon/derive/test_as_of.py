"""What was known at any moment is what a plot that ends there would have derived."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.derive.lives import Life, MemoryJournal, folders, rows_of, told_rows
from tests.daemon.derive.test_pipeline import EXAMPLES, channel, streams
from tests.daemon.derive.test_recalibrate import calibration, days_of_readings

from edaphon.derive import projection
from edaphon.derive.projection import known_as_of, values_then
from edaphon.journal import Entry

FAR_NS = 2**61


def then(life: Life, journal: Any, n: int, folder: Any) -> dict[tuple[str, int], dict[str, object]]:
    """Every channel as known once n entries had been written."""
    known = known_as_of(journal, life.series, journal.entries[n - 1].received_ns)
    assert known is not None
    found = {}
    for id in known.knowledge.channels:
        runs = values_then(journal, life.series, known, id, -FAR_NS, FAR_NS, folder / f"then-{id}")
        runs = list(runs)
        times = [time_ns for run in runs for time_ns in run.time_ns.tolist()]
        assert times == sorted(times)
        for time_ns, fields in rows_of(runs).items():
            assert (id, time_ns) not in found
            found[id, time_ns] = fields
    return found


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "ROWS", 3)


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None)
@given(entries=streams(), data=st.data())
def test_values_as_known_at_any_moment_are_those_of_a_plot_that_ends_there(
    entries: list[Entry], data: st.DataObject
) -> None:
    moments = [
        n
        for n in range(1, len(entries) + 1)
        # halving needs a clock that goes forward
        if all(e.received_ns <= entries[n - 1].received_ns for e in entries[:n])
        and all(e.received_ns > entries[n - 1].received_ns for e in entries[n:])
    ]
    with folders() as folder:
        journal = MemoryJournal(entries)
        journal.shown = len(entries)
        life = Life(folder, journal)
        life.settle()
        life.flush()
        for n in {data.draw(st.sampled_from(moments)) for _ in range(3)} if moments else ():
            assert then(life, journal, n, folder) == told_rows(folder / f"whole-{n}", entries[:n])
        life.close()


def test_what_was_known_before_a_correction_is_answered_without_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = days_of_readings(1)
    stream.learn(channel("c1", 5, 2, again=True))  # spikes are found, and no rate
    for number in [10.0, 10.0, 40.0, 10.0, 11.0, 40.0, 11.0, 11.0, 40.0, 9.0]:
        stream.hear("a", number, 60, True)
    before = len(stream.entries)
    stream.learn(calibration("k", "c1", 4))
    stream.hear("a", 12.0, 60, True)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = before
        life = Life(folder, journal)
        life.settle()
        old = life.rows()
        assert [fields["flag"] for fields in old.values()].count(3) == 3
        journal.shown = len(stream.entries)
        life.settle()
        life.flush()
        assert life.rows().keys() > old.keys()
        monkeypatch.setattr(projection, "Replay", None)
        assert then(life, journal, before, folder) == old
        life.close()


def test_records_whose_clock_was_not_known_then_had_no_value_then() -> None:
    stream = days_of_readings(1)
    stream.start(1, 0)
    stream.hear("a", 11.0, 60, True)
    stream.hear("a", 12.0, 60, True)
    then_n = len(stream.entries)
    stream.minute += 60
    stream.know_clock()
    stream.hear("a", 13.0, 60, True)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = len(stream.entries)
        life = Life(folder, journal)
        life.settle()
        life.flush()
        assert len(life.rows()) == 24 + 3
        found = then(life, journal, then_n, folder)
        assert found == told_rows(folder / "whole", stream.entries[:then_n])
        assert len(found) == 24
        life.close()
