"""The clock of a boot: anchored, with steps known from drift."""

import threading

import orjson
import pytest

from edaphon.acquire import clock_sync
from edaphon.acquire.clock_sync import ClockWatch
from edaphon.acquire.slots import STEP_NS, Timekeeper
from edaphon.journal import Entry


class TwoClocks:
    def __init__(self) -> None:
        self.wall, self.mono = 10**18, 5 * 10**9
        self.on_wait = lambda: None

    def wall_ns(self) -> int:
        return self.wall

    def mono_ns(self) -> int:
        return self.mono

    def wait_until(self, mono_ns, stop) -> bool:
        self.wall += mono_ns - self.mono
        self.mono = mono_ns
        self.on_wait()
        return stop.is_set()


def test_time_runs_with_the_monotonic_clock():
    clock = TwoClocks()
    keeper = Timekeeper(clock, "boot")
    clock.mono += 100
    assert keeper.now_ns() == 10**18 + 100


def test_a_step_is_taken_over_and_drift_is_not():
    clock = TwoClocks()
    keeper = Timekeeper(clock, "boot")
    clock.wall += STEP_NS
    assert keeper.follow_step() == 0
    clock.wall += 3_600 * 10**9
    assert keeper.follow_step() == 3_600 * 10**9 + STEP_NS
    assert keeper.now_ns() == clock.wall


def test_a_wait_ends_early_when_the_wall_clock_steps():
    clock = TwoClocks()
    keeper = Timekeeper(clock, "boot")

    def step_once() -> None:
        clock.wall += 86_400 * 10**9
        clock.on_wait = lambda: None

    clock.on_wait = step_once
    assert not keeper.wait_until(10**18 + 60 * 10**9, threading.Event())
    assert keeper.now_ns() > 10**18 + 86_400 * 10**9


def test_a_clock_entry_names_offset_error_and_origin():
    clock = TwoClocks()
    entry = Timekeeper(clock, "boot").clock_entry("ntp", 7)
    assert orjson.loads(entry.payload) == {
        "offset_ns": 10**18 - 5 * 10**9,
        "error_ns": 7,
        "how": "ntp",
    }


class Looks:
    """Lets a clock watch look so many times; before each the wall clock steps."""

    def __init__(self, clock: TwoClocks, steps: list[int]) -> None:
        self.clock, self.steps = clock, steps

    def wait(self, _: float) -> bool:
        if not self.steps:
            return True
        self.clock.wall += self.steps.pop(0)
        return False


HOUR_NS = 3_600 * 10**9


@pytest.mark.parametrize("step", [HOUR_NS, -HOUR_NS])
def test_each_step_of_a_known_clock_is_journalled_once_with_its_size_as_the_error(step):
    clock, entries = TwoClocks(), list[Entry]()
    keeper = Timekeeper(clock, "boot")
    watch = ClockWatch(keeper, entries.extend)
    watch.begin(is_trusted=True)
    watch.run(Looks(clock, [0, step, 0, 0, 2 * step]), lambda: None)
    known = [orjson.loads(entry.payload) for entry in entries]
    assert [one["error_ns"] for one in known] == [10**9, HOUR_NS, 2 * HOUR_NS]
    assert {one["how"] for one in known} == {"assumed"}
    assert known[-1]["offset_ns"] == keeper.offset_ns == clock.wall - clock.mono


def test_a_clock_that_is_not_known_is_journalled_when_the_kernel_has_the_time(monkeypatch):
    clock, entries = TwoClocks(), list[Entry]()
    watch = ClockWatch(Timekeeper(clock, "boot"), entries.extend)
    kernel = [False, False, False, True, True]  # at the start, then at each look
    monkeypatch.setattr(clock_sync, "kernel_is_synchronised", lambda: kernel.pop(0))
    watch.begin(is_trusted=False)
    watch.run(Looks(clock, [0, HOUR_NS]), lambda: None)
    assert (watch.how, entries) == ("", [])
    watch.run(Looks(clock, [0, 0]), lambda: None)
    known = [orjson.loads(entry.payload) for entry in entries]
    assert [(one["how"], one["offset_ns"]) for one in known] == [("ntp", clock.wall - clock.mono)]
