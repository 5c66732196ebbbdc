"""A line as the tools of the bench have it: the daemon's own, or opened while the daemon is off."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edaphon.acquire.bus import Bus
from edaphon.acquire.sampler import Scheduled
from edaphon.acquire.switches import BranchSwitch
from edaphon.clock import SystemClock
from edaphon.config import Bus as BusTable
from edaphon.config import Configuration, HeardSource, ScheduledSource
from edaphon.service.wiring import branch_switch, link_opener, scheduled, supply_switches
from edaphon_drivers.talk import Timing

__all__ = ["BenchLine", "not_asked", "own_line"]

_SHORT = 0.5  # of a line's time for an answer, where silence is what is usually found


@dataclass(frozen=True, slots=True)
class BenchLine:
    """A line with what the configuration says of it; `count` is told of each record kept."""

    table: BusTable
    bus: Bus
    scheduled: Mapping[str, Scheduled]
    branches: BranchSwitch | None
    timing: Timing
    count: Callable[[], None] = lambda: None

    @property
    def short(self) -> Timing:
        return replace(self.timing, answer_s=self.timing.answer_s * _SHORT, tries=1)

    def busy(self, address: str) -> bool:
        """Whether that instrument is measuring, behind whatever switch it hangs."""
        places = {s.place for s in self.scheduled.values() if s.address == address}
        return any(self.bus.is_talking(place) for place in places)


def own_line(config: Configuration, name: str) -> BenchLine:
    table = config.buses[name]
    branches, supplies = branch_switch(table), supply_switches(config)
    own = [
        scheduled(s, table, config.sheet(s), None, None, supplies, branches)
        for s in config.sources
        if isinstance(s, ScheduledSource) and s.bus == name
    ]
    bus = Bus(name, link_opener(table), SystemClock())
    bus.start()
    timing = Timing(answer_s=table.answer_s)
    return BenchLine(table, bus, {s.path: s for s in own}, branches, timing)


def not_asked(config: Configuration, path: str) -> str:
    """Why a source can't be asked, and what to do instead; "" for one that can."""
    source = next((s for s in config.sources if s.path == path), None)
    if isinstance(source, ScheduledSource):
        return ""
    if isinstance(source, HeardSource):
        shown = f"`edaphon record {path}` shows what it says"
        return f"{path} talks by itself: nobody asks it. {shown}, `edaphon query` its values"
    if source is not None:
        return f"{path} sends when it wants: nobody asks it. `edaphon query` shows its values"
    asked = [s.path for s in config.sources if isinstance(s, ScheduledSource)]
    known = ", ".join(asked) or "the configuration has none"
    return f"expected a source that can be asked ({known}), got {path!r}"
