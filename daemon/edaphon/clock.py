"""The one clock that everything is handed: wall time, monotonic time, sleep."""

import threading
import time
from pathlib import Path
from typing import Protocol


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
