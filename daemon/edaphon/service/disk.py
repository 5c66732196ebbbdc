"""The disk of the storage folder: a reserve that is given up first, free space and its forecast."""

import contextlib
import logging
import os
import threading
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import NamedTuple

from edaphon.clock import DAY_NS
from edaphon.databases import StorageFault, is_full, sync_folder

RESERVE_BYTES, RESERVE_PARTS = 32 << 20, 8  # several files, as inodes run out too
RESERVE_SHARE = 20  # at most this part of the whole disk
NOTED_SHARE, PROBLEM_SHARE = 0.15, 0.08
PLENTY_BYTES = 4_000_000_000  # shares count only below it: 8 % of a large disk lasts for years
PROBLEM_DAYS = 14.0
SAMPLE_EVERY_NS, SAMPLES = 6 * 3600 * 10**9, 60
LEAST_SPAN_NS = 24 * 3600 * 10**9
LOOK_EVERY_S = 10.0

_log = logging.getLogger("edaphon")

Sample = tuple[int, int]  # UTC [ns], free bytes


class Room(NamedTuple):
    """Free and total bytes of the disk, the days that the free ones last, None: not known yet."""

    free_bytes: int
    total_bytes: int
    days: float | None
    reserve_bytes: int
    full: bool

    @property
    def scarce(self) -> bool:
        return self.free_bytes < PLENTY_BYTES

    @property
    def text(self) -> str:
        share = self.free_bytes / max(self.total_bytes, 1)
        words = f"{_size(self.free_bytes)} free ({share:.0%})"
        if self.days is not None:
            words = f"{self.days:.0f} days left at this rate, {words}"
        if self.scarce and share < NOTED_SHARE:
            words += ", getting full"
        kept = f", of them {_size(self.reserve_bytes)} in reserve" if self.reserve_bytes else ""
        return words.replace(" free", f" free{kept}", 1) if kept else words

    def problems(self) -> list[str]:
        """What a person must act on, the worst first."""
        if self.full:
            return [str(StorageFault.FULL)]
        share = self.free_bytes / max(self.total_bytes, 1)
        found = []
        if not self.reserve_bytes and self.scarce:
            found.append("nearly full: the reserve is given up; free some space")
        elif self.scarce and share < PROBLEM_SHARE:
            found.append(f"{share:.0%} free: below {PROBLEM_SHARE:.0%}; free some space")
        if self.days is not None and self.days < PROBLEM_DAYS:
            found.append(f"{self.days:.0f} days left at this rate; free some space")
        return found


class Disk:
    """Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reserve = folder / "reserve"
        self._lock = threading.Lock()
        self.samples: list[Sample] = []  # as `restore` takes them over in another life

    def prepare(self) -> None:
        """At a start: make the reserve, or give it up where nothing else is left."""
        if is_full(self._folder):
            self.give_up()
            return
        before = self._reserve_bytes()
        self.make_reserve()
        if (size := self._reserve_bytes()) > before:
            _log.info("%s: %s kept in reserve for a full disk", self._reserve, _size(size))

    def give_up(self) -> bool:
        """Delete the reserve; False when there was none."""
        with self._lock, contextlib.suppress(OSError):
            parts = list(self._reserve.glob("*"))
            for part in parts:
                part.unlink()
            if parts:
                _log.warning("the disk is full: the reserve is given up; free some space")
            return bool(parts)
        return False

    def make_reserve(self) -> None:
        """Make what is missing of the reserve, where the disk has room for twice as much."""
        with self._lock, contextlib.suppress(OSError):
            self._reserve.mkdir(exist_ok=True)
            found = os.statvfs(self._folder)
            total = min(RESERVE_BYTES, found.f_blocks * found.f_frsize // RESERVE_SHARE)
            if found.f_bavail * found.f_frsize - total + self._reserve_bytes() < 2 * total:
                return
            for number in range(RESERVE_PARTS):
                _allocate(self._reserve / str(number), total // RESERVE_PARTS)
            sync_folder(self._reserve)

    def restore(self, samples: object) -> None:
        """Take over the samples of an earlier life."""
        if isinstance(samples, list):
            pairs = [s for s in samples if isinstance(s, list) and len(s) == 2]
            self.samples = [(int(at), int(free)) for at, free in pairs]

    def watch(self, stop: threading.Event) -> None:
        """Make the reserve again where it was given up and there is room, until `stop`."""
        while not stop.wait(LOOK_EVERY_S):
            self.make_reserve()

    def sample(self, now_ns: int) -> bool:
        """Take a sample; False where none is due."""
        with self._lock:
            past = [sample for sample in self.samples if sample[0] <= now_ns]
            due = not past or now_ns - past[-1][0] >= SAMPLE_EVERY_NS
            if due:
                found = os.statvfs(self._folder)
                free = found.f_bavail * found.f_frsize + self._reserve_bytes()
                past.append((now_ns, free))
            self.samples = past[-SAMPLES:]
            return due

    def room(self, now_ns: int, full: bool = False) -> Room:
        """`full`: a commit was refused for want of room."""
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return Room(0, 0, None, 0, full)
        reserve = self._reserve_bytes()
        free = found.f_bavail * found.f_frsize + reserve
        with self._lock:
            days = days_left([*self.samples, (now_ns, free)])
        full = full or (not reserve and is_full(self._folder))
        return Room(free, found.f_blocks * found.f_frsize, days, reserve, full)

    def _reserve_bytes(self) -> int:
        try:
            return sum(part.stat().st_size for part in self._reserve.glob("*"))
        except OSError:
            return 0


def days_left(samples: list[Sample]) -> float | None:
    """Days until nothing is free, by the median rate: one large file does not move it."""
    if len(samples) < 2 or samples[-1][0] - samples[0][0] < LEAST_SPAN_NS:
        return None
    pairs = [(a, b) for a, b in combinations(samples, 2) if b[0] > a[0]]
    per_ns = median((a[1] - b[1]) / (b[0] - a[0]) for a, b in pairs)
    return samples[-1][1] / per_ns / DAY_NS if per_ns > 0 else None


def _allocate(path: Path, size: int) -> None:
    """A file of that size whose room is really taken; a part of it is removed after an error."""
    if size < 1 or (path.exists() and path.stat().st_size == size):
        return
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _size(n: int) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 10**9 else f"{n / 1e6:.1f} MB"
