"""The time of this boot: the wall clock, anchored to the monotonic one; steps and drift."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import orjson

from edaphon.clock import Clock
from edaphon.journal import Entry, Kind, Purpose

STEP_NS = 500_000_000
LONGEST_WAIT_NS = 10_000_000_000
WATCH_CLOCK_S = 10.0
_log = logging.getLogger("edaphon")
_TIMESYNCD = Path("/run/systemd/timesync")


class Timekeeper:
    """Slots are kept on `now_ns`, which runs with the monotonic clock and jumps only on purpose."""

    def __init__(self, clock: Clock, boot: str) -> None:
        self._clock = clock
        self.boot = boot
        self.steps = 0  # of the wall clock, since the start
        self._lock = threading.Lock()  # several threads watch for a step
        self._offset_ns = clock.wall_ns() - clock.mono_ns()

    def now_ns(self) -> int:
        return self._clock.mono_ns() + self._offset_ns

    @property
    def offset_ns(self) -> int:
        """Wall time minus monotonic time."""
        return self._offset_ns

    def mono_ns(self) -> int:
        return self._clock.mono_ns()

    def wait_until(self, utc_ns: int, stop: threading.Event) -> bool:
        """True when stopped; returns early after a step of the clock, which `steps` counts."""
        before = self.steps
        while (ahead := utc_ns - self.now_ns()) > 0:
            pause = min(ahead, LONGEST_WAIT_NS)
            if self._clock.wait_until(self._clock.mono_ns() + pause, stop):
                return True
            self.follow_step()
            if self.steps != before:
                break
        return stop.is_set()

    def follow_step(self) -> int:
        """Take a step of the wall clock over [ns], 0 if there was none worth the name."""
        with self._lock:
            step = self._clock.wall_ns() - self._clock.mono_ns() - self._offset_ns
            if abs(step) <= STEP_NS:
                return 0
            self._offset_ns += step
            self.steps += 1
            return step

    def clock_entry(self, how: str, error_ns: int) -> Entry:
        """The entry that makes the time of this boot known."""
        table = {"offset_ns": self._offset_ns, "error_ns": error_ns, "how": how}
        return self.entry(Kind.CLOCK, "", orjson.dumps(table, option=orjson.OPT_SORT_KEYS))

    def entry(
        self,
        kind: Kind,
        source: str,
        payload: bytes,
        slot_ns: int | None = None,
        purpose: Purpose = Purpose.ROUTINE,
    ) -> Entry:
        wall, mono = self._clock.wall_ns(), self._clock.mono_ns()
        return Entry(kind, wall, mono, self.boot, source, payload, slot_ns, purpose)


class ClockWatch:
    """Journals how the time of this boot is known; `how` is "" while it is not."""

    def __init__(self, keeper: Timekeeper, append: Callable[[list[Entry]], object]) -> None:
        self.how = ""
        self._keeper, self._append = keeper, append
        self._stated_offset_ns = keeper.offset_ns

    def begin(self, is_trusted: bool) -> None:
        """`is_trusted`: the system's clock is right by the configuration."""
        if is_trusted:
            self._know("assumed", 1_000_000_000)
        elif kernel_is_synchronised():
            self._know("ntp", 100_000_000)

    def _know(self, how: str, error_ns: int) -> None:
        self.how = how
        self._stated_offset_ns = self._keeper.offset_ns
        self._append([self._keeper.clock_entry(how, error_ns)])

    def run(self, stop: threading.Event, wake: Callable[[], None]) -> None:
        """Look at the clock until `stop`; `wake` what waits for a time of the wall clock."""
        while not stop.wait(WATCH_CLOCK_S):
            self._keeper.follow_step()  # a sampler may have followed it first
            wake()
            step = self._keeper.offset_ns - self._stated_offset_ns
            if not self.how and kernel_is_synchronised():
                self._know("ntp", 100_000_000)
            elif step and self.how:
                _log.warning("the wall clock stepped by %.3f s", step / 1e9)
                self._know(self.how, abs(step))


def kernel_is_synchronised() -> bool:
    """Whether a time service has given the kernel the time (systemd-timesyncd, chrony, ntpd)."""
    return (_TIMESYNCD / "synchronized").exists() or _adjtimex_synchronised()


def _adjtimex_synchronised() -> bool:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(512)  # struct timex, modes = 0: read only
    # TIME_ERROR (5): the clock is not synchronised (man 2 adjtimex)
    state = int(libc.adjtimex(buffer))
    return state < 5 if state >= 0 else _systemd_knows()


def _systemd_knows() -> bool:
    """What systemd knows of the kernel's clock: a unit with ProtectClock=yes may not ask itself."""
    if _TIMESYNCD.is_dir():  # it has written there already whether it is
        return False
    import subprocess  # not every start needs it

    words = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(  # noqa: S603  no word of others in it
            words, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == "yes"
