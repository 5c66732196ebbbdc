"""A picture of the running service, as the rules of the alerts look at it."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edaphon.alerts.look import ChannelState, SinkState, Situation, SupplyState
from edaphon.alerts.model import Node, NodeKind
from edaphon.config import LorawanSource
from edaphon.derive.plan import lost_facts_text
from edaphon.facts import Knowledge
from edaphon.facts.model import Deployment
from edaphon.facts.swaps import contradictions
from edaphon.journal import DamagedRow
from edaphon.journal.salvage import open_losses
from edaphon.model import EntryId
from edaphon.service.watching.codes import Codes
from edaphon.service.watching.pauses import pauses, slowed
from edaphon.service.watching.sources import interval_of, sources_now
from edaphon.service.watching.supplies import least_v, sheets_least_v
from edaphon.service.watching.tree import deployed, node_id, tree
from edaphon.service.watching.uplinks import Uplinks, only_gateway
from edaphon.service.watching.values import Values
from edaphon.service.watching.week import Days

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["Watcher", "utc_now_ns"]

GATEWAYS_EVERY_S = 3600.0
FLOOD_GOES_ON_NS = 600 * 10**9  # after the last item that was not kept
MOST_MARKS = 512  # of a sink that is behind


class Watcher:
    """Of one thread; `look` is called every half minute, and costs what is new since the last."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._values = Values(service.series)
        self._codes = Codes(service)
        self._uplinks = Uplinks()
        self._gateways: dict[str, str] = {}
        self._gateways_at_s = float("-inf")
        self._deployed: dict[str, Deployment] = {}
        self._nodes: dict[str, Node] = {}
        self._made_of: tuple[Any, ...] = ()
        self._sheets_v: dict[str, list[float]] = {}  # by supply, what the instruments on it need
        self._down: dict[str, int] = {}  # since when [UTC ns]
        self.days = Days()
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
        self._uplinks.look(service.deriver.state, now_ns)
        self.days.look(service, now_ns)
        self._learn(knowledge, now_ns)
        room = service.room()
        situation = Situation(
            now_ns=now_ns,
            mono_ns=service.clock.mono_ns(),
            nodes=self._nodes,
            sources=tuple(sources_now(service, self._uplinks)),
            channels=tuple(self._channels(knowledge)),
            supplies=tuple(self._supplies(knowledge)),
            sinks=tuple(self._sinks(now_ns)),
            pauses=pauses(knowledge, self._nodes, now_ns),
            down=self._since(_down(service), now_ns),
            failing=service.failing(),
            wrong_sensors=_wrong_sensors(service, knowledge, now_ns),
            calibrations_end=_calibrations_end(service, now_ns),
            clock_known=bool(service.clock_how),
            listening_ns=service.clock.mono_ns() - service.since_mono_ns,
            disk_full=room.full,
            disk_days=room.days,
            journal_fails=str(service.journal.fault or "") if service.journal.is_failing else "",
            losses=tuple(_losses(service)),
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
            self._values = Values(self._service.series)
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
            interval_ns = _longer(intervals[deployment.source], knowledge.channels[id].interval_ns)
            yield ChannelState(
                node=node_id(NodeKind.CHANNEL, id),
                last_number_ns=own.last_number_ns,
                interval_ns=interval_ns and max(interval_ns, own.rhythm_ns),
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


def utc_now_ns(service: "Service") -> int:
    """UTC; while the clock is not known no earlier than the newest data: pauses go by it."""
    now_ns = service.keeper.now_ns()
    return now_ns if service.clock_how else max([now_ns, *service.deriver.state.seen.values()])


def _longer(source_ns: int | None, channel_ns: int | None) -> int | None:
    return max(source_ns, channel_ns or 0) if source_ns else source_ns


def _losses(service: "Service") -> Iterator[str]:
    """Entries that are gone, and channels that wait for lost facts, until a person acts."""
    yield from (loss.words for loss in open_losses(service.journal.copies))
    yield from lost_facts_text(service.deriver.lost_facts)


def _floods(service: "Service", now_ns: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """What comes above the budgets at present."""
    for name, flood in service.inlets.floods.all().items():
        if now_ns - flood.last_ns < FLOOD_GOES_ON_NS:
            kind = NodeKind.BROKER if name in service.config.brokers else NodeKind.SOURCE
            yield node_id(kind, name), (flood.first_ns, flood.n)


def _down(service: "Service") -> dict[str, str]:
    """Ports and brokers that can't be used, and why."""
    inlets, problem = service.inlets, service.problem
    found = {f"bus {name}": bus.lost for name, bus in inlets.buses.items() if bus.lost}
    for path in inlets.streams:
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
