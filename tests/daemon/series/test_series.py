"""The series: what stands, what changed, what is written and read again."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.daemon.sinks.samples import Notes

from edaphon.clock import DAY_NS
from edaphon.model import Channel, Observations
from edaphon.series import Series, WrongFile, cursor_name
from edaphon.series import series as change_module
from edaphon.series.reader import SeriesReader
from edaphon.sinks.feed import SeriesFeed

TEXTS = {"d1": "{}", "d2": "{}"}
CHANNELS = {c: Channel(c, "soil_temperature", "degC", "site") for c in "ab"}


def run(times, values, *, channel="a", sequence=None, derivation="d1", flag=1, rank=0):
    t = np.array(times, np.int64)
    v = np.array(values, np.float64)
    s = np.array(sequence if sequence is not None else times, np.int64)
    u = np.where(np.isnan(v), np.nan, 0.1)
    flags = np.where(np.isnan(v), 9, flag).astype(np.int8)
    return Observations(channel, derivation, t, t, v, v, u, u, flags, flags, s, rank)


def values(series, channel="a"):
    runs = series.read(channel, 0, 2**62)
    return {int(t): float(v) for r in runs for t, v in zip(r.time_ns, r.value, strict=True)}


@pytest.fixture
def series(tmp_path: Path):
    series = Series(tmp_path / "series.sqlite")
    yield series
    series.close()


def test_what_is_merged_is_read_before_and_after_a_flush(series):
    series.merge([run([1, 2, 3], [1.0, 2.0, np.nan])], TEXTS)
    before = values(series)
    head = series.heads()
    series.flush()
    assert before.keys() == values(series).keys() == {1, 2, 3}
    assert series.heads() == head


def test_every_row_counts_as_unwritten_until_the_flush(series):
    for k in range(1000):
        series.merge([run([k + 1], [1.0])], TEXTS)
    series.merge([run([500], [2.0], sequence=[1])], TEXTS)
    assert series.unflushed_rows >= 1000
    series.flush()
    assert series.unflushed_rows == 0
    series.merge([run([2000], [1.0])], TEXTS)
    assert series.unflushed_rows == 1


def test_rows_are_counted_with_one_question_however_many_days_are_open(series):
    """A status during the import of ten years asked the file for each of a thousand days."""
    series.merge([run([k * DAY_NS + 1 for k in range(50)], np.ones(50))], TEXTS)
    series.flush()
    series.merge([run([k * DAY_NS + 2 for k in range(60)], np.ones(60))], TEXTS)
    series.revise([run([1], [7.0])], TEXTS)
    asked = []
    series._store._db.set_trace_callback(asked.append)
    assert series.count() == series.count("a") == 110
    assert len(asked) == 2
    series.flush()
    assert series.count() == sum(head.n for head in series.heads()) == 110


def test_a_late_row_takes_its_place_in_time(series):
    series.merge([run([10, 30], [1.0, 3.0])], TEXTS)
    series.merge([run([20], [2.0])], TEXTS)
    assert values(series) == {10: 1.0, 20: 2.0, 30: 3.0}


def test_the_lower_sequence_stands_and_the_other_is_a_conflict(series):
    series.merge([run([10], [1.0], sequence=[5])], TEXTS)
    later = series.merge([run([10], [2.0], sequence=[6])], TEXTS)
    assert values(series) == {10: 1.0}
    assert len(later) == 0
    assert series.conflicts() == [("a", 10, 6, 0, 0, 2.0, 5, 0)]
    series.flush()
    earlier = series.merge([run([10], [3.0], sequence=[4])], TEXTS)
    assert values(series) == {10: 3.0}
    assert len(earlier) == 1


def test_the_primary_deployment_stands_whatever_came_first(series):
    series.merge([run([10], [1.0], sequence=[5], rank=1)], TEXTS)
    series.merge([run([10], [2.0], sequence=[6], rank=0)], TEXTS)
    assert values(series) == {10: 2.0}


def test_the_same_time_twice_in_one_run_is_settled_too(series):
    series.merge([run([10, 10, 11], [1.0, 2.0, 3.0], sequence=[1, 2, 3])], TEXTS)
    assert values(series) == {10: 1.0, 11: 3.0}
    assert len(series.conflicts()) == 1


def test_of_two_rows_of_one_time_only_the_one_that_stands_is_told(series):
    later, first = run([10], [1.0], sequence=[6]), run([10], [np.nan], sequence=[5])
    change = series.merge([later, first], TEXTS)
    assert [r.sequence.tolist() for r in change.observations] == [[5]]
    assert change.withdrawals == ()


def test_what_is_derived_again_after_a_crash_withdraws_where_it_has_no_number(series):
    change = series.merge([run([10, 20], [1.0, np.nan])], TEXTS, again=True)
    assert [w.times_ns.tolist() for w in change.withdrawals] == [[20]]
    assert [len(r) for r in change.observations] == [2]


def test_a_revision_that_loses_its_number_is_withdrawn_first(series):
    series.merge([run([10], [1.0])], TEXTS)
    change = series.merge([run([10], [np.nan])], TEXTS)
    assert change.withdrawals[0].times_ns.tolist() == [10]
    assert len(change.observations[0]) == 1


def test_a_row_merged_again_changes_nothing(series):
    series.merge([run([10, 11], [1.0, np.nan])], TEXTS)
    number = series.change
    assert len(series.merge([run([10, 11], [1.0, np.nan])], TEXTS)) == 0
    assert series.change == number


def days_of_values(n, step=1.0):
    """Four rows a day on n days, as two runs."""
    times = [day * DAY_NS + hour for day in range(n) for hour in range(4)]
    numbers = [step * i for i in range(len(times))]
    half = len(times) // 2
    return [run(times[:half], numbers[:half]), run(times[half:], numbers[half:])]


def test_revised_rows_are_what_a_fresh_merge_of_them_is(tmp_path, series):
    series.merge(days_of_values(10), TEXTS)
    series.flush()
    number = series.change
    assert series.revise(days_of_values(10, 2.0), TEXTS) == 39  # the first was and is 0
    assert series.change == number + 1
    fresh = Series(tmp_path / "fresh")
    fresh.merge(days_of_values(10, 2.0), TEXTS)
    assert [h.digest for h in series.heads()] == [h.digest for h in fresh.heads()]
    series.flush()
    assert [h.digest for h in series.heads()] == [h.digest for h in fresh.heads()]


def test_a_whole_day_is_revised_by_runs_that_lie_between_each_other(series):
    """As a mark makes them, that takes rows out of the middle."""
    series.merge([run([1, 2, 3, 4], [10, 20, 30, 40])], TEXTS)
    runs = [run([1, 4], [11, 44]), run([2, 3], [22, 33], derivation="d2")]
    assert series.revise(runs, TEXTS) == 4
    assert list(values(series).items()) == [(1, 11), (2, 22), (3, 33), (4, 44)]


def test_a_sink_gets_exactly_the_rows_that_a_revision_changed_and_what_lost_a_number(series):
    series.merge([run([10, 20, 30, DAY_NS], [1.0, 2.0, 3.0, 4.0])], TEXTS)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    drain(feed)
    reported = [
        run([10, DAY_NS], [1.0, 4.5]),
        run([20], [np.nan]),
        run([30], [3.0], derivation="d2"),
    ]
    assert series.revise(reported, TEXTS) == 3
    gone = series.withdrawn_above(feed.cursor)
    assert [(w.channel, w.times_ns.tolist()) for w in gone] == [("a", [20])]
    held, n = drain(feed)
    assert n == 3
    assert held.keys() == {("a", 20), ("a", 30), ("a", DAY_NS)}
    assert series.revise(reported, TEXTS) == 0
    assert feed.waiting() == 0


def test_a_revision_of_a_row_that_is_not_there_changes_nothing(series):
    series.merge(days_of_values(2), TEXTS)
    before = series.heads(), series.change
    for wrong in (
        run([1], [9.0], sequence=[7]),
        run([1], [9.0], rank=1),
        run([5], [9.0]),
        run([3 * DAY_NS], [9.0]),
        run([1], [9.0], channel="b"),
    ):
        with pytest.raises(KeyError, match="expected a row of time"):
            series.revise([run([2], [9.0]), wrong], TEXTS)
    assert (series.heads(), series.change) == before


def test_a_change_that_is_too_large_for_memory_reaches_sinks_through_the_blocks(
    series, monkeypatch
):
    series.merge(days_of_values(10), TEXTS)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    drain(feed)
    monkeypatch.setattr(change_module, "RECENT_BYTES", 3000)
    series.revise(days_of_values(10, 2.0), TEXTS)
    assert series.recent(feed.cursor, 10) is None
    assert len(drain(feed)[0]) == 39
    series.merge([run([99 * DAY_NS], [1.0])], TEXTS)
    assert series.recent(feed.cursor, 10) is not None
    assert len(drain(feed)[0]) == 1


def test_days_that_hold_rows(series):
    series.merge([run([1, DAY_NS, 5 * DAY_NS], [1.0, 2.0, 3.0])], TEXTS)
    series.flush()
    series.merge([run([3 * DAY_NS], [4.0])], TEXTS)
    assert series.days("a", 0, 2**62) == [0, 1, 3, 5]
    assert series.days("a", DAY_NS + 7, 3 * DAY_NS) == [1]
    assert series.days("b", 0, 2**62) == []


def test_digests_do_not_depend_on_order_or_on_the_numbering_of_derivations(tmp_path):
    one, two = Series(tmp_path / "1"), Series(tmp_path / "2")
    first, second = run([10], [1.0]), run([20], [2.0], derivation="d2")
    one.merge([first], TEXTS)
    one.merge([second], TEXTS)
    two.merge([second], TEXTS)
    two.flush()
    two.merge([first], TEXTS)
    assert [h.digest for h in one.heads()] == [h.digest for h in two.heads()]
    two.merge([run([20], [2.5], derivation="d2")], TEXTS)
    assert [h.digest for h in one.heads()] != [h.digest for h in two.heads()]


def test_adopting_withdraws_what_vanished_and_rewrites_only_what_differs(tmp_path, series):
    series.merge([run([10, 20, DAY_NS + 1], [1.0, 2.0, 3.0])], TEXTS)
    series.merge([run([10], [9.0], channel="b")], TEXTS)
    series.flush()
    other = Series(tmp_path / "other")
    other.merge([run([10, 20], [1.0, 2.5], derivation="d1")], TEXTS)
    before = series.change
    assert series.adopt("a", other, [(0, 2**62)]).differing == 2
    assert [w.times_ns.tolist() for w in series.withdrawn_above(before)] == [[DAY_NS + 1]]
    assert [r.time_ns.tolist() for r in series.rows_above("a", 0, before)] == [[20]]
    assert values(series) == {10: 1.0, 20: 2.5}
    assert values(series, "b") == {10: 9.0}
    series.flush()
    assert [h.digest for h in series.heads("a")] == [h.digest for h in other.heads("a")]


def test_adopting_a_range_leaves_the_rest_alone(tmp_path, series):
    series.merge([run([10, 20, 30], [1.0, 2.0, 3.0])], TEXTS)
    other = Series(tmp_path / "other")
    other.merge([run([10, 20], [5.0, 6.0])], TEXTS)
    series.adopt("a", other, [(15, 25)])
    assert values(series) == {10: 1.0, 20: 6.0, 30: 3.0}


def drain(feed, limit=10):
    """What a sink holds after everything was delivered, as its server would hold it."""
    held, n = {}, 0
    while (batch := feed.next_batch(limit)) is not None:
        for gone in batch.withdrawals:
            for time in gone.times_ns.tolist():
                held.pop((gone.channel.id, time), None)
        for r in batch.observations:
            held.update(
                {(r.channel, int(t)): float(v) for t, v in zip(r.time_ns, r.value, strict=True)}
            )
            n += len(r)
        feed.delivered(batch.upto)
    return held, n


def test_a_sink_that_keeps_up_gets_each_row_once(series):
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    for i in range(5):
        series.merge([run([i * 10], [1.0])], TEXTS)
    held, n = drain(feed)
    assert n == 5
    assert feed.waiting() == 0
    assert drain(feed) == ({}, 0)
    assert held.keys() == {("a", i * 10) for i in range(5)}


def test_a_sink_that_was_away_for_long_gets_everything_from_the_blocks(tmp_path):
    series = Series(tmp_path / "s")
    for i in range(20):
        series.merge([run([i * DAY_NS // 4 + 1], [float(i)], channel="ab"[i % 2])], TEXTS)
    series.merge([run([1], [np.nan], channel="a")], TEXTS)
    series.flush()
    series.close()
    series = Series(tmp_path / "s")
    series.merge([run([21 * DAY_NS], [21.0])], TEXTS)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    assert series.recent(0, 10) is None
    held, n = drain(feed)
    assert n == 21
    assert held.keys() == {(c, t) for c in "ab" for t in values(series, c)}
    assert feed.waiting() == 0


def test_days_of_few_rows_go_to_a_sink_together(tmp_path):
    series = Series(tmp_path / "s")
    for day in range(20):
        times = [day * DAY_NS + n for n in range(3)]
        series.merge([run(times, [1.0, 2.0, 3.0])], TEXTS)
    series.merge([run([20 * DAY_NS + n for n in range(12)], [4.0] * 12)], TEXTS)
    series.flush()
    series.close()
    feed = SeriesFeed("s", Series(tmp_path / "s"), CHANNELS, Notes())
    sizes = []
    while (batch := feed.next_batch(10)) is not None:
        sizes.append(sum(map(len, batch.observations)))
        feed.delivered(batch.upto)
    assert sizes == [0, *[10] * 7, 2]  # withdrawals first; a day may be parted


def test_what_is_remembered_for_sinks_is_bounded_by_its_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(change_module, "RECENT_BYTES", 100_000)
    series = Series(tmp_path / "s")
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    for i in range(1000):
        series.merge([run([i], [float(i)], channel="ab"[i % 2])], TEXTS)
    remembered = series.recent(series.change - 50, 10_000)
    assert remembered is not None
    assert len(remembered) == 50
    assert series.recent(series.change - 100, 10_000) is None
    held, n = drain(feed)
    assert n == 1000
    assert held.keys() == {("ab"[i % 2], i) for i in range(1000)}


def test_the_cursor_of_a_sink_survives_with_the_flush(tmp_path):
    series = Series(tmp_path / "s")
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    series.merge([run([1], [1.0])], TEXTS)
    drain(feed)
    series.flush({cursor_name("s"): str(feed.cursor)})
    series.merge([run([2], [2.0])], TEXTS)  # lost with the process
    series.close()
    again = SeriesFeed("s", Series(tmp_path / "s"), CHANNELS, Notes())
    assert again.waiting() == 0


def test_another_file_in_its_place_is_refused_and_named(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "s") as db:
        db.execute("CREATE TABLE t (a)")
    with pytest.raises(WrongFile, match="expected a series"):
        Series(tmp_path / "s")


def test_a_series_of_version_2_is_opened_and_its_conflicts_get_an_ordinal(tmp_path):
    path = tmp_path / "old.sqlite"
    series = Series(path)
    series.merge([run([10], [1.0], sequence=[5]), run([10], [2.0], sequence=[6])], TEXTS)
    series.flush()
    series.close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE old AS SELECT channel, time_ns, sequence, rank, raw, standing, agrees"
            " FROM conflict; DROP TABLE conflict; ALTER TABLE old RENAME TO conflict;"
            " PRAGMA user_version = 2"
        )
    expected = [("a", 10, 6, 0, 0, 2.0, 5, 0)]
    before = Series(path, read_only=True)  # as a release, or before the service was started
    assert before.conflicts() == expected
    series = Series(path)
    assert before.conflicts() == series.conflicts() == expected
    before.close()
    further = replace(run([10], [3.0], sequence=[5]), ordinal=np.array([1]))
    series.merge([further], TEXTS)
    series.flush()
    assert [c.ordinal for c in series.conflicts()] == [1, 0]
    assert values(series) == {10: 1.0}
    series.close()


def test_conflicts_are_counted_alike_in_memory_and_on_disk(series):
    def expect(*expected):
        assert series.count_conflicts("a") == series.count_conflicts() == expected
        series.flush()
        assert series.count_conflicts("a") == series.count_conflicts() == expected
        assert len(series.conflicts()) == sum(expected)

    series.merge([run([10], [1.0], sequence=[5]), run([10], [2.0], sequence=[6])], TEXTS)
    expect(1, 0, 0)
    series.merge([run([10], [1.0], sequence=[7])], TEXTS)
    expect(1, 1, 0)
    series.merge([run([10], [9.0], sequence=[8], rank=64)], TEXTS)
    expect(1, 1, 1)
    # what stands now makes others agree: the stored ones are held against it
    series.merge([run([10], [2.0], sequence=[4])], TEXTS)
    found = sorted((c.sequence, c.standing, c.agrees) for c in series.conflicts())
    assert found == [
        (5, 4, 0),
        (6, 4, 1),
        (7, 4, 0),
        (8, 4, 0),
    ]
    expect(2, 1, 1)


def test_a_sink_keeps_up_while_what_it_is_owed_is_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(change_module, "RECENT_BYTES", 40_000)
    monkeypatch.setattr("edaphon.sinks.feed.NEAR_BYTES", 10_000)
    series = Series(tmp_path / "series.sqlite")
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    assert feed.keeps_up
    series.merge([run(range(1, 101), np.ones(100))], TEXTS)
    assert feed.keeps_up
    series.merge([run(range(101, 201), np.ones(100))], TEXTS)
    assert not feed.keeps_up, "half of what memory holds"
    series.merge([run(range(201, 601), np.ones(400))], TEXTS)
    assert not feed.keeps_up, "memory begins later"
    drain(feed)
    assert feed.keeps_up
    series.close()


def test_a_range_holds_its_start_and_not_its_end_on_whatever_day(series, tmp_path):
    days = [0, 1, DAY_NS - 1, DAY_NS, DAY_NS + 1, 2 * DAY_NS]
    series.merge([run(days, [float(n) for n in range(6)])], TEXTS)
    for flushed in (False, True):
        if flushed:
            series.flush()
            reader = SeriesReader(tmp_path / "series.sqlite")

        def times(start, end):
            found = [t for r in series.read("a", start, end) for t in r.time_ns.tolist()]
            if flushed:  # noqa: B023
                runs = list(reader.runs("a", start, end))  # noqa: B023
                assert [t for r in runs for t in r.time_ns.tolist()] == found
            return found

        for at, start in enumerate(days):
            for until, end in enumerate(days):
                assert times(start, end) == days[at:until]
                assert times(start, end + 1) == days[at : until + 1]
        assert times(2, DAY_NS - 1) == times(5, 5) == times(9, 2) == []
    assert reader.extent("a") == (6, 0, 2 * DAY_NS)
    assert reader.extent("b") == (0, None, None)
    reader.close()
