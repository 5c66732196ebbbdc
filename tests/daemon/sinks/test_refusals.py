"""The search for refused points: exactly they, within the bound of requests."""

import math
import random

import pytest
from tests.daemon.sinks.samples import (
    MINUTE_NS,
    T0,
    TEMPERATURE,
    PickySink,
    keys_of,
    run,
    write_sifted,
)

from edaphon.model import Observations
from edaphon.sinks.feed import Batch
from edaphon.sinks.refusals import AllRefused
from edaphon.sinks.sink import Later, Never


def batch_of(n: int) -> list[Observations]:
    return [run(n=n // 3), run(TEMPERATURE, n=n - 2 * (n // 3)), run(n=n // 3, start_ns=T0 + 1)]


@pytest.mark.parametrize("keeps_good", [True, False], ids=["partial writes", "whole refusals"])
@pytest.mark.parametrize("bad", [1, 2, 7, 50])
def test_exactly_the_bad_points_of_five_thousand_are_refused(bad: int, keeps_good: bool) -> None:
    batch = batch_of(5000)
    keys = keys_of(batch)
    wrong = set(random.Random(bad).sample(keys, bad))
    sink = PickySink(wrong, keeps_good)
    refused = write_sifted(sink, batch)
    assert {(point.channel, point.time_ns) for point in refused} == wrong
    assert len(refused) == bad
    assert sink.taken == set(keys) - wrong
    assert sink.requests <= bad * (2 * math.log2(len(keys)) + 2)
    assert {point.words for point in refused} == {f"bad point {key}" for key in wrong}


def test_one_bad_point_costs_the_same_bound_wherever_it_stands() -> None:
    for n in (*range(2, 40), 255, 256, 257, 1000):
        keys = keys_of([run(n=n)])
        for place in range(0, n, max(1, n // 60)):
            sink = PickySink({keys[place]}, keeps_good=False)
            assert len(write_sifted(sink, [run(n=n)])) == 1
            assert sink.requests <= 2 * math.log2(n) + 2, (n, place)


@pytest.mark.parametrize(
    ("place", "requests"),
    [(0, 5), (1, 5), (2, 4), (3, 4)],  # 0123, 01, 0, (1, or what is left of it), 23
)
def test_a_point_that_is_refused_alone_is_not_asked_about_again(place: int, requests: int) -> None:
    keys = keys_of([run(n=4)])
    sink = PickySink({keys[place]}, keeps_good=False)
    assert len(write_sifted(sink, [run(n=4)])) == 1
    assert sink.requests == requests


def test_a_refusal_that_no_single_point_repeats_sets_nothing_aside() -> None:
    class OnceMoody(PickySink):
        def write(self, batch: object) -> None:
            super().write(batch)  # type: ignore[arg-type]
            if self.requests == 1:
                raise Never("a proxy's mood")

    assert write_sifted(OnceMoody(set()), [run(n=9)]) == []


def test_a_small_batch_refused_as_a_whole_names_every_point() -> None:
    batch = [run(n=5)]
    with pytest.raises(AllRefused) as caught:
        write_sifted(PickySink(set(keys_of(batch))), batch)
    assert len(caught.value.refused) == 5


def test_a_large_batch_refused_as_a_whole_is_given_up_early() -> None:
    batch = [run(n=5000)]
    sink = PickySink(set(keys_of(batch)))
    with pytest.raises(AllRefused, match="bad point"):
        write_sifted(sink, batch)
    assert sink.requests < 250


def test_a_long_bad_run_before_good_points_is_no_wrong_setting() -> None:
    batch = [run(n=700), run(TEMPERATURE, n=4000)]
    wrong = set(keys_of(batch[:1]))
    sink = PickySink(wrong)
    assert len(write_sifted(sink, batch)) == 700
    assert sink.taken == set(keys_of(batch[1:]))


def test_points_all_too_old_are_refused_with_one_request() -> None:
    class Forgetful(PickySink):
        def write(self, batch: object) -> None:
            self.requests += 1
            raise Never("refused", "beyond retention policy", every=True)

    sink = Forgetful(set())
    assert len(write_sifted(sink, [run(n=5000)])) == 5000
    assert sink.requests == 1


def test_a_server_that_goes_away_during_the_search_ends_it() -> None:
    class Leaving(PickySink):
        def write(self, batch: object) -> None:
            super().write(batch)  # type: ignore[arg-type]
            if self.requests > 3:
                raise Later("gone")

    batch = [run(n=100)]
    with pytest.raises(Later, match="gone"):
        write_sifted(Leaving(set(keys_of(batch)[-1:]), keeps_good=False), batch)


def test_pieces_hold_every_point_once_and_in_order() -> None:
    batch = batch_of(1001)
    cut = Batch(batch, (), None).pieces(90)
    assert max(sum(map(len, piece)) for piece in cut) == 90
    assert [key for piece in cut for key in keys_of(piece)] == keys_of(batch)
    last = cut[-1][-1]
    assert last.raw[-1] == batch[-1].raw[-1]
    assert last.time_ns[-1] == T0 + 1 + (1001 // 3 - 1) * MINUTE_NS
