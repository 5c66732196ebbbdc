"""The delivery worker: nothing skipped, waits as asked, ends in time, speaks once."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.daemon.sinks.samples import (
    CHANNELS,
    MINUTE_NS,
    SWC,
    T0,
    TEMPERATURE,
    ListFeed,
    MemoryAside,
    PickySink,
    QuickClock,
    keys_of,
    run,
    withdrawal,
)
from tests.fake_influx import FakeInflux, Play
from tests.programs import wait_until

from edaphon.clock import SystemClock
from edaphon.journal import SetAside, StateFile
from edaphon.model import Observations
from edaphon.sinks.delivery import Delivery, DeliveryState, wait_s
from edaphon.sinks.feed import Batch
from edaphon.sinks.influxdb import InfluxSettings, open_sink
from edaphon.sinks.sink import Later, Sink

Start = Callable[..., Delivery]


class MoodySink(PickySink):
    """Says Later while `moods` lasts."""

    def __init__(self, *moods: Later) -> None:
        super().__init__(set())
        self.moods = list(moods)

    def write(self, batch: Sequence[Observations]) -> None:
        if self.moods:
            raise self.moods.pop(0)
        super().write(batch)


@pytest.fixture
def clock() -> QuickClock:
    return QuickClock()


@pytest.fixture
def start(clock: QuickClock) -> Iterator[Start]:
    running: list[Delivery] = []

    def begin(
        sink: Sink, feed: ListFeed, aside: MemoryAside | None = None, **more: object
    ) -> Delivery:
        made: dict[str, object] = {"rng": random.Random(1), **more}
        worker = Delivery("plots", lambda: sink, feed, aside or MemoryAside(), clock, **made)  # type: ignore[arg-type]
        worker.start()
        running.append(worker)
        return worker

    yield begin
    for worker in running:
        assert worker.stop()


def test_every_batch_is_brought_in_order_and_counted(start: Start) -> None:
    sink, feed = PickySink(set()), ListFeed([[run(n=7)], [run(TEMPERATURE, n=4)]])
    worker = start(sink, feed, limit=3)
    wait_until(lambda: feed.done, "both batches")
    assert sink.taken == set(keys_of([run(n=7), run(TEMPERATURE, n=4)]))
    assert worker.counts.delivered == 11
    assert sink.requests == 5


def test_what_waits_only_later_is_found_when_woken(start: Start) -> None:
    feed = ListFeed()
    worker = start(PickySink(set()), feed)
    feed.add([run()])
    worker.wake()
    wait_until(lambda: feed.done, "the batch")


def test_a_failed_batch_is_brought_again_and_the_cursor_waits(
    start: Start, clock: QuickClock
) -> None:
    sink = MoodySink(*[Later("away")] * 12)
    feed, reported = ListFeed([[run()]]), list[DeliveryState]()
    worker = start(sink, feed, on_state=reported.append)
    wait_until(lambda: feed.done, "the batch")
    wait_until(lambda: len(reported) == 2, "the return")
    assert [(state.up, state.why) for state in reported] == [(False, "away"), (True, "")]
    assert worker.counts.last_error == "away"
    assert worker.counts.failures == 0
    waits = clock.waits[:12]
    assert all(1.0 <= wait <= 300.0 for wait in waits)
    assert max(waits[8:]) > max(waits[:3])


def test_the_servers_own_wait_is_kept(start: Start, clock: QuickClock) -> None:
    feed = ListFeed([[run()]])
    start(MoodySink(Later("busy", 77.0)), feed)
    wait_until(lambda: feed.done, "the batch")
    assert 77.0 <= clock.waits[0] <= 78.0


def test_a_blocked_sink_is_asked_again_within_a_minute_and_opened_anew(
    start: Start, clock: QuickClock
) -> None:
    sink, feed = MoodySink(Later("credentials", blocked=True)), ListFeed([[run()]])
    start(sink, feed)
    wait_until(lambda: feed.done, "the batch")
    assert sink.closed
    assert 30.0 <= clock.waits[0] <= 60.0


def test_refused_points_are_set_aside_with_all_that_is_known(start: Start, tmp_path: Path) -> None:
    batch = [run(n=40), run(TEMPERATURE, n=40)]
    bad = keys_of(batch)[11]
    with StateFile(tmp_path) as aside:
        feed = ListFeed([batch])
        worker = start(PickySink({bad}), feed, aside)
        wait_until(lambda: feed.done, "the batch")
        [point] = aside.set_aside("plots")
    assert point[:4] == ("plots", *bad, int(batch[0].sequence[11]))
    assert point.words == f"bad point {bad}"
    assert point.tries > 2
    assert (worker.counts.delivered, worker.counts.set_aside) == (79, 1)


def test_an_accepted_rewrite_clears_a_point_that_was_set_aside(
    start: Start, tmp_path: Path
) -> None:
    with StateFile(tmp_path) as aside:
        old = [SetAside("plots", SWC.id, T0 + k * MINUTE_NS, 1, "bad", 1) for k in (0, 1, 9)]
        aside.add_set_aside([*old, SetAside("other", SWC.id, T0, 1, "bad", 1)])
        feed = ListFeed([[run(n=5)]])
        start(PickySink({(SWC.id, T0)}), feed, aside)
        wait_until(lambda: feed.done, "the batch")
        assert [p.time_ns for p in aside.set_aside("plots")] == [T0, T0 + 9 * MINUTE_NS]
        assert len(aside.set_aside("other")) == 1


def test_a_withdrawal_comes_before_the_rewrite_and_settles_a_set_aside_point(
    start: Start,
) -> None:
    aside = MemoryAside()
    aside.add_set_aside([SetAside("plots", SWC.id, T0 + MINUTE_NS, 1, "bad", 1)])
    sink = PickySink(set())
    sink.taken = set(keys_of([run(n=2)]))
    gone = withdrawal(SWC, T0, T0 + MINUTE_NS)
    feed = ListFeed([Batch([run(n=1)], [gone], None)])
    worker = start(sink, feed, aside)
    wait_until(lambda: feed.done, "the batch")
    assert sink.taken == {(SWC.id, T0)}
    assert aside.points == {}
    assert worker.counts.withdrawn == 2


def test_a_second_batch_refused_as_a_whole_is_a_wrong_setting(
    start: Start, clock: QuickClock
) -> None:
    batches = [[run(n=3, start_ns=T0 + k * 10**12)] for k in range(3)]
    everything = {key for batch in batches for key in keys_of(batch)}
    sink, feed, reported = PickySink(everything), ListFeed(batches), list[DeliveryState]()
    aside = MemoryAside()
    start(sink, feed, aside, on_state=reported.append)
    wait_until(lambda: bool(reported), "the complaint")
    assert feed.place == 1
    assert len(aside.points) == 3
    assert reported[0].blocked
    assert "settings: the server refuses every point: bad point" in reported[0].why
    sink.bad = set()
    wait_until(lambda: feed.done, "the rest")
    assert set(keys_of(batches[1] + batches[2])) <= sink.taken


def test_an_error_of_our_own_is_named_and_the_worker_goes_on(start: Start) -> None:
    class Broken(PickySink):
        def write(self, batch: Sequence[Observations]) -> None:
            super().write(batch)
            if self.requests == 1:
                raise KeyError("x")

    feed = ListFeed([[run()]])
    worker = start(Broken(set()), feed)
    wait_until(lambda: feed.done, "the batch")
    assert worker.counts.last_error == "unexpected KeyError: 'x'"


def test_a_worker_that_was_never_started_stops_at_once() -> None:
    clock = QuickClock()
    worker = Delivery("plots", lambda: PickySink(set()), ListFeed(), MemoryAside(), clock)
    assert worker.stop()


def test_waits_grow_with_jitter_from_one_to_three_hundred_seconds() -> None:
    rng = random.Random(2)
    for failures in range(1, 40):
        wait = wait_s(Later("away"), failures, rng)
        assert 1.0 <= wait <= min(300.0, 2.0**failures)
    assert max(wait_s(Later("away"), 30, rng) for _ in range(200)) > 250.0


def influx(fake: FakeInflux, feed: ListFeed, aside: MemoryAside, **more: object) -> Delivery:
    settings = InfluxSettings(url=fake.url, version=2, bucket="plots", org="lter")
    made = {"clock": SystemClock(), "rng": random.Random(3), **more}
    return Delivery("plots", lambda: open_sink(settings, CHANNELS), feed, aside, **made)  # type: ignore[arg-type]


STATES = {
    "hangs": Play(delay_s=60.0),
    "asks for an hour": Play(429, {"Retry-After": "3600"}),
    "is ill": Play(500),
    "refuses the token": Play(401),
    "cuts connections": Play(cut=True),
    "answers well": Play(204, store=True),
}


@pytest.mark.parametrize("state", STATES)
def test_the_worker_stops_within_ten_seconds_whatever_the_server_does(state: str) -> None:
    with FakeInflux(2) as fake:
        fake.script = [STATES[state]] * 50
        feed = ListFeed([[run(n=50, start_ns=T0 + k * 10**13)] for k in range(40)])
        worker = influx(fake, feed, MemoryAside())
        worker.start()
        wait_until(lambda: bool(fake.requests), "the first request")
        began = time.monotonic()
        stopped = worker.stop(within_s=1.0)
        assert time.monotonic() - began < 10.0
        assert stopped is (state != "hangs")


def test_a_worker_left_behind_in_a_request_touches_the_feed_no_more() -> None:
    with FakeInflux(2) as fake:
        fake.script = [Play(delay_s=60.0, store=True)]
        feed, aside = ListFeed([[run()]]), MemoryAside()
        worker = influx(fake, feed, aside)
        worker.start()
        wait_until(lambda: bool(fake.requests), "the first request")
        assert not worker.stop(within_s=0.05)
        fake.released.set()
        [thread] = [t for t in threading.enumerate() if t.name == "sink plots"]
        thread.join(10)
        assert not thread.is_alive()
        assert feed.place == 0


def test_an_outage_with_every_kind_of_answer_loses_and_doubles_nothing(
    clock: QuickClock,
) -> None:
    with FakeInflux(2) as fake:
        plays = [Play(503), Play(cut=True), Play(cut=True, store=True), Play(429), Play(401)]
        plays += [Play(404), Play(307, {"Location": "http://127.0.0.1:1"}), Play(500, store=True)]
        random.Random(4).shuffle(plays)
        fake.script = [play for play in plays for _ in range(3)]
        batches = [[run(n=100, start_ns=T0 + k * 10**13, seed=k)] for k in range(10)]
        feed, aside, reported = ListFeed(batches), MemoryAside(), list[DeliveryState]()
        worker = influx(fake, feed, aside, clock=clock, on_state=reported.append)
        worker.start()
        wait_until(lambda: feed.done, "all batches")
        assert worker.stop()
        assert len(fake.points) == 1000
        assert aside.points == {}
        assert [state.up for state in reported] == [False, True]
        sent = [request.body for request in fake.writes]
        assert len(set(sent)) == 10


def test_a_new_token_file_is_read_without_a_restart(tmp_path: Path, clock: QuickClock) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    with FakeInflux(2, token="new") as fake:  # noqa: S106  a fake's own
        settings = InfluxSettings.model_validate(
            {"url": fake.url, "bucket": "plots", "org": "lter", "token": {"file": str(path)}}
        )
        feed = ListFeed([[run()]])
        worker = Delivery(
            "plots", lambda: open_sink(settings, CHANNELS), feed, MemoryAside(), clock
        )
        worker.start()
        wait_until(lambda: not worker.state.up, "the refusal")
        assert worker.state.blocked
        assert feed.place == 0
        path.write_text("new")
        wait_until(lambda: feed.done, "the delivery")
        assert worker.stop()
        assert len(fake.points) == 3
