"""Clocks that are unknown at the boot, and clocks that are set while the daemon records."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.programs import wait_until
from tests.stories.load import Probes, loaded_station
from tests.stories.station import Station

from edaphon.acquire import clock_sync
from edaphon.journal import Entry, Kind
from edaphon.service.process import running
from edaphon.service.service import Service
from edaphon.service.sources import Overrides

SECOND = 10**9
HOUR, DAY = 3600 * SECOND, 86400 * SECOND
WATCHED = ("probe-a-temp", "probe-b-temp")


class SetClock:
    """The machine's time with an offset that a test sets as a time service would."""

    def __init__(self, offset_ns: int = 0) -> None:
        self.offset_ns = offset_ns

    def wall_ns(self) -> int:
        return time.time_ns() + self.offset_ns

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        return stop.wait(max(0.0, (mono_ns - time.monotonic_ns()) / 1e9))


@pytest.fixture(autouse=True)
def _watched_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_sync, "WATCH_CLOCK_S", 0.2)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with Probes(tmp_path) as probes:
        yield loaded_station(tmp_path / "station", port=probes.port)


@contextmanager
def recording(station: Station, clock: SetClock) -> Iterator[Service]:
    with running(station.file, Overrides(clock=clock)) as service:
        yield service


def records(service: Service) -> list[Entry]:
    return [e for _, e in service.journal.scan(kinds={Kind.RECORD})]


def more_records(service: Service, n: int) -> None:
    wanted = len(records(service)) + n
    wait_until(lambda: len(records(service)) >= wanted, "records", 30)


def times(service: Service, channel: str) -> np.ndarray:
    runs = service.series.read(channel, -(2**62), 2**62)
    return np.concatenate([run.time_ns for run in runs]) if runs else np.array([], np.int64)


def derived(service: Service) -> None:
    wait_until(lambda: service.deriver.position == service.journal.last, "the deriver")


def assert_slots_are_exact(station: Station) -> None:
    verdict = station.json("verify")
    assert verdict["good"], verdict
    assert verdict["observations"]["conflicts"] == 0
    for slots in verdict["slots"].values():
        assert slots["expected"] == slots["records"] + slots["in_gaps"]


def assert_no_time_twice(service: Service) -> None:
    for channel in WATCHED:
        own = times(service, channel)
        assert len(np.unique(own)) == len(own) > 0


def test_what_comes_before_the_time_is_known_is_held_and_then_dated(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = threading.Event()
    monkeypatch.setattr(clock_sync, "kernel_is_synchronised", known.is_set)
    text = station.file.read_text()
    station.file.write_text(text.replace('trust = "system"', 'trust = "ntp"'))
    clock = SetClock(-90 * DAY)  # the time of the last shutdown, as a Pi begins with
    begun = time.time_ns()
    with recording(station, clock) as service:
        more_records(service, 6)
        derived(service)
        assert service.deriver.state.counts.held >= 6
        assert service.series.count() == 0
        held = len(records(service))
        clock.offset_ns = 0
        known.set()
        more_records(service, 4)
        wait_until(lambda: bool(service.clock_watch.how), "the time")
        derived(service)
        assert service.deriver.state.counts.held == 0
        now = time.time_ns()
        assert_no_time_twice(service)
        own = np.sort(np.concatenate([times(service, channel) for channel in WATCHED]))
        assert len(own) >= held + 4
        assert own[0] >= begun - SECOND
        assert own[-1] <= now
        kept = [e for _, e in service.journal.scan(kinds={Kind.RECORD})][:held]
        true = np.sort([e.slot_ns + 90 * DAY for e in kept])
        assert np.abs(own[: len(true)] - true).max() < SECOND // 5
    assert_slots_are_exact(station)
    assert station.json("rebuild")["differing"] == 0


@pytest.mark.parametrize("step", [DAY, -HOUR], ids=["a day forward", "an hour back"])
def test_slots_stay_exact_when_the_clock_is_set_by(station: Station, step: int) -> None:
    clock = SetClock()
    with recording(station, clock) as service:
        more_records(service, 6)
        clock.offset_ns += step
        more_records(service, 8)
        wait_until(lambda: len(clock_entries(service)) == 2, "a clock entry of the step")
        derived(service)
        assert_no_time_twice(service)
        for channel, source in zip(WATCHED, ("sdi12/a", "sdi12/b"), strict=True):
            n = sum(e.source == source for e in records(service))
            assert len(times(service, channel)) in {n, n - 1}  # one may have come just now
    assert_slots_are_exact(station)
    assert station.json("rebuild")["differing"] == 0


def test_a_restart_within_an_hour_that_comes_again_keeps_the_slots_exact(station: Station) -> None:
    clock = SetClock()
    with recording(station, clock) as service:
        more_records(service, 4)
        clock.offset_ns -= HOUR
        more_records(service, 4)
    with recording(station, clock) as service:
        more_records(service, 4)
        derived(service)
        assert_no_time_twice(service)
    assert_slots_are_exact(station)


def clock_entries(service: Service) -> list[Entry]:
    return [e for _, e in service.journal.scan(kinds={Kind.CLOCK})]


def missed(station: Station) -> int:
    return sum(slots["in_gaps"] for slots in station.json("verify")["slots"].values())


def test_ninety_days_for_a_moment_invent_no_missed_slots(station: Station) -> None:
    clock = SetClock()
    with recording(station, clock) as service:
        more_records(service, 4)
        clock.offset_ns = 90 * DAY
        wait_until(lambda: len(clock_entries(service)) == 2, "a clock entry of the jump")
        more_records(service, 2)
        clock.offset_ns = 0
        wait_until(lambda: len(clock_entries(service)) == 3, "a clock entry of the return")
        more_records(service, 6)
        derived(service)
        assert sum(service.deriver.state.gaps.values()) < 100
        accounts = [a for s in service.sources.samplers.values() for a in s.accounts.values()]
        assert max(account.last_ns for account in accounts) < time.time_ns() + 60 * SECOND
    assert_slots_are_exact(station)
    assert missed(station) < 100
