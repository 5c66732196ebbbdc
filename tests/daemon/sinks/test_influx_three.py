"""What InfluxDB 3.6.0 was seen to do, played by the fake server: no real one is to be had here."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tests.daemon.sinks.samples import (
    CHANNELS,
    MINUTE_NS,
    SWC,
    T0,
    TEMPERATURE,
    ListFeed,
    MemoryAside,
    QuickClock,
    run,
    withdrawal,
    write_sifted,
)
from tests.fake_influx import FILES, FakeInflux
from tests.programs import wait_until

from edaphon.clock import DAY_NS
from edaphon.sinks.delivery import Delivery
from edaphon.sinks.feed import Batch
from edaphon.sinks.influxdb import InfluxSettings, open_readback, open_sink
from edaphon.sinks.refusals import Rewrites

SETTINGS = {"version": 3, "database": "plots"}


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    with FakeInflux(3) as server:
        yield server


def settings(fake: FakeInflux) -> InfluxSettings:
    return InfluxSettings.model_validate({"url": fake.url, **SETTINGS})


def standing(fake: FakeInflux) -> list[float]:
    return [fields["value"] for _, fields in sorted(fake.points.items(), key=lambda kv: kv[0][2])]


def test_the_fake_keeps_an_older_write_as_the_real_one_was_seen_to(fake: FakeInflux) -> None:
    sink = open_sink(settings(fake), CHANNELS)
    older = []
    for k in range(1, 5):
        sink.write([run(n=1000, value=float(k))])
        older.append(sum(value != k for value in standing(fake)))
    assert older[:2] == [0, 0]
    assert 60 < older[2] < 140  # two rewrites: one in ten
    assert 240 < older[3] < 360  # three
    sink.close()


class HastyClock(QuickClock):
    """Each wait is a minute."""

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        return super().wait_until(mono_ns + 60 * 10**9, stop)


def brought(fake: FakeInflux, batches: list[Batch]) -> QuickClock:
    clock, feed = HastyClock(), ListFeed(batches)
    worker = Delivery("s", lambda: open_sink(settings(fake), CHANNELS), feed, MemoryAside(), clock)
    worker.start()
    wait_until(lambda: feed.done, "the batches")
    wait_until(lambda: len(worker._rewrites.spans) == 0, "the proof")
    assert worker.stop()
    assert not any("rewrites" in words for words in worker.notices)
    return clock


def test_rewrites_are_read_back_and_sent_again_until_they_stand(fake: FakeInflux) -> None:
    clock = brought(fake, [Batch([run(n=300, value=float(k))], (), None) for k in range(4)])
    assert standing(fake) == [3.0] * 300
    assert clock.now_ns - T0 > 18_000 * 10**9  # looked at again for hours
    fake.to_disk()
    assert standing(fake) == [3.0] * 300


def test_what_was_written_withdrawn_and_written_again_ends_written(fake: FakeInflux) -> None:
    gone = withdrawal(SWC, *run(n=300).time_ns.tolist())
    batches = [
        Batch([run(n=300, value=1.0)], (), None),
        Batch([run(n=300, value=2.0)], [gone], None),
        Batch([run(n=300, value=3.0)], [gone], None),
    ]
    brought(fake, batches)
    assert standing(fake) == [3.0] * 300
    assert {fields["flag"] for fields in fake.points.values()} == {1.0}


def test_each_new_value_is_no_rewrite(fake: FakeInflux) -> None:
    brought(fake, [Batch([run(n=1, start_ns=T0 + k * MINUTE_NS)], (), None) for k in range(50)])
    assert [request.path for request in fake.requests].count("/query") == 0


def test_spans_that_meet_are_looked_at_together_and_memory_is_bounded() -> None:
    rewrites = Rewrites()
    for k in range(3000):
        rewrites.wrote("c", np.array([k * DAY_NS, k * DAY_NS + 9], np.int64), 0.0)
    assert len(rewrites.spans) == 0
    for _ in range(3):
        rewrites.wrote("c", np.array([2999 * DAY_NS + 5], np.int64), 1.0)
    assert len(rewrites.spans) == 1
    for k in range(3000):
        for _ in range(2):
            rewrites.wrote("d", np.array([k * DAY_NS]), 2.0)
    assert len(rewrites.spans) <= 2000
    assert rewrites.unproven > 0


def test_points_are_read_back_below_the_limit_of_files(fake: FakeInflux) -> None:
    sink = open_sink(settings(fake), CHANNELS)
    for day in range(20):
        sink.write([run(n=1440, start_ns=T0 + day * DAY_NS), run(TEMPERATURE, n=2)])
    files = {point[2] // (600 * 10**9) for point in fake.points}
    assert len(files) > 5 * FILES
    back = open_readback(settings(fake))
    days = [(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=k)).date() for k in range(20)]
    assert back.counts(SWC, days) == dict.fromkeys(days, 1440)
    rows = list(back.rows(SWC, T0, T0 + 20 * DAY_NS))
    assert sum(len(page.time_ns) for page in rows) == 20 * 1440
    back.close()
    sink.close()


def test_a_limit_of_fewer_files_is_found_out(
    fake: FakeInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fake_influx.FILES", 30)
    sink = open_sink(settings(fake), CHANNELS)
    sink.write([run(n=4320)])
    back = open_readback(settings(fake))
    days = [(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=k)).date() for k in range(3)]
    assert back.counts(SWC, days) == dict.fromkeys(days, 1440)
    assert sum(len(page.time_ns) for page in back.rows(SWC, T0, T0 + 3 * DAY_NS)) == 4320
    back.close()
    sink.close()


def test_a_refused_batch_that_names_no_lines_is_sifted(fake: FakeInflux) -> None:
    fake.without_data = True
    fake.refuse = lambda point: "poison" if point["time"] == T0 + 7 * MINUTE_NS else ""
    sink = open_sink(settings(fake), CHANNELS)
    refused = write_sifted(sink, [run(n=100)])
    assert [point.time_ns for point in refused] == [T0 + 7 * MINUTE_NS]
    assert len(fake.points) == 99
    sink.close()


def test_what_cannot_be_read_back_holds_nothing_up_and_is_shown(fake: FakeInflux) -> None:
    fake.to_read = False
    clock, feed = HastyClock(), ListFeed([[run(n=9, value=float(k))] for k in range(3)])
    worker = Delivery("s", lambda: open_sink(settings(fake), CHANNELS), feed, MemoryAside(), clock)
    worker.start()
    wait_until(lambda: feed.done, "the batches")
    wait_until(lambda: len(worker._rewrites.spans) == 0, "the end of all tries")
    assert worker.state.up
    assert any("1 rewrites may not stand" in words for words in worker.notices)
    assert worker.stop()
