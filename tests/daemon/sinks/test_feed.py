"""What a sink is handed: each row once, the newest first, again when someone asks for it."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.sinks.samples import (
    CHANNELS,
    MINUTE_NS,
    SWC,
    T0,
    TEMPERATURE,
    ListFeed,
    MemoryAside,
    Notes,
    PickySink,
    QuickClock,
    keys_of,
    run,
)
from tests.programs import wait_until

from edaphon.clock import DAY_NS, SystemClock
from edaphon.journal import StateFile
from edaphon.model import Observations
from edaphon.series import Series
from edaphon.series import Withdrawal as Gone
from edaphon.series import series as change_module
from edaphon.sinks.delivery import Delivery
from edaphon.sinks.feed import Batch, SeriesFeed

TEXTS = {"0123456789abcdef": "{}"}


@pytest.fixture
def series(tmp_path: Path) -> Iterator[Series]:
    opened = Series(tmp_path / "series.sqlite")
    yield opened
    opened.close()


def reopened(series: Series, tmp_path: Path) -> Series:
    """As after a restart: memory of recent changes is gone."""
    series.flush()
    series.close()
    return Series(tmp_path / "series.sqlite")


def drain(feed: SeriesFeed, limit: int = 1000) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while (batch := feed.next_batch(limit)) is not None:
        found += keys_of(batch.observations)
        feed.delivered(batch.upto)
    return found


def test_a_backlog_gives_no_row_twice_however_much_comes_in_while_it_is_read(
    series: Series, tmp_path: Path
) -> None:
    series.merge([run(n=500)], TEXTS)
    series = reopened(series, tmp_path)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    found: list[tuple[str, int]] = []
    for k in range(40):  # a burst into the very day of the backlog
        series.merge([run(n=10, start_ns=T0 + (500 + 10 * k) * MINUTE_NS)], TEXTS)
        batch = feed.next_batch(100)
        assert batch is not None
        found += keys_of(batch.observations)
        feed.delivered(batch.upto)
    found += drain(feed)
    assert sorted(found) == keys_of([run(n=900)])
    assert feed.waiting() == 0
    series.close()


def test_what_comes_in_goes_before_the_backlog(series: Series, tmp_path: Path) -> None:
    series.merge([run(n=5000)], TEXTS)
    series = reopened(series, tmp_path)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    batch = feed.next_batch(100)  # begins the backlog
    assert batch is not None
    feed.delivered(batch.upto)
    for k in range(20):
        newest = run(TEMPERATURE, n=1, start_ns=T0 + k)
        series.merge([newest], TEXTS)
        handed: list[tuple[str, int]] = []
        for _ in range(2):
            batch = feed.next_batch(100)
            assert batch is not None
            handed += keys_of(batch.observations)
            feed.delivered(batch.upto)
        assert keys_of([newest])[0] in handed
    assert feed.waiting() > 0
    series.close()


def test_a_backlog_is_handed_out_in_pieces_of_the_asked_size(
    series: Series, tmp_path: Path
) -> None:
    series.merge([run(n=1000), run(TEMPERATURE, n=300)], TEXTS)
    series = reopened(series, tmp_path)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    sizes = []
    while (batch := feed.next_batch(70)) is not None:
        sizes.append(sum(map(len, batch.observations)))
        feed.delivered(batch.upto)
    assert max(sizes) == 70
    assert sum(sizes) == 1300
    series.close()


def test_the_cursor_never_passes_what_is_not_delivered(series: Series, tmp_path: Path) -> None:
    for k in range(30):
        series.merge([run(n=60, start_ns=T0 + k * 60 * MINUTE_NS)], TEXTS)
    series = reopened(series, tmp_path)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    held: set[tuple[str, int]] = set()
    while (batch := feed.next_batch(250)) is not None:
        held |= set(keys_of(batch.observations))
        feed.delivered(batch.upto)
        owed = {
            key
            for head in series.changed_heads(feed.cursor)
            for key in keys_of(series.rows_above(head.channel, head.day, feed.cursor))
        }
        assert set(keys_of([run(n=1800)])) == held | owed
    assert feed.cursor == series.change
    series.close()


def test_memory_that_is_too_short_in_the_middle_of_a_backlog_loses_and_doubles_no_row(
    series: Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_module, "RECENT_BYTES", 20_000)
    series.merge([run(n=400)], TEXTS)
    series = reopened(series, tmp_path)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    found: list[tuple[str, int]] = []
    for k in range(60):
        for j in range(20):
            at = T0 + (20 * k + j) * MINUTE_NS
            series.merge([run(TEMPERATURE, n=1, start_ns=at)], TEXTS)
        batch = feed.next_batch(15)
        if batch is not None:
            found += keys_of(batch.observations)
            feed.delivered(batch.upto)
    found += drain(feed)
    assert set(found) == set(keys_of([run(n=400), run(TEMPERATURE, n=1200)]))
    assert len(found) < 2 * len(set(found))
    assert feed.cursor == series.change
    series.close()


def test_all_is_sent_again_when_someone_asks_and_also_after_a_restart(
    series: Series, tmp_path: Path
) -> None:
    series.merge([run(n=3000)], TEXTS)
    notes = StateFile(tmp_path / "state")
    feed = SeriesFeed("s", series, CHANNELS, notes)
    assert len(drain(feed)) == 3000
    assert feed.waiting() == 0
    feed.send_again()
    assert feed.waiting() > 0
    batch = feed.next_batch(100)
    assert batch is not None
    feed.delivered(batch.upto)
    feed = SeriesFeed("s", series, CHANNELS, notes)  # it was killed
    assert set(drain(feed)) == set(keys_of([run(n=3000)]))
    assert feed.waiting() == 0
    feed = SeriesFeed("s", series, CHANNELS, notes)
    feed.send_again(T0 + 2000 * MINUTE_NS)
    feed.cursor = feed._live = series.change  # as the checkpoint of a service says
    found = drain(feed)
    assert min(t for _, t in found) == T0 + 2000 * MINUTE_NS
    assert len(found) == 1000
    notes.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=60))
def test_spans_of_a_withdrawal_hold_all_of_it_and_nothing_that_stands(
    places: list[tuple[int, bool]],
) -> None:
    hour_ns = 60 * MINUTE_NS
    stays = sorted({T0 + k * hour_ns for k, gone in places if not gone})
    gone = sorted({T0 + k * hour_ns for k, gone in places if gone} - set(stays))
    with TemporaryDirectory() as folder:
        series = Series(Path(folder) / "s")
        if stays:
            times = np.array(stays, np.int64)
            series.merge([_at(times)], TEXTS)
        feed = SeriesFeed("s", series, CHANNELS, Notes())
        if gone:
            [named] = feed._named([Gone(SWC.id, np.array(gone, np.int64))])
            for a, b in named.spans:
                assert not [t for t in stays if a <= t <= b]
            assert all(any(a <= t <= b for a, b in named.spans) for t in gone)
            words = "".join("-" if t in gone else "+" for t in sorted([*stays, *gone]))
            assert len(named.spans) == len(words.replace("+", " ").split())
        series.close()


def _at(times: np.ndarray) -> Observations:
    return replace(run(n=len(times)), time_ns=times)


class SlowSink(PickySink):
    """Takes a while for each request, and notes when each point came."""

    def __init__(self, seconds: float) -> None:
        super().__init__(set())
        self.seconds = seconds
        self.when: dict[tuple[str, int], float] = {}
        self.lock = threading.Lock()

    def write(self, batch: Sequence[Observations]) -> None:
        time.sleep(self.seconds)
        with self.lock:
            for key in keys_of(batch):
                self.when.setdefault(key, time.monotonic())
        super().write(batch)


def test_the_newest_value_is_not_late_behind_a_backlog_of_120_000_points(
    series: Series, tmp_path: Path
) -> None:
    """3 s a request are 30 ms here: 60 s are 600 ms."""
    days = [run(SWC, n=1440, start_ns=T0 + k * DAY_NS) for k in range(84)]
    series.merge(days, TEXTS)
    series = reopened(series, tmp_path)
    sink = SlowSink(0.03)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    worker = Delivery("s", lambda: sink, feed, MemoryAside(), SystemClock())
    worker.start()
    born: dict[tuple[str, int], float] = {}
    k = 0
    while feed.waiting() and k < 60:
        newest = run(TEMPERATURE, n=1, start_ns=T0 + k * MINUTE_NS)
        series.merge([newest], TEXTS)
        born[keys_of([newest])[0]] = time.monotonic()
        worker.wake()
        time.sleep(0.02)
        k += 1
    wait_until(lambda: feed.waiting() == 0, "the whole backlog")
    assert worker.stop()
    late = [sink.when[key] - begun for key, begun in born.items()]
    assert max(late) < 0.6
    assert len(sink.taken) == 84 * 1440 + k
    series.close()


def test_a_batch_of_a_slow_server_becomes_smaller_and_grows_again() -> None:
    class Taking(PickySink):
        seconds = 20.0

        def write(self, batch: Sequence[Observations]) -> None:
            clock.now_ns += int(self.seconds * 1e9)
            super().write(batch)

    class Limits(ListFeed):
        def next_batch(self, limit: int) -> Batch | None:
            asked.append(limit)
            return super().next_batch(limit)

    asked: list[int] = []
    clock, sink = QuickClock(), Taking(set())
    feed = Limits([[run(n=1, start_ns=T0 + k)] for k in range(4)])
    worker = Delivery("s", lambda: sink, feed, MemoryAside(), clock)
    worker.start()
    wait_until(lambda: feed.done, "four batches")
    assert asked[:5] == [5000, 2500, 1250, 625, 312]
    sink.seconds = 0.0
    for k in range(6):
        feed.add([run(n=1, start_ns=T0 + 10 + k)])
    wait_until(lambda: feed.done, "six more")
    assert asked[-1] == 5000
    assert worker.stop()
