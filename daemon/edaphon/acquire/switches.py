"""What must be switched to reach an instrument: its supply, and the branch of a multiplexer.

Both are switched by writing a text to a device or to a file of sysfs, which is how the kernel
offers GPIO lines, and both wrap a talk, so that an instrument's own talk knows nothing of them.
"""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from edaphon.config import Bus, Configuration, ScheduledSource
from edaphon_drivers.faults import Fault
from edaphon_drivers.outside import SYSFS, write_switch
from edaphon_drivers.talk import Ask, Pause, Talk

_TRY_AGAIN_S = 0.1


class NotSwitched(Fault):
    """A supply or a multiplexer could not be switched."""

    cause: ClassVar[str] = "not switched"


class SupplySwitch:
    """On while anybody uses it; it may supply instruments of several lines.

    `apart` are the supplies that must be off meanwhile: they feed an instrument with an address
    that one of this supply's has too.
    """

    def __init__(self, file: Path, on: str, off: str, warm_up_s: float) -> None:
        self._file, self._on, self._off, self._warm_up_s = file, on, off, warm_up_s
        self.apart: set[SupplySwitch] = set()
        self._users = 0
        self._since_s = 0.0
        self._lock = threading.RLock()

    @property
    def used(self) -> bool:
        return self._users > 0

    def take(self, warm_up_s: float = 0.0) -> float:
        """Switch it on; how long until an instrument is warm [s], one that needs `warm_up_s`."""
        with self._lock:
            if not self._users:
                _write(self._file, self._on)
                self._since_s = time.monotonic()
            self._users += 1
            ready_s = self._since_s + max(self._warm_up_s, warm_up_s)
            return max(0.0, ready_s - time.monotonic())

    def give(self) -> None:
        """Switch it off, if nobody else uses it."""
        with self._lock:
            self._users -= 1
            self.off()

    def off(self) -> None:
        """As a start finds it, whatever the life before left on."""
        with self._lock:
            if not self._users:
                _write(self._file, self._off)


class BranchSwitch:
    """The multiplexer of one line; `chosen` is the branch it is on, "" before the first."""

    def __init__(self, file: Path, ports: Mapping[str, str], settle_s: float) -> None:
        self._file, self._ports, self.settle_s = file, ports, settle_s
        self.chosen = ""

    def choose(self, branch: str) -> None:
        self.chosen = ""
        _write(self._file, self._ports[branch])
        self.chosen = branch


def powered(talk: Talk[None], supply: SupplySwitch, warm_up_s: float) -> Talk[None]:
    """The talk between on and off; others may talk on the line while the instrument warms up."""
    while any(other.used for other in supply.apart):
        yield Pause(_TRY_AGAIN_S, hold_bus=False)
    wait_s = supply.take(warm_up_s)
    try:
        if wait_s:
            yield Pause(wait_s, hold_bus=False)
        return (yield from talk)
    finally:
        supply.give()


def branched(talk: Talk[None], switch: BranchSwitch, branch: str) -> Talk[None]:
    """The talk with the multiplexer on its branch at each question."""
    answer: bytes | None = None
    try:
        while True:
            step = next(talk) if answer is None else talk.send(answer)
            if isinstance(step, Ask) and switch.chosen != branch:
                switch.choose(branch)
                yield Pause(switch.settle_s, hold_bus=True)
            answer = yield step
    except StopIteration:
        return
    finally:
        talk.close()


def _write(file: Path, text: str) -> None:
    try:
        write_switch(file, text)
    except OSError as error:
        raise NotSwitched(
            f"a device or a file in {SYSFS} that takes {text!r}; let this user write it",
            error.strerror or str(error),
            str(file),
        ) from None


def supply_switches(config: Configuration) -> dict[str, SupplySwitch]:
    """The supplies by name; two that feed one address of one line are never on together."""
    switches = {
        name: SupplySwitch(supply.file, supply.on, supply.off, supply.warm_up_ns / 1e9)
        for name, supply in config.supplies.items()
    }
    fed: dict[tuple[str, str, str | None], set[str]] = {}
    for source in config.sources:
        if isinstance(source, ScheduledSource) and source.supply is not None:
            place = (source.bus, source.address, source.branch)
            fed.setdefault(place, set()).add(source.supply)
    for names in fed.values():
        for name in names:
            switches[name].apart |= {switches[other] for other in names - {name}}
    return switches


def branch_switch(bus: Bus) -> BranchSwitch | None:
    """The multiplexer of a line, if it has one."""
    switch = bus.multiplexer
    if switch is None:
        return None
    return BranchSwitch(switch.file, switch.ports, switch.settle_ns / 1e9)
