"""A picture of the running service, as the rules of the alerts look at it, every half minute."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edaphon.alerts.look import (
    ChannelState,
    DoubtState,
    SinkState,
    Situation,
    SourceState,
    SupplyState,
)
from edaphon.alerts.model import Node, NodeKind, What
from edaphon.clock import HOUR_NS
from edaphon.config import FileSource, HeardSource, LorawanSource, ScheduledSource
from edaphon.config.sources import Source
from edaphon.derive.plan import lost_facts_text
from edaphon.derive.state import PipelineState, Uplink
from edaphon.facts import Knowledge
from edaphon.facts.conflicts import contradictions
from edaphon.facts.model import Deployment
from edaphon.journal import DamagedRow, Entry
from edaphon.journal.salvage import open_losses
from edaphon.model import EntryId
from edaphon.service.channel_values import ChannelValues, Codes, DaysWithData
from edaphon.service.station_tree import (
    deployed,
    interval_of,
    least_v,
    node_id,
    pauses,
    sheets_least_v,
    slowed,
    tree,
    utc_now_ns,
)
from edaphon_drivers.faults import Fault
from edaphon_drivers.lorawan import read_envelope
from edaphon_drivers.readings import unpack_message

if TYPE_CHECKING:
    from edaphon.doubts import Doubt
    from edaphon.service.service import Service

LATE_INTERVALS, SILENT_INTERVALS = 2, 4
USUAL_INTERVAL_NS = 3_600_000_000_000
CHUNK_NS = 12_000_000_000  # a stream is journalled in chunks of 10 s, and then derived
HOURS = 24
GATEWAYS_EVERY_S = 3600.0
FLOOD_GOES_ON_NS = 600 * 10**9  # after the last item that was not kept
MOST_MARKS = 512  # of a sink that is behind
REST = 9  # times as long as a channel took: at most a tenth of one core


class DoubtfulChannels:
    """A job that tests the values of a day with their context; `found` is what it last found."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self.found: Mapping[str, DoubtState] = {}  # by node
        self._doubted: frozenset[str] = frozenset()  # channels

    def run(self) -> None:
        """Channel by channel, with a rest after each; one that is faster than 5 s is left out."""
        from edaphon.doubts import doubts_of, probe_of

        service, begun_s = self._service, time.monotonic()

        def rest() -> bool:
            nonlocal begun_s
            stopped = service.threads.stop.wait(REST * (time.monotonic() - begun_s))
            begun_s = time.monotonic()
            return stopped

        knowledge, now_ns = service.deriver.knowledge, utc_now_ns(service)
        found = doubts_of(knowledge, service.series.read, now_ns, rest, self._doubted)
        if found is not None:
            self._doubted = frozenset(found)
            states: dict[str, DoubtState] = {}
            for id, doubt in found.items():
                probe = probe_of(knowledge, id) if doubt.of_probe else id
                node = node_id(NodeKind.CHANNEL if probe == id else NodeKind.SENSOR, probe)
                states[node] = DoubtState(_what(doubt), doubt.since_ns, doubt.text)
            self.found = states


def _what(doubt: "Doubt") -> What:
    if doubt.swapped:
        return What.CABLES_SWAPPED
    return What.VALUES_LOST if doubt.lost else What.DOUBTFUL_VALUES


@dataclass(frozen=True, slots=True)
class Received:
    """When a source spoke last, on clocks [ns] that go on alike.

    `collects_ns` is how long what it says may be on its way, `held` whether it waits for the clock,
    `alive_ns` how long the service has listened.
    """

    last_ns: int | None
    now_ns: int
    interval_ns: int | None
    collects_ns: int = 0
    held: bool = False
    alive_ns: int = 0


def source_state(received: Received) -> str:
    if received.last_ns is None:
        age_ns = received.alive_ns - received.collects_ns
        overdue = received.interval_ns and age_ns > SILENT_INTERVALS * received.interval_ns
        return "silent" if overdue else "never"
    age_ns = received.now_ns - received.last_ns - received.collects_ns
    if received.alive_ns:  # what passed while the service was off was not its silence
        age_ns = min(age_ns, received.alive_ns)
    intervals = age_ns / (received.interval_ns or USUAL_INTERVAL_NS)
    if intervals > SILENT_INTERVALS:
        return "silent"
    if intervals > LATE_INTERVALS:
        return "late"
    return "held" if received.held else "ok"


@dataclass(slots=True)
class _Device:
    last: Uplink | None = None
    missed: int = 0  # as the line counted them until now
    hours: dict[int, list[int]] = field(default_factory=dict)  # hour -> [received, missed]


class Uplinks:
    """By source path, from what the line counts; `save` and `restore` carry it over a restart."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}

    def look(self, state: PipelineState, now_ns: int) -> None:
        """Count what came since the last look; what came before the first one is not counted."""
        hour = now_ns // HOUR_NS
        for path, latest in list(state.uplinks.items()):
            device = self._devices.setdefault(path, _Device())
            uplinks, missed = list(latest), state.uplinks_missed.get(path, 0)
            if device.last is not None:
                counts = device.hours.setdefault(hour, [0, 0])
                known = uplinks.index(device.last) + 1 if device.last in uplinks else 0
                counts[0] += len(uplinks) - known
                counts[1] += missed - device.missed
            device.last = uplinks[-1] if uplinks else None
            device.missed = missed
            device.hours = {h: n for h, n in device.hours.items() if hour - HOURS < h <= hour}

    def of(self, path: str) -> tuple[int, int]:
        """(received, missed) in the last day."""
        device = self._devices.get(path, _Device())
        received, missed = (sum(n[i] for n in device.hours.values()) for i in (0, 1))
        return received, max(0, missed)

    def save(self) -> dict[str, Any]:
        return {
            path: [list(d.last or ()), d.missed, list(map(list, d.hours.items()))]
            for path, d in self._devices.items()
        }

    def restore(self, table: Mapping[str, Any]) -> None:
        for path, (last, missed, hours) in table.items():
            known = {int(hour): list(counts) for hour, counts in hours}
            self._devices[path] = _Device(Uplink(*last) if last else None, missed, known)


AHEAD_NS, BEHIND_NS = 60 * 10**9, 1800 * 10**9  # of the time of receipt, of the usual lag
USUAL, FEWEST, STEADY = 48, 5, 3  # arrivals that are remembered, that are needed, that agree


@dataclass(slots=True)
class _Arrivals:
    last_ns: int | None = None  # the newest time of its data [UTC ns]
    at_ns: list[int] = field(default_factory=list)  # when the last ones were first there
    lags_ns: list[int] = field(default_factory=list)
    usual_ns: list[int] = field(default_factory=list)  # lags while its clock was right
    off_ns: int | None = None


class SourceClocks:
    """Whether the times of a source keep their distance to when they are received.

    Three arrivals in a row must agree, one after the other as they are due: a file that comes late
    is no wrong clock. Of what lags by the same as ever nobody could know that its clock is wrong.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Arrivals] = {}
        self._steps = 0

    def after_steps(self, steps: int) -> None:
        """Forget what came before a step of our own clock: times were held against that one."""
        if steps != self._steps:
            self._known, self._steps = {}, steps

    def look(self, path: str, last_ns: int | None, now_ns: int, interval_ns: int) -> int | None:
        """How far the clock is ahead [ns], 0 where it is right, None where that is not known."""
        own = self._known.setdefault(path, _Arrivals())
        if last_ns is None or last_ns == own.last_ns:
            return own.off_ns
        began, own.last_ns = own.last_ns is None, last_ns
        if began:  # what was there before may have come at any time
            return None
        own.at_ns = [*own.at_ns[1 - STEADY :], now_ns]
        own.lags_ns = [*own.lags_ns[1 - STEADY :], now_ns - last_ns]
        if len(own.lags_ns) == STEADY and _is_steady(own, interval_ns):
            own.off_ns = self._off_ns(own)
        if not own.off_ns:
            own.usual_ns = [*own.usual_ns[1 - USUAL :], own.lags_ns[-1]]
        return own.off_ns

    def _off_ns(self, own: _Arrivals) -> int | None:
        lag = sorted(own.lags_ns)[STEADY // 2]
        if lag < -AHEAD_NS:
            return -lag
        if len(own.usual_ns) < FEWEST:
            return own.off_ns
        usual = sorted(own.usual_ns)[len(own.usual_ns) // 2]
        return usual - lag if lag - usual > BEHIND_NS else 0


def _is_steady(own: _Arrivals, interval_ns: int) -> bool:
    steady = max(own.lags_ns) - min(own.lags_ns) <= interval_ns
    return steady and own.at_ns[-1] - own.at_ns[0] <= 2 * STEADY * interval_ns


def only_gateway(envelope: str, entry: Entry) -> str:
    """The gateway by which an uplink came; "" where several received it, or none is named."""
    try:
        message = unpack_message(entry.payload)
        uplink = read_envelope(envelope, message.topic, message.data)
    except Fault:
        return ""
    named = uplink.received_by if uplink is not None else ()
    return named[0] if len(named) == 1 else ""


def source_times(service: "Service", source: Source) -> Received:
    """While the clock is not known monotonic time is compared: the wall clock may be years off."""
    interval = interval_of(source)
    collects = CHUNK_NS if isinstance(source, HeardSource) else 0
    if service.clock_watch.how:
        last = service.deriver.state.seen.get(source.path)
        now = service.clock.wall_ns()
        alive_ns = service.clock.mono_ns() - service.since_mono_ns
        return Received(last, now, interval, collects, alive_ns=alive_ns)
    names = source.path, source.path.partition("/")[0]  # a broker's records have its own name
    found = [service.deriver.held_last_ns(service.keeper.boot, name) for name in names]
    last = max((ns for ns in found if ns is not None), default=None)
    return Received(last, service.clock.mono_ns(), interval, collects, held=last is not None)


def sources_now(
    service: "Service", uplinks: Uplinks, clocks: SourceClocks
) -> Iterator[SourceState]:
    """Silence is no source's fault while nothing can be committed, or much waits to be derived."""
    excused = _behind_ns(service)
    for source in service.config.sources:
        found = source_times(service, source)
        received, missed = uplinks.of(source.path)
        ahead_ns = _clock_ahead_ns(service, clocks, source.path, found, excused)
        yield SourceState(
            node=node_id(NodeKind.SOURCE, source.path),
            last_ns=None if found.held else found.last_ns,
            age_ns=max(0, _age_ns(service, found) - excused + (ahead_ns or 0)),
            interval_ns=found.interval_ns,
            detail=_detail(service, source),
            numbered=isinstance(source, LorawanSource),
            missed=missed,
            received=received,
            clock_ahead_ns=ahead_ns,
        )


def _clock_ahead_ns(
    service: "Service", clocks: SourceClocks, path: str, found: Received, excused_ns: int
) -> int | None:
    """Not known while the service's own clock is not, or while records wait to be derived."""
    if found.interval_ns is None or excused_ns or not service.clock_watch.how:
        return None
    return clocks.look(path, found.last_ns, found.now_ns, found.interval_ns)


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
        sampler = service.sources.samplers.get(source.bus)
        account = sampler.accounts[source.path] if sampler is not None else None
        return account.gap.cause if account is not None and account.gap is not None else ""
    if isinstance(source, FileSource | HeardSource):
        return service.problem.get(source.path, "")
    return ""


class Watcher:
    """Of one thread; `look` is called every half minute, and costs what is new since the last."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._values = ChannelValues(service.series)
        self._codes = Codes(service)
        self._uplinks = Uplinks()
        self._clocks = SourceClocks()
        self._gateways: dict[str, str] = {}
        self._gateways_at_s = float("-inf")
        self._deployed: dict[str, Deployment] = {}
        self._nodes: dict[str, Node] = {}
        self._made_of: tuple[Any, ...] = ()
        self._sheets_v: dict[str, list[float]] = {}  # by supply, what the instruments on it need
        self._down: dict[str, int] = {}  # since when [UTC ns]
        self.days = DaysWithData()
        self.situation: Situation | None = None  # of the last look
        self._marks: dict[str, list[tuple[int, int]]] = {}  # by sink: (change, UTC ns)

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The tree as it was looked at last."""
        return self._nodes

    def save(self) -> dict[str, Any]:
        """What a restart would not know; for the state file."""
        return {"uplinks": self._uplinks.save(), "down": self._down, "days": self.days.save()}

    def restore(self, table: Mapping[str, Any]) -> None:
        self._uplinks.restore(table.get("uplinks", {}))
        self._down = dict(table.get("down", {}))
        self.days.restore(table.get("days", []))

    def look(self) -> Situation:
        service = self._service
        now_ns, knowledge = utc_now_ns(service), service.deriver.knowledge
        self._clocks.after_steps(service.keeper.steps)
        self._uplinks.look(service.deriver.state, now_ns)
        self.days.look(service, now_ns)
        self._learn(knowledge, now_ns)
        room = service.room()
        situation = Situation(
            now_ns=now_ns,
            mono_ns=service.clock.mono_ns(),
            nodes=self._nodes,
            sources=tuple(sources_now(service, self._uplinks, self._clocks)),
            channels=tuple(self._channels(knowledge)),
            supplies=tuple(self._supplies(knowledge)),
            sinks=tuple(self._sinks(now_ns)),
            pauses=pauses(knowledge, self._nodes, now_ns),
            down=self._since(_down(service), now_ns),
            failing=service.threads.failing(),
            wrong_sensors=_wrong_sensors(service, knowledge, now_ns),
            calibrations_end=_calibrations_end(service, now_ns),
            clock_known=bool(service.clock_watch.how),
            listening_ns=service.clock.mono_ns() - service.since_mono_ns,
            disk_full=room.full,
            disk_days=room.days,
            journal_fails=str(service.journal.fault or "") if service.journal.is_failing else "",
            losses=tuple(_losses(service)),
            doubtful=service.doubtful.found,
            floods=dict(_floods(service, now_ns)),
        )
        self.situation = slowed(situation, knowledge)
        return self.situation

    def _learn(self, knowledge: Knowledge, now_ns: int) -> None:
        """The tree, made again where facts or gateways changed; the values of its channels."""
        config = self._service.config
        self._deployed = deployed(config, knowledge, now_ns)
        if time.monotonic() - self._gateways_at_s > GATEWAYS_EVERY_S:
            self._gateways = dict(self._only_gateways())
            self._gateways_at_s = time.monotonic()
        made_of = knowledge, self._deployed, dict(self._gateways)
        if self._made_of[1:] != made_of[1:] or self._made_of[0] is not knowledge:
            self._nodes = tree(config, knowledge, now_ns, self._gateways)
            self._made_of = made_of
            self._sheets_v = {
                node.name: sheets_least_v(node.id, self._nodes, config.sheets)
                for node in self._nodes.values()
                if node.kind is NodeKind.SUPPLY
            }
        if self._values.series is not self._service.series:  # it was damaged and made again
            self._values = ChannelValues(self._service.series)
        measured = {
            node.name: self._service.channels[node.name].unit
            for node in self._nodes.values()
            if node.kind is NodeKind.SUPPLY and node.name in self._deployed
        }
        self._values.follow(self._deployed, measured, now_ns)

    def _only_gateways(self) -> Iterator[tuple[str, str]]:
        """(path, gateway) of devices whose latest uplink came by one gateway alone."""
        service = self._service
        devices = {s.path: s for s in service.config.sources if isinstance(s, LorawanSource)}
        for id, deployment in self._deployed.items():
            device = devices.pop(deployment.source, None)
            latest = service.series.latest(id) if device is not None else None
            if device is None or latest is None:
                continue
            envelope = service.config.brokers[device.broker].envelope
            try:
                entry = service.journal.entry(EntryId.of(int(latest.sequence[0])))
            except (DamagedRow, KeyError):
                continue
            if gateway := only_gateway(envelope, entry):
                yield device.path, gateway

    def _channels(self, knowledge: Knowledge) -> Iterator[ChannelState]:
        """Of an aggregate over longer than its source's interval numbers come as rarely."""
        intervals = {s.path: interval_of(s) for s in self._service.config.sources}
        for id, deployment in sorted(self._deployed.items()):
            own = self._values.channels[id]
            failed_ns, code = self._codes.of(deployment, own.failed)
            interval_ns = intervals[deployment.source]
            if interval_ns:
                longer_ns = knowledge.channels[id].interval_ns or 0
                interval_ns = max(interval_ns, longer_ns, own.rhythm_ns)
            yield ChannelState(
                node=node_id(NodeKind.CHANNEL, id),
                last_number_ns=own.last_number_ns,
                interval_ns=interval_ns,
                failed_ns=failed_ns,
                code=code,
                since_ns=deployment.from_ns,
            )

    def _supplies(self, knowledge: Knowledge) -> Iterator[SupplyState]:
        for id, measured in self._values.supplies.items():
            if measured.days:
                sheets_v = self._sheets_v.get(id, [])
                least = least_v(knowledge.channels[id], measured.highest_v, sheets_v)
                node = node_id(NodeKind.SUPPLY, id)
                last = measured.last_ns, measured.last_v
                yield SupplyState(node, *last, least, measured.minima_v)

    def _sinks(self, now_ns: int) -> Iterator[SinkState]:
        service = self._service
        for name, parts in service.sinks.items():
            state, marks = parts.delivery.state, self._marks.setdefault(name, [])
            if not marks or marks[-1][0] < service.series.change:
                marks.append((service.series.change, now_ns))
            while marks and marks[0][0] <= parts.feed.cursor:
                marks.pop(0)
            del marks[1 : max(1, len(marks) - MOST_MARKS)]
            yield SinkState(
                node=node_id(NodeKind.SINK, name),
                up=state.up,
                blocked=state.blocked,
                why=state.why,
                since_ns=state.since_ns,
                waiting=parts.feed.waiting(),
                oldest_waiting_ns=marks[0][1] if marks else None,
                set_aside=service.state.count_set_aside(name),
            )

    def _since(self, down: Mapping[str, str], now_ns: int) -> dict[str, tuple[int, str]]:
        """With the time at which each was seen to be down first."""
        self._down = {node: self._down.get(node, now_ns) for node in down}
        return {node: (self._down[node], why) for node, why in down.items()}


def _losses(service: "Service") -> Iterator[str]:
    """Entries that are gone, and channels that wait for lost facts, until a person acts."""
    yield from (loss.words for loss in open_losses(service.journal.copies))
    yield from lost_facts_text(service.deriver.lost_facts)


def _floods(service: "Service", now_ns: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """What comes above the budgets at present."""
    for name, flood in service.sources.floods.all().items():
        if now_ns - flood.last_ns < FLOOD_GOES_ON_NS:
            kind = NodeKind.BROKER if name in service.config.brokers else NodeKind.SOURCE
            yield node_id(kind, name), (flood.first_ns, flood.n)


def _down(service: "Service") -> dict[str, str]:
    """Ports and brokers that can't be used, and why."""
    sources, problem = service.sources, service.problem
    found = {f"bus {name}": bus.lost for name, bus in sources.buses.items() if bus.lost}
    for path in sources.streams:
        if why := problem.get(path):
            found[f"bus {path.partition('/')[0]}"] = why
    for name in service.config.brokers:
        if why := problem.get(f"broker {name}", problem.get(f"start of broker {name}", "")):
            found[f"broker {name}"] = why
    return found


def _wrong_sensors(
    service: "Service", knowledge: Knowledge, now_ns: int
) -> dict[str, tuple[str, str]]:
    state = service.deriver.state
    answers = {s.path: state.serials.get(s.path, "") for s in service.config.sources}
    found = contradictions(answers, knowledge, now_ns, state.told_ns)
    return {node_id(NodeKind.SOURCE, one.path): (one.reported, one.expected) for one in found}


def _calibrations_end(service: "Service", now_ns: int) -> dict[str, int]:
    """By node of a channel, when the calibration in force expires [UTC ns], where it does."""
    return {
        node_id(NodeKind.CHANNEL, segment.channel): segment.expires_ns
        for segment in service.deriver.plan.segments()
        if segment.expires_ns is not None
        and segment.rank == 0
        and segment.start_ns <= now_ns < segment.end_ns
    }
