"""A refusal may pass: points that were set aside are offered again, and nothing else suffers."""

from collections.abc import Sequence

import pytest
from tests.daemon.sinks.samples import (
    CHANNELS,
    SWC,
    T0,
    TEMPERATURE,
    ListFeed,
    MemoryAside,
    PickySink,
    QuickClock,
    keys_of,
    run,
)
from tests.fake_influx import FakeInflux, Play
from tests.programs import wait_until

from edaphon.journal import SetAside
from edaphon.model import Observations
from edaphon.sinks.delivery import AGAIN_S, DAY_S, REQUESTS, Delivery, Key, Offers
from edaphon.sinks.influxdb import InfluxSettings, open_sink
from edaphon.sinks.sink import Later

SECOND_NS = 10**9


class HandClock(QuickClock):
    """Time passes only by hand; a rest ends at once when it is over."""

    def wait_until(self, mono_ns: int, stop: object) -> bool:
        return stop.wait(0.001)  # type: ignore[attr-defined, no-any-return]

    def later(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)


def aside_of(keys: Sequence[Key], words: str = "bad") -> MemoryAside:
    aside = MemoryAside()
    aside.add_set_aside(SetAside("plots", channel, t, 1, words) for channel, t in keys)
    return aside


def worker_of(
    sink: PickySink, batch: list[Observations], aside: MemoryAside, clock: QuickClock
) -> tuple[Delivery, ListFeed]:
    feed = ListFeed([batch])
    feed.place = 1  # it was delivered in an earlier life
    return Delivery("plots", lambda: sink, feed, aside, clock), feed


def test_points_set_aside_are_offered_again_soon_after_a_start_and_cleared_when_taken() -> None:
    batch = [run(n=300), run(TEMPERATURE, n=300)]
    bad = set(keys_of(batch)[7::100])
    sink, clock = PickySink(bad), HandClock()
    aside = aside_of(keys_of(batch))
    worker, _ = worker_of(sink, batch, aside, clock)
    worker.start()
    assert not sink.requests
    clock.later(AGAIN_S[0] + 1)
    wait_until(lambda: len(aside.points) == len(bad), "all but the bad ones")
    assert sink.taken == set(keys_of(batch)) - bad
    assert worker.counts.delivered == 600 - len(bad)
    done = sink.requests
    sink.bad = set()
    clock.later(DAY_S / 2)
    assert sink.requests <= done + 1
    clock.later(DAY_S / 2)
    wait_until(lambda: not aside.points, "the others a day later")
    assert worker.stop()


def test_a_person_may_have_them_offered_at_once() -> None:
    batch = [run(n=50)]
    sink, clock = PickySink(set()), HandClock()
    aside = aside_of(keys_of(batch))
    worker, _ = worker_of(sink, batch, aside, clock)
    worker.start()
    assert worker.offer_all() == 50
    wait_until(lambda: not aside.points, "all points")
    assert worker.stop()


def test_a_point_that_is_no_more_is_set_aside_no_more() -> None:
    sink, clock = PickySink(set()), HandClock()
    aside = aside_of([(SWC.id, T0), (SWC.id, T0 + 5)])
    worker, _ = worker_of(sink, [run(n=1)], aside, clock)
    worker.start()
    worker.offer_all()
    wait_until(lambda: not aside.points, "both")
    assert sink.taken == {(SWC.id, T0)}
    assert worker.stop()


def test_points_just_refused_are_offered_twice_more_and_then_daily() -> None:
    batch = [run(n=100)]
    bad = keys_of(batch)[3]
    sink, clock, aside = PickySink({bad}), HandClock(), MemoryAside()
    feed = ListFeed([batch])
    worker = Delivery("plots", lambda: sink, feed, aside, clock)
    worker.start()
    wait_until(lambda: feed.done, "the batch")
    for wait in AGAIN_S:
        clock.later(wait + 1)
        wait_until(lambda n=sink.requests: sink.requests > n, "one more offer")  # type: ignore[misc]
    sink.bad = set()
    clock.later(DAY_S)
    wait_until(lambda: not aside.points, "the daily offer")
    assert worker.stop()


def test_a_new_version_of_the_server_is_offered_what_the_old_one_refused() -> None:
    batch = [run(n=3)]
    sink, clock = PickySink(set()), HandClock()
    sink.server = "1.0"
    aside = aside_of([])
    worker, feed = worker_of(sink, batch, aside, clock)
    worker.start()
    feed.add([run(n=1)])
    worker.wake()
    wait_until(lambda: feed.done, "the batch")
    aside.add_set_aside(SetAside("plots", *key, 1, "bad") for key in keys_of(batch)[1:])
    worker._aside |= set(keys_of(batch)[1:])
    clock.later(AGAIN_S[0] + 1)  # the round after the start
    wait_until(lambda: len(sink.taken) == 3, "the first round")
    sink.taken.clear()
    aside.add_set_aside(SetAside("plots", *key, 1, "bad") for key in keys_of(batch)[1:])
    sink.server = "2.0"
    feed.add([run(n=1)])
    worker.wake()
    wait_until(lambda: feed.done, "the next batch")
    clock.later(AGAIN_S[0] + 1)
    wait_until(lambda: len(sink.taken) == 3, "the round after the update")
    assert worker.stop()


def test_points_that_no_answer_comes_for_hold_nothing_else_back() -> None:
    class Silent(PickySink):
        def write(self, batch: Sequence[Observations]) -> None:
            if set(keys_of(batch)) & self.bad:
                raise Later("no answer")
            super().write(batch)

    batch = [run(n=4)]
    sink, clock = Silent(set(keys_of(batch))), HandClock()
    worker, feed = worker_of(sink, batch, aside_of(keys_of(batch)), clock)
    worker.start()
    for k in range(5):
        clock.later(60.0)
        feed.add([run(TEMPERATURE, n=1, start_ns=T0 + k)])
        worker.wake()
        wait_until(lambda: feed.done, "the live value")
    assert worker.counts.failures == 0
    assert worker.stop()


def test_a_round_that_nobody_asked_for_costs_a_bounded_number_of_requests() -> None:
    batch = [run(n=4000)]
    aside, clock = aside_of(keys_of(batch)), HandClock()
    offers = Offers("plots", aside, clock, 1000)
    offers.begin()
    clock.later(AGAIN_S[0])

    def round_() -> int:
        n = 0
        while (piece := offers.next()) is not None:
            n += 1
            if len(piece.keys) > 1:
                offers.halve(piece)
                continue
            aside.add_set_aside([SetAside("plots", *piece.keys[0], 1, "bad")])
            offers.set_aside(piece.keys, ["bad"], piece.tries)
        return n

    first = round_()
    assert first == REQUESTS
    tried = {key for key, point in aside.points.items() if point.tries > 1}
    clock.later(DAY_S)
    assert round_() == REQUESTS
    again = {key for key, point in aside.points.items() if point.tries > 2}
    assert tried
    assert not again, "the second round begins with those that were not offered"
    offers.all_now()
    assert round_() > 4000


def test_a_server_that_refuses_everything_for_a_while_gets_all_of_it_afterwards() -> None:
    with FakeInflux(2) as fake:
        settings = InfluxSettings(url=fake.url, bucket="plots", org="lter")
        batches = [[run(n=3, start_ns=T0 + k * 10**12)] for k in range(4)]
        feed, aside, clock = ListFeed(batches), MemoryAside(), QuickClock()
        fake.script = [Play(400, body=b'{"message":"mood"}')] * 40
        worker = Delivery("plots", lambda: open_sink(settings, CHANNELS), feed, aside, clock)
        worker.start()
        wait_until(lambda: feed.done and not aside.points, "all points")
        assert len(fake.points) == 12
        assert worker.stop()


@pytest.mark.parametrize("version", [1, 2])
def test_the_size_of_a_request_grows_again_after_a_413_that_passed(version: int) -> None:
    with FakeInflux(version) as fake:  # type: ignore[arg-type]
        settings = InfluxSettings.model_validate(
            {"url": fake.url, "version": version, "bucket": "plots", "org": "l"}
            | {"database": "plots", "points_per_request": 64}
        )
        sink = open_sink(settings, CHANNELS)
        fake.script = [Play(413)] * 5
        sink.write([run(n=2000)])
        assert sink.points_per_request == 64
        fake.max_bytes = 3_000  # for good: it is not asked for more again and again
        before = len(fake.writes)
        sink.write([run(n=2000)])
        small = sink.points_per_request
        assert small < 20
        assert len(fake.writes) - before < 2 * 2000 / small
        sink.close()


def test_another_version_of_the_server_offers_all_again_soon_and_the_same_one_does_not() -> None:
    aside, clock = aside_of(keys_of([run(n=3)])), HandClock()

    def offers() -> Offers:
        """Of a new life, once the round of its start is over."""
        made = Offers("plots", aside, clock, 1000)
        made.begin()
        clock.later(AGAIN_S[0])
        while (piece := made.next()) is not None:
            made.set_aside(piece.keys, ["bad"], 99)
        clock.later(AGAIN_S[0])
        assert made.next() is None
        return made

    first = offers()
    for version, again in (("1.8", False), ("1.8", False), ("", False), ("1.9", True)):
        first.server(version)
        clock.later(AGAIN_S[0])
        assert (first.next() is not None) == again
    for version, again in (("1.9", False), ("2.0", True)):
        later = offers()
        later.server(version)
        clock.later(AGAIN_S[0])
        assert (later.next() is not None) == again
