"""What does not speak at the end of a visit: sources, and channels of those that speak."""

from dataclasses import replace

from tests.daemon.alerts.station import HOUR, START, TEN, healthy

from edaphon.alerts.look import Situation, Unheard, unheard

SOURCE, CHANNEL = "source one/0", "channel one/1/0"
NODES = frozenset(healthy().nodes)


def with_source(last_ns: int | None, interval_ns: int | None = TEN) -> Situation:
    now = healthy()
    first = replace(now.sources[0], last_ns=last_ns, interval_ns=interval_ns)
    assert first.node == SOURCE
    return replace(now, sources=(first, *now.sources[1:]))


def test_all_that_speaks_is_not_listed() -> None:
    assert unheard(healthy(), NODES) == ()
    assert unheard(with_source(START - 2 * TEN), NODES) == ()


def test_a_source_without_data_for_two_intervals_is_listed_alone_without_its_channels() -> None:
    late = with_source(START - 2 * TEN - 1)
    channels = [
        replace(one, last_number_ns=START - HOUR) if "one/0" in one.node else one
        for one in late.channels
    ]
    late = replace(late, channels=tuple(channels))
    assert unheard(late, NODES) == (Unheard(SOURCE, START - 2 * TEN - 1),)
    assert unheard(with_source(None), NODES) == (Unheard(SOURCE, None),)


def test_a_source_without_an_interval_is_not_listed() -> None:
    assert unheard(with_source(None, None), NODES) == ()


def test_a_channel_without_numbers_of_a_source_that_speaks_is_listed() -> None:
    now = healthy()
    channels = [
        replace(one, last_number_ns=START - HOUR) if one.node == CHANNEL else one
        for one in now.channels
    ]
    now = replace(now, channels=tuple(channels))
    assert unheard(now, NODES) == (Unheard(CHANNEL, START - HOUR),)


def test_only_what_was_visited_is_listed() -> None:
    assert unheard(with_source(None), NODES - {SOURCE}) == ()
