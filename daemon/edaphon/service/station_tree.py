"""What hangs on what at a station, and of what nothing is expected now.

channel -> sensor -> source -> branch -> switched supply -> bus -> measured supply -> logger
device -> its own battery -> gateway -> broker -> logger
sink -> server -> logger
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from edaphon.alerts.look import (
    ChannelState,
    PauseNow,
    SinkState,
    Situation,
    SourceState,
    SupplyState,
    above,
    paused_nodes,
)
from edaphon.alerts.model import LOGGER, Node, NodeKind
from edaphon.clock import DAY_NS
from edaphon.config import (
    Configuration,
    FileSource,
    HeardSource,
    LorawanSource,
    ScheduledSource,
    SinkTable,
)
from edaphon.config.sources import Source
from edaphon.facts import Knowledge, Pause
from edaphon.facts.model import ChannelFact, Deployment
from edaphon_drivers.sheets import Sheets

if TYPE_CHECKING:
    from edaphon.service.service import Service

VOLTAGES = ("battery_voltage", "supply_voltage")
_LEAST_FIRST = {"min": 0, "mean": 1, "instant": 1}
# (highest voltage of the last days from, to, least that is needed) [V]. A lead battery of 12 V is
# charged at up to 14.4 V and below 10.8 V a logger works no longer (Campbell Scientific CR10X
# operator's manual, 19.4.3.1); probes that hang on it as a whole are in doubt below 11 V. One of
# 24 V is two of these. A lithium cell of 3.6 V feeds a Dragino SE0X-LB from 2.5 V on (its user
# manual, 1.3). Of any other supply it is not known what it feeds needs.
_FAMILIES = ((10.8, 16.0, 11.0), (21.6, 32.0, 22.0), (3.3, 3.75, 2.5))
FOREVER_NS = 2**63 - 1
ENDED_NS = 120 * DAY_NS  # longer ago no end matters: no interval is so long
AT_A_PLOT = frozenset(
    {
        NodeKind.SUPPLY,
        NodeKind.BUS,
        NodeKind.BRANCH,
        NodeKind.SOURCE,
        NodeKind.SENSOR,
        NodeKind.CHANNEL,
    }
)
KINDS = "removal", "pause", "visit"
USUAL_INTERVAL_NS = 600 * 10**9
_Speaks = TypeVar("_Speaks", SourceState, ChannelState)
FULL_V = 12.6  # of a lead battery, where nobody has measured it


def measured_supplies(
    config: Configuration, knowledge: Knowledge, deployments: Mapping[str, Deployment]
) -> dict[str, str]:
    """The channel that measures the supply of a transport: "bus NAME", or a source's path.

    A device over radio or with a topic of its own measures its own battery; what is measured on a
    line or in a file feeds all that comes by it.
    """
    kinds = {source.path: source for source in config.sources}
    found: dict[str, list[tuple[int, int, str]]] = {}
    for id, deployment in deployments.items():
        fact = knowledge.channels[id]
        if fact.quantity in VOLTAGES:
            source = kinds[deployment.source]
            transport = source.path
            if isinstance(source, ScheduledSource | HeardSource):
                transport = f"bus {source.bus}"
            order = VOLTAGES.index(fact.quantity), _LEAST_FIRST.get(fact.statistic, 2), id
            found.setdefault(transport, []).append(order)
    return {transport: min(own)[2] for transport, own in found.items()}


def least_v(fact: ChannelFact, highest_v: float, sheets_v: Iterable[float] = ()) -> float | None:
    """What the instruments need [V]: as its checks say, else by them and the kind of battery.

    `highest_v` is of the last days: what a battery is shows while it is full. `sheets_v` are what
    the model sheets of what hangs on it say: with a regulator between them the kind of battery
    decides, and what is above a full battery comes from elsewhere.
    """
    limits = fact.limits().get("range", {})
    given = max(limits.get("suspect_lowest", 0.0), limits.get("fail_lowest", 0.0))
    if given > 0:
        return given
    families = (least for lo, hi, least in _FAMILIES if lo <= highest_v <= hi)
    return max([*families, *(v for v in sheets_v if v < highest_v)], default=None)


def sheets_least_v(supply: str, nodes: Mapping[str, Node], sheets: Sheets) -> list[float]:
    """What the model sheets of all that hangs on a supply say of the least voltage [V]."""
    models = {node.model for node in nodes.values() if node.model and _hangs(node, supply, nodes)}
    known = [sheets[model].supply_least_v for model in sorted(models) if model in sheets]
    return [least for least in known if least]


def _hangs(node: Node, on: str, nodes: Mapping[str, Node]) -> bool:
    above: Node | None = node
    while above is not None and above.id != on:
        above = nodes.get(above.parent)
    return above is not None


def node_id(kind: NodeKind, name: str) -> str:
    return f"{kind} {name}"


def tree(
    config: Configuration,
    knowledge: Knowledge,
    now_ns: int,
    gateways: Mapping[str, str] | None = None,
) -> dict[str, Node]:
    """Every node by its id. `gateways`: by source path, the only one that receives a device."""
    growing = _TreeBuilder(config, knowledge, deployed(config, knowledge, now_ns))
    growing.add_machine()
    growing.add_wires(gateways or {})
    growing.add_places()
    growing.add_sinks()
    growing.add_receivers()
    return growing.nodes


def deployed(config: Configuration, knowledge: Knowledge, now_ns: int) -> dict[str, Deployment]:
    """By channel the deployment that feeds it then [UTC ns], the primary one of several."""
    paths = {source.path for source in config.sources}
    found: dict[str, Deployment] = {}
    for one in knowledge.deployments:
        if one.source in paths and one.channel in knowledge.channels and one.covers(now_ns):
            known = found.get(one.channel)
            if known is None or (one.primary and not known.primary):
                found[one.channel] = one
    return found


class _TreeBuilder:
    """`nodes` as they grow: what others hang on is added first."""

    def __init__(
        self, config: Configuration, knowledge: Knowledge, deployments: Mapping[str, Deployment]
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self._config, self._knowledge, self._deployments = config, knowledge, deployments
        self._supplies = measured_supplies(config, knowledge, deployments)
        self._sources = {source.path: source for source in config.sources}
        self._models = {path: source.model or "" for path, source in self._sources.items()}

    def _add(self, kind: NodeKind, name: str, parent: str, label: str, model: str = "") -> str:
        id = node_id(kind, name)
        self.nodes.setdefault(id, Node(id, kind, name, parent, label, model))
        return id

    def add_machine(self) -> None:
        name = self._config.logger.id
        self.nodes[LOGGER] = Node(LOGGER, NodeKind.LOGGER, name, "", name)
        for kind in (NodeKind.DISK, NodeKind.CLOCK, NodeKind.JOURNAL, NodeKind.SERVICE):
            self.nodes[kind.value] = Node(kind.value, kind, "", LOGGER, name)

    def add_wires(self, gateways: Mapping[str, str]) -> None:
        for name, bus in self._config.buses.items():
            above = self._supply(f"bus {name}", LOGGER)
            self._add(NodeKind.BUS, name, above, f"{name} ({bus.port})")
        for name, broker in self._config.brokers.items():
            label = f"{name} ({broker.host}:{broker.port})"
            self._add(NodeKind.BROKER, name, LOGGER, label)
        for source in self._config.sources:
            parent = self._transport(source, gateways.get(source.path, ""))
            self._add(NodeKind.SOURCE, source.path, parent, source.path, source.model or "")

    def _transport(self, source: Source, gateway: str) -> str:
        """The id of what a source hangs on."""
        if isinstance(source, ScheduledSource):
            return self._on_a_line(source)
        if isinstance(source, HeardSource):
            return node_id(NodeKind.BUS, source.bus)
        if isinstance(source, FileSource):
            return self._supply(source.path, LOGGER)
        parent = node_id(NodeKind.BROKER, source.broker)
        if gateway:
            parent = self._add(NodeKind.GATEWAY, gateway, parent, gateway)
        return self._supply(source.path, parent)

    def _on_a_line(self, source: ScheduledSource) -> str:
        """Its bus, behind that the supply that is switched for it, behind that its branch."""
        parent = node_id(NodeKind.BUS, source.bus)
        if source.supply:
            name = self._free(NodeKind.SUPPLY, source.supply, parent, source.bus)
            parent = self._add(NodeKind.SUPPLY, name, parent, name)
        if source.branch:
            name = f"{source.bus}/{source.branch}"
            name = self._free(NodeKind.BRANCH, name, parent, source.supply or "")
            parent = self._add(NodeKind.BRANCH, name, parent, name)
        return parent

    def _free(self, kind: NodeKind, name: str, parent: str, at: str) -> str:
        """The name, with where it is if a node of that name hangs on something else."""
        known = self.nodes.get(node_id(kind, name))
        return name if known is None or known.parent == parent else f"{name} at {at or 'its bus'}"

    def _supply(self, transport: str, parent: str) -> str:
        """The measured supply of a transport, between it and what it hangs on; else the latter."""
        channel = self._supplies.get(transport)
        return self._add(NodeKind.SUPPLY, channel, parent, channel) if channel else parent

    def add_places(self) -> None:
        """Channels with their sensors, which are where all their channels are; so are sources."""
        for id, deployment in sorted(self._deployments.items()):
            fact = self._knowledge.channels[id]
            plot = self._knowledge.plot_of(id)
            parent = self._sensor(deployment, fact)
            self._add(NodeKind.CHANNEL, id, parent, id)
            own = self.nodes[node_id(NodeKind.CHANNEL, id)]
            self.nodes[own.id] = own._replace(
                quantity=fact.quantity, plot=plot, depth_cm=fact.depth_cm or ""
            )
        self._locate(NodeKind.SENSOR)
        self._locate(NodeKind.SOURCE)

    def _locate(self, kind: NodeKind) -> None:
        """Plot and depth of nodes all of whose children share it."""
        places: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            above = self.nodes.get(node.parent)
            if above is not None and above.kind is kind:
                places.setdefault(above.id, []).append(node)
        for id, children in places.items():
            plots = {child.plot for child in children}
            depths = {child.depth_cm for child in children}
            plot = plots.pop() if len(plots) == 1 else ""
            depth_cm = depths.pop() if plot and len(depths) == 1 else ""
            self.nodes[id] = self.nodes[id]._replace(plot=plot, depth_cm=depth_cm)

    def _sensor(self, deployment: Deployment, fact: ChannelFact) -> str:
        """The instrument that a channel hangs on; one without a serial number is its place."""
        source, path = node_id(NodeKind.SOURCE, deployment.source), deployment.source
        if deployment.sensor is None:
            name = " ".join(word for word in (path, *_place(fact)) if word)
            return self._add(NodeKind.SENSOR, name, source, path, self._models[path])
        known = self._knowledge.sensors.get(deployment.sensor)
        model = known.model if known is not None else self._models[path]
        if known is not None and known.on and isinstance(self._sources[path], FileSource):
            bus = f"{known.on} at {path}"
            source = self._add(NodeKind.BUS, bus, source, bus)
        name = self._free(NodeKind.SENSOR, deployment.sensor, source, path)
        label = f"{deployment.sensor} ({model})" if model else deployment.sensor
        return self._add(NodeKind.SENSOR, name, source, label, model)

    def add_sinks(self) -> None:
        for sink in self._config.sinks:
            server = _server(sink)
            parent = self._add(NodeKind.SERVER, server, LOGGER, server) if server else LOGGER
            self._add(NodeKind.SINK, sink.name, parent, sink.name)

    def add_receivers(self) -> None:
        for notify in self._config.notify:
            self._add(NodeKind.RECEIVER, notify.name, LOGGER, notify.name)


def _place(fact: ChannelFact) -> tuple[str, str, str]:
    """Profile or plot, depth and replicate of a channel, in the site's own words."""
    depth = f"{fact.depth_cm} cm" if fact.depth_cm else ""
    replicate = f"no. {fact.replicate}" if fact.replicate > 1 else ""
    return fact.profile or fact.plot or "", depth, replicate


def _server(sink: SinkTable) -> str:
    """Host and port of a sink's server; "" for one that writes files. Never what logs in there."""
    parts = urlsplit(str(sink.settings.get("url", "")))
    if not parts.hostname:
        return ""
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    return f"{parts.hostname}:{port}"


def pauses(knowledge: Knowledge, nodes: Mapping[str, Node], now_ns: int) -> tuple[PauseNow, ...]:
    """Visits, pauses and removals that go on, or ended lately: data count as missed since then.

    A pause with an interval of its own is here once it has ended; until then see `slowed`.
    """
    found = (*_declared(knowledge, nodes, now_ns), *_removals(knowledge, nodes, now_ns))
    return tuple(one for one in found if one.nodes and _matters(one.start_ns, one.end_ns, now_ns))


def _matters(start_ns: int, end_ns: int, now_ns: int) -> bool:
    return start_ns <= now_ns < end_ns + ENDED_NS


def _declared(knowledge: Knowledge, nodes: Mapping[str, Node], now_ns: int) -> Iterator[PauseNow]:
    at_plot = cache(partial(plot_nodes, nodes))
    for visit in knowledge.visits:
        if _matters(visit.from_ns, visit.to_ns, now_ns):
            yield PauseNow(at_plot(visit.plot), visit.from_ns, visit.to_ns, "visit", visit.id)
    for pause in knowledge.pauses:
        is_over = pause.to_ns <= now_ns
        if _matters(pause.from_ns, pause.to_ns, now_ns) and (is_over or not pause.interval_ns):
            yield PauseNow(_subject(pause, at_plot), pause.from_ns, pause.to_ns, "pause", pause.id)


def _subject(pause: Pause, at_plot: Callable[[str], frozenset[str]]) -> frozenset[str]:
    if pause.plot is not None:
        return at_plot(pause.plot)
    return frozenset(node_id(NodeKind.SOURCE, path) for path in pause.sources)


def plot_nodes(nodes: Mapping[str, Node], plot: str) -> frozenset[str]:
    """The nodes at a plot: its channels, and what gives data to no channel of another plot."""
    tree = Situation(0, 0, nodes)
    here, elsewhere = set[str](), set[str]()
    for node in nodes.values():
        if node.kind is NodeKind.CHANNEL:
            (here if node.plot == plot else elsewhere).update(above(tree, node.id))
    return frozenset(id for id in here - elsewhere if id in nodes and nodes[id].kind in AT_A_PLOT)


def _removals(knowledge: Knowledge, nodes: Mapping[str, Node], now_ns: int) -> Iterator[PauseNow]:
    """Where deployments name a source and none covers now, a person took its instrument away.

    A source that no deployment ever named is expected: its records are kept all the same.
    """
    by_source: dict[str, list[Deployment]] = {}
    for deployment in knowledge.deployments:
        by_source.setdefault(deployment.source, []).append(deployment)
    for path, deployments in by_source.items():
        node = node_id(NodeKind.SOURCE, path)
        if node in nodes:
            yield _away(node, deployments, now_ns)


def _away(node: str, deployments: Iterable[Deployment], now_ns: int) -> PauseNow:
    """From the last end to the next begin: it may have passed, and may have no begin or end."""
    begins = {one: one.from_ns if one.from_ns is not None else -FOREVER_NS for one in deployments}
    here = [one for one in begins if one.covers(now_ns)]
    if here:
        first = min(here, key=lambda one: begins[one])
        return PauseNow(frozenset({node}), -FOREVER_NS, begins[first], "removal", first.id)
    ended = [one for one in begins if one.to_ns is not None and one.to_ns <= now_ns]
    last = max(ended, key=lambda one: one.to_ns or 0, default=None)
    start_ns = last.to_ns if last is not None and last.to_ns is not None else -FOREVER_NS
    end_ns = min((begin for begin in begins.values() if begin > now_ns), default=FOREVER_NS)
    fact = last.id if last is not None else min(begins, key=lambda one: begins[one]).id
    return PauseNow(frozenset({node}), start_ns, end_ns, "removal", fact)


def slowed(situation: Situation, knowledge: Knowledge) -> Situation:
    """With the longer intervals that are expected while declared pauses go on."""
    longer: dict[str, int] = {}
    for pause in knowledge.pauses:
        if pause.interval_ns is not None and pause.covers(situation.now_ns):
            for node in _subject(pause, partial(plot_nodes, situation.nodes)):
                longer[node] = max(pause.interval_ns, longer.get(node, 0))
    if not longer:
        return situation

    def interval(node: str, usual_ns: int | None) -> int | None:
        found = max((longer.get(up, 0) for up in above(situation, node)), default=0)
        return max(usual_ns, found) if usual_ns is not None else None

    def expected(one: _Speaks) -> _Speaks:
        return replace(one, interval_ns=interval(one.node, one.interval_ns))

    sources, channels = map(expected, situation.sources), map(expected, situation.channels)
    return replace(situation, sources=tuple(sources), channels=tuple(channels))


@dataclass(frozen=True, slots=True)
class Planned:
    """By what is known at this moment; the next look of the alerts may come half a minute later."""

    situation: Situation

    def kind(self, node: str) -> str:
        """Why no data are expected of a node: "removal", "pause" or "visit"; "" where they are."""
        if not self.situation.pauses:
            return ""
        needed = set(above(self.situation, node))
        kinds = (kind for kind in KINDS if needed & paused_nodes(self.situation, kind))
        return next(kinds, "")


def planned_now(service: "Service") -> Planned:
    now_ns, nodes = utc_now_ns(service), service.alerts.nodes
    found = pauses(service.deriver.knowledge, nodes, now_ns)
    return Planned(Situation(now_ns, 0, nodes, pauses=found))


def visit_rows(service: "Service") -> list[dict[str, Any]]:
    """The visits that go on, the one that ends first at the head."""
    now_ns = utc_now_ns(service)
    going = [one for one in service.deriver.knowledge.visits if one.covers(now_ns)]
    return [
        {"plot": one.plot, "who": one.who, "why": one.why, "end_ns": one.to_ns, "fact": one.id}
        for one in sorted(going, key=lambda one: (one.to_ns, one.plot))
    ]


def interval_of(source: Source) -> int | None:
    """How often it should send [ns]; None: that is not configured."""
    if isinstance(source, ScheduledSource):
        return source.interval_ns
    return source.expect_ns


def utc_now_ns(service: "Service") -> int:
    """UTC; while the clock is not known no earlier than the newest data: pauses go by it."""
    now_ns = service.keeper.now_ns()
    return (
        now_ns if service.clock_watch.how else max([now_ns, *service.deriver.state.seen.values()])
    )


def healthy(config: Configuration, knowledge: Knowledge, now_ns: int) -> Situation:
    """Every source spoke just now, every channel has a number, every battery is full."""
    nodes = tree(config, knowledge, now_ns)
    deployments = deployed(config, knowledge, now_ns)
    intervals = {s.path: interval_of(s) or USUAL_INTERVAL_NS for s in config.sources}
    sources = [
        SourceState(
            node_id(NodeKind.SOURCE, s.path),
            now_ns,
            0,
            intervals[s.path],
            numbered=isinstance(s, LorawanSource),
        )
        for s in config.sources
    ]
    channels = [
        ChannelState(node_id(NodeKind.CHANNEL, id), now_ns, intervals[one.source])
        for id, one in deployments.items()
    ]
    supplies = []
    for node in nodes.values():
        if node.kind is NodeKind.SUPPLY and node.name in deployments:
            sheets_v = sheets_least_v(node.id, nodes, config.sheets)
            least = least_v(knowledge.channels[node.name], FULL_V, sheets_v)
            supplies.append(SupplyState(node.id, now_ns, FULL_V, least))
    sinks = [
        SinkState(node_id(NodeKind.SINK, sink.name), True, False, "", now_ns, 0, None, 0)
        for sink in config.sinks
    ]
    spoke = tuple(sources), tuple(channels), tuple(supplies), tuple(sinks)
    return Situation(now_ns, now_ns, nodes, *spoke)
