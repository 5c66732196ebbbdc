"""What hangs on what at a station: the tree of nodes, by configuration and facts in force.

    channel -> sensor -> source -> branch -> switched supply -> bus -> measured supply -> logger
    device -> its own battery -> gateway -> broker -> logger
    sink -> server -> logger
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from edaphon.alerts.model import LOGGER, Node, NodeKind
from edaphon.commands.watching.supplies import measured_supplies
from edaphon.config import Configuration, FileSource, HeardSource, ScheduledSource
from edaphon.config import Sink as SinkTable
from edaphon.config.sources import Source
from edaphon.facts import Knowledge
from edaphon.facts.model import ChannelFact, Deployment

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
    return growing.nodes


def deployed(config: Configuration, knowledge: Knowledge, now_ns: int) -> dict[str, Deployment]:
    """By channel the deployment in force then [UTC ns] that feeds it; the primary one of several."""
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

    def _add(self, kind: NodeKind, name: str, parent: str, label: str) -> str:
        id = node_id(kind, name)
        self.nodes.setdefault(id, Node(id, kind, name, parent, label))
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
            self._add(NodeKind.SOURCE, source.path, parent, _source_label(source))

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
            named = node_id(NodeKind.SUPPLY, source.supply)
            known = self.nodes.get(named)
            there = known is None or known.parent == parent
            name = source.supply if there else f"{source.supply} at {source.bus}"
            parent = self._add(NodeKind.SUPPLY, name, parent, name)
        if source.branch:
            name = f"{source.bus}/{source.branch}"
            branch = node_id(NodeKind.BRANCH, name)
            known = self.nodes.get(branch)
            if known is not None and known.parent != parent:
                name = f"{name} of {source.supply or source.bus}"
            parent = self._add(NodeKind.BRANCH, name, parent, name)
        return parent

    def _supply(self, transport: str, parent: str) -> str:
        """The measured supply of a transport, between it and what it hangs on; else the latter."""
        channel = self._supplies.get(transport)
        return self._add(NodeKind.SUPPLY, channel, parent, channel) if channel else parent

    def add_places(self) -> None:
        for id, deployment in sorted(self._deployments.items()):
            fact = self._knowledge.channels[id]
            parent = self._sensor(deployment, fact)
            self._add(NodeKind.CHANNEL, id, parent, id)

    def _sensor(self, deployment: Deployment, fact: ChannelFact) -> str:
        """The instrument that a channel hangs on; one without a serial number is its place."""
        place = _place(fact)
        source = node_id(NodeKind.SOURCE, deployment.source)
        if deployment.sensor is None:
            name = " ".join([deployment.source, place]).strip()
            return self._add(NodeKind.SENSOR, name, source, name)
        sensor = self._knowledge.sensors.get(deployment.sensor)
        named = node_id(NodeKind.SENSOR, deployment.sensor)
        known = self.nodes.get(named)
        parent = source
        name = deployment.sensor
        if known is not None and known.parent != parent:
            name = f"{name} at {deployment.source}"
        facts = ", ".join(word for word in (sensor.model if sensor else "", place) if word)
        return self._add(NodeKind.SENSOR, name, parent, f"{deployment.sensor} ({facts})")

    def add_sinks(self) -> None:
        for sink in self._config.sinks:
            server = _server(sink)
            parent = self._add(NodeKind.SERVER, server, LOGGER, server) if server else LOGGER
            self._add(NodeKind.SINK, sink.name, parent, sink.name)


def _source_label(source: Source) -> str:
    return f"{source.path} ({source.model})" if source.model else source.path


def _place(fact: ChannelFact) -> str:
    """Where a channel lies, in the site's own words: P1-pit 5 cm."""
    depth = f"{fact.depth_cm} cm" if fact.depth_cm else ""
    replicate = f"no. {fact.replicate}" if fact.replicate > 1 else ""
    return " ".join(word for word in (fact.profile or fact.plot or "", depth, replicate) if word)


def _server(sink: SinkTable) -> str:
    """Host and port of a sink's server; "" for one that writes files. Never what logs in there."""
    parts = urlsplit(str(sink.settings.get("url", "")))
    if not parts.hostname:
        return ""
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    return f"{parts.hostname}:{port}"
