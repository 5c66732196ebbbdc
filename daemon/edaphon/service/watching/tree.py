"""What hangs on what at a station: the tree of nodes, by configuration and facts in force.

channel -> sensor -> source -> branch -> switched supply -> bus -> measured supply -> logger
device -> its own battery -> gateway -> broker -> logger
sink -> server -> logger
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from edaphon.alerts.model import LOGGER, Node, NodeKind
from edaphon.config import Configuration, FileSource, HeardSource, ScheduledSource, SinkTable
from edaphon.config.sources import Source
from edaphon.facts import Knowledge
from edaphon.facts.model import ChannelFact, Deployment
from edaphon.service.watching.supplies import measured_supplies

__all__ = ["deployed", "node_id", "tree"]


def node_id(kind: NodeKind, name: str) -> str:
    return f"{kind} {name}"


def tree(
    config: Configuration,
    knowledge: Knowledge,
    now_ns: int,
    gateways: Mapping[str, str] | None = None,
) -> dict[str, Node]:
    """Every node by its id. `gateways`: by source path, the only one that receives a device."""
    growing = _Tree(config, knowledge, deployed(config, knowledge, now_ns))
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


class _Tree:
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
