"""The clock of a boot: anchored, with steps known from drift."""

import threading

import orjson

from edaphon.acquire.slots import STEP_NS, Timekeeper


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
