"""A name that is followed while the service runs, and the files that are kept open for it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edaphon.acquire.followed import Stat
from edaphon.acquire.renamed import open_followed
from edaphon.clock import SECOND_NS
from edaphon_drivers.files.cutting import Rest

__all__ = ["OPEN_S", "Watch", "hold_newest"]

OPEN_S = 25 * 3600.0  # a file that changed within a day is kept open: its tail outlives its name
MOST_OPEN = 32


@dataclass(slots=True)
class Watch:
    """A name while the service runs; times are monotonic, `begun_ns` is wall time."""

    since_ns: int  # the file has not changed since
    checked_ns: int  # all that was read was compared
    begun_ns: int  # when a new file was first seen, 0 for one that is known from before
    stat: Stat | None = None
    file: BinaryIO | None = None
    seen: bool = False  # looked at since the start of the service
    unchecked: bool = False  # it has grown since all was compared
    tried: tuple[Stat, Rest] | None = None  # when there was nothing more to take

    def hold(self, file: BinaryIO | None) -> None:
        if self.file is not None:
            self.file.close()
        self.file = file

    def is_held_elsewhere(self, stat: Stat | None) -> bool:
        """Whether the file that is held open no longer stands under its name."""
        if self.file is None:
            return False
        return stat is None or not stat.is_file_of(Stat.of(os.fstat(self.file.fileno())))


def hold_newest(
    pattern: Path, watches: Mapping[str, Watch], found: Mapping[str, Stat], now_ns: int
) -> None:
    """The files that changed last stay open: what is appended before a rename is read."""
    young = [n for n, s in found.items() if now_ns - s.mtime_ns < OPEN_S * SECOND_NS]
    newest = set(young[-MOST_OPEN:])
    for name, watch in watches.items():
        if watch.file is not None and name not in newest:
            watch.hold(None)
        elif watch.file is None and name in newest and watch.stat == found[name]:
            _try_hold(pattern, name, watch)


def _try_hold(pattern: Path, name: str, watch: Watch) -> None:
    try:
        file = open_followed(pattern, name)
    except OSError:
        return
    if Stat.of(os.fstat(file.fileno())).is_file_of(watch.stat):
        watch.hold(file)
    else:
        file.close()
