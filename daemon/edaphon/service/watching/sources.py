"""How long each source has been silent, on clocks that may be wrong and while others are behind."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edaphon.alerts.look import SourceState
from edaphon.alerts.model import NodeKind
from edaphon.config import FileSource, HeardSource, LorawanSource, ScheduledSource
from edaphon.config.sources import Source
from edaphon.service.source_state import CHUNK_NS, Received
from edaphon.service.watching.tree import node_id
from edaphon.service.watching.uplinks import Uplinks

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["source_times", "interval_of", "sources_now"]


def interval_of(source: Source) -> int | None:
    """How often it should speak [ns]; None: nobody said so."""
    if isinstance(source, ScheduledSource):
        return source.interval_ns
    return source.expect_ns


def source_times(service: "Service", source: Source) -> Received:
    """While the clock is not known monotonic time is compared: the wall clock may be years off."""
    interval = interval_of(source)
    collects = CHUNK_NS if isinstance(source, HeardSource) else 0
    if service.clock_how:
        last = service.deriver.state.seen.get(source.path)
        now = service.clock.wall_ns()
        alive_ns = service.clock.mono_ns() - service.since_mono_ns
        return Received(last, now, interval, collects, alive_ns=alive_ns)
    names = source.path, source.path.partition("/")[0]  # a broker's records have its own name
    found = [service.deriver.held_last_ns(service.keeper.boot, name) for name in names]
    last = max((ns for ns in found if ns is not None), default=None)
    return Received(last, service.clock.mono_ns(), interval, collects, held=last is not None)


def sources_now(service: "Service", uplinks: Uplinks) -> Iterator[SourceState]:
    """Silence is no source's fault while nothing can be committed, or much waits to be derived."""
    excused = _behind_ns(service)
    for source in service.config.sources:
        found = source_times(service, source)
        received, missed = uplinks.of(source.path)
        yield SourceState(
            node=node_id(NodeKind.SOURCE, source.path),
            last_ns=None if found.held else found.last_ns,
            age_ns=max(0, _age_ns(service, found) - excused),
            interval_ns=found.interval_ns,
            detail=_detail(service, source),
            numbered=isinstance(source, LorawanSource),
            missed=missed,
            received=received,
        )


def _age_ns(service: "Service", found: Received) -> int:
    """What passed while the service was off was not the source's silence."""
    listening_ns = service.clock.mono_ns() - service.since_mono_ns
    if found.last_ns is None:
        return listening_ns - found.collects_ns
    return min(found.now_ns - found.last_ns, listening_ns) - found.collects_ns


def _behind_ns(service: "Service") -> int:
    """By how much the deriver's newest entry is older than now, while it has more to do."""
    journal, position = service.journal, service.deriver.position
    if journal.is_failing:
        return 2**62
    if journal.last is None or position == journal.last or not service.deriver.hurried:
        return 0
    reached_ns = service.received_ns(position)
    return 2**62 if reached_ns is None else max(0, service.clock.wall_ns() - reached_ns)


def _detail(service: "Service", source: Source) -> str:
    """Why it does not speak, as its bus or its folder says."""
    if isinstance(source, ScheduledSource):
        sampler = service.inlets.samplers.get(source.bus)
        account = sampler.accounts[source.path] if sampler is not None else None
        return account.gap.cause if account is not None and account.gap is not None else ""
    if isinstance(source, FileSource | HeardSource):
        return service.problem.get(source.path, "")
    return ""
