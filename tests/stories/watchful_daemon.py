"""`edaphon run` that looks at its station three times a second: watchful_daemon.py [T SPEED] FILE.

With a moment T [UTC s] its clock runs SPEED times as fast since then, over all its lives.
"""

import signal
import sys
import threading
import time
from pathlib import Path

from edaphon.clock import Clock, SystemClock
from edaphon.service.process import running
from edaphon.service.sources import Overrides

LOOK_EVERY_S = 0.3


class FastClock:
    def __init__(self, begun_s: float, speed: int) -> None:
        self._begun_ns, self._speed = int(begun_s * 1e9), speed

    def wall_ns(self) -> int:
        return self._begun_ns + (time.time_ns() - self._begun_ns) * self._speed

    def mono_ns(self) -> int:
        return time.monotonic_ns() * self._speed

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        return stop.wait(max(0.0, (mono_ns - self.mono_ns()) / self._speed / 1e9))


def main(file: Path, clock: Clock) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with running(file, Overrides(clock=clock, look_every_s=LOOK_EVERY_S)):
        stop.wait()


if __name__ == "__main__":
    fast = FastClock(float(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else SystemClock()
    main(Path(sys.argv[-1]), fast)
