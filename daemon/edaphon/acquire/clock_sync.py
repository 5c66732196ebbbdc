"""Whether the wall clock is right, and its steps: both go into the journal."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from edaphon.acquire.slots import Timekeeper
from edaphon.journal import Entry

WATCH_CLOCK_S = 10.0
_log = logging.getLogger("edaphon")
_TIMESYNCD = Path("/run/systemd/timesync")


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
