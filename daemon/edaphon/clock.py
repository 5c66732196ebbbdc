"""The one clock that everything is handed, and the lengths of time that all count in."""

import threading
import time
from pathlib import Path
from typing import Protocol

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
FAR_NS = 2**62  # no record lies further from 1970


class Clock(Protocol):
    """Times are integer nanoseconds; wall time is UTC."""

    def wall_ns(self) -> int: ...

    def mono_ns(self) -> int: ...

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        """Sleep until that monotonic time; True when `stop` was set first."""
        ...


class SystemClock:
    """The clocks of the machine."""

    def wall_ns(self) -> int:
        return time.time_ns()

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        return stop.wait(max(0.0, (mono_ns - time.monotonic_ns()) / 1e9))


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
