"""What fails together has one cause: conditions are gathered at the node that explains them.

    channel - sensor - source - branch, bus or broker - supply - logger
    sink - server

A node explains its children if it is down itself, or if at least two and two thirds of those that
should give data now give none. A source that speaks shows that all above it work.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from edaphon.alerts.look import Look, Situation, above
from edaphon.alerts.model import HOLDS, LOGGER, Condition, Node, NodeKind, Severity, What
from edaphon_drivers.sheets import Sheet, Sheets, UnknownModel

DATA, STORAGE, DELIVERY = (
    frozenset(what for what, hold in HOLDS.items() if hold.group == name)
    for name in ("data", "storage", "delivery")
)
NO_DATA = frozenset({What.SILENT, What.NO_NUMBER, What.PORT_LOST, What.BROKER_LOST})
SUPPLY = frozenset({What.LOW_SUPPLY, What.SUPPLY_FALLS})
NOTHING_STORED = frozenset({What.DISK_FULL, What.JOURNAL_FAILS})
AT_LEAST, SHARE = 2, (2, 3)  # children, and of those that should give data
GIVES_NUMBERS_INTERVALS = 3
SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Cause:
    """A node, what is wrong with it, the nodes that fail with it, and the conditions gathered."""

    node: str
    what: What
    severity: Severity
    since_ns: int
    members: tuple[str, ...]
    parts: tuple[Condition, ...]
    numbers: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.node, group(self.what)


def group(what: What) -> str:
    return HOLDS[what].group or what.value


def worst(severities: Sequence[Severity]) -> Severity:
    return min(severities, key=SEVERITIES.index)


def causes(
    situation: Situation, found: Sequence[Condition], open_nodes: Set[str] = frozenset()
) -> tuple[Cause, ...]:
    """The causes of what was found, each with all that it explains.

    `open_nodes` are those that have an open incident of data.
    """
    data = [one for one in found if one.what in DATA]
    storage = [one for one in found if one.what in STORAGE]
    rest = [one for one in found if one.what not in DATA | STORAGE | DELIVERY]
    delivery = [one for one in found if one.what in DELIVERY]
    return (
        *_stored(storage, tuple(_CauseTree(situation, data, open_nodes).causes())),
        *_delivery(situation, delivery),
        *(_cause(one.node, [one], [one.node]) for one in rest),
    )


def _cause(node: str, parts: Sequence[Condition], members: Sequence[str]) -> Cause:
    """Parts under one node: its own condition names what is wrong, else what most parts are."""
    own = [one for one in parts if one.node == node]
    lead = min(own, key=lambda one: SEVERITIES.index(one.severity)) if own else _most(parts)
    severity = worst([one.severity for one in parts])
    since_ns = min(one.since_ns for one in parts)
    all_members = tuple(dict.fromkeys((node, *members)))
    return Cause(node, lead.what, severity, since_ns, all_members, tuple(parts), lead.numbers)


def _most(parts: Sequence[Condition]) -> Condition:
    """The first part of the most frequent kind; a channel with a failure code counts for that."""
    coded = {one.node for one in parts if one.what is What.FAILURE_CODE}
    of_codes = [one for one in parts if one.what is not What.NO_NUMBER or one.node not in coded]
    what, _ = Counter(one.what for one in of_codes).most_common(1)[0]
    return next(one for one in parts if one.what is what)


def _stored(storage: Sequence[Condition], data: Sequence[Cause]) -> Iterator[Cause]:
    """Where nothing can be stored, that is why nothing comes."""
    if not any(one.what in NOTHING_STORED for one in storage):
        yield from data
        data = ()
    own = sorted(
        storage, key=lambda one: (one.what is What.JOURNAL_FAILS, one.what is What.DISK_FILLS)
    )
    if own:
        parts = [*own, *(part for cause in data for part in cause.parts)]
        members = [one.node for one in own] + [node for cause in data for node in cause.members]
        yield _cause(own[0].node, parts, members)


def _delivery(situation: Situation, parts: Sequence[Condition]) -> Iterator[Cause]:
    """The sinks of one server that fail together are the server's incident."""
    by_sink = defaultdict[str, list[Condition]](list)
    for one in parts:
        by_sink[one.node].append(one)
    servers = defaultdict[str, list[str]](list)
    for sink in situation.sinks:
        node = situation.nodes.get(sink.node)
        servers[node.parent if node else ""].append(sink.node)
    for server, all_sinks in servers.items():
        failing = [sink for sink in all_sinks if sink in by_sink]
        known = situation.nodes.get(server)
        if known and known.kind is NodeKind.SERVER and _together(len(failing), len(all_sinks)):
            gathered = [one for sink in failing for one in by_sink.pop(sink)]
            yield _cause(server, gathered, failing)
    for name, own in by_sink.items():
        yield _cause(name, own, [name])


def _together(failing: int, expected: int) -> bool:
    return failing >= AT_LEAST and failing * SHARE[1] >= expected * SHARE[0]


class _CauseTree:
    """The nodes that give data, and the conditions of data that were found on them."""

    def __init__(
        self, situation: Situation, found: Sequence[Condition], open_nodes: Set[str]
    ) -> None:
        self.situation, self.open_nodes = situation, open_nodes
        self.look = Look(situation, {})
        self.own = defaultdict[str, list[Condition]](list)
        for one in found:
            self.own[one.node].append(one)

    def causes(self) -> Iterator[Cause]:
        for root in [LOGGER, *self.orphans]:
            yield from self.below(root)

    @cached_property
    def orphans(self) -> list[str]:
        """Nodes with conditions that do not hang on the logger."""
        tops = (tuple(above(self.situation, node))[-1] for node in self.own)
        return [top for top in dict.fromkeys(tops) if top != LOGGER]

    @cached_property
    def children(self) -> Mapping[str, list[str]]:
        below = defaultdict[str, list[str]](list)
        for node in self.situation.nodes.values():
            if node.id != LOGGER:
                below[node.parent].append(node.id)
        return below

    @cached_property
    def failing(self) -> frozenset[str]:
        """Nodes that have a condition, or something below them has."""
        return frozenset(up for node in self.own for up in above(self.situation, node))

    @cached_property
    def expected(self) -> frozenset[str]:
        """Nodes that should give data now, or something below them should."""
        look = self.look
        leaves = [one.node for one in self.situation.sources if one.interval_ns]
        for channel in self.situation.channels:
            source = look.source_of(channel.node)
            if channel.interval_ns or (source and source.interval_ns):
                leaves.append(channel.node)
        awake = (node for node in leaves if node in self.own or not look.paused(node))
        all_ = (up for node in awake for up in above(self.situation, node))
        return frozenset(all_) | self.failing

    def below(self, node: str) -> Iterator[Cause]:
        """The causes in the tree under a node, itself included."""
        if node not in self.failing:
            return
        if self.explains(node):
            parts = list(self.parts(node))
            yield _cause(node, self.renamed(node, parts), list(self.members(node)))
            return
        if self.own[node]:
            yield _cause(node, self.own[node], [node])
        for child in self.children.get(node, ()):
            yield from self.below(child)

    def explains(self, node: str) -> bool:
        """Whether all that fails under a node has its cause there."""
        known = self.situation.nodes.get(node)
        if known is not None and known.kind is NodeKind.SENSOR and self.is_of_probe(node):
            return True
        kinds = {one.what for one in self.own[node]}
        return bool(kinds & (NO_DATA | SUPPLY)) or self.is_down(node) or self.together(node)

    def is_of_probe(self, node: str) -> bool:
        """Whether what fails on a probe is one incident of it: several outputs, or its only one.

        It stays so until all of it is well.
        """
        outputs = [child for child in self.children.get(node, ()) if child in self.expected]
        failing = sum(child in self.failing for child in outputs)
        return failing >= AT_LEAST or failing == len(outputs) or node in self.open_nodes

    def is_down(self, node: str) -> bool:
        return node in self.situation.down

    def together(self, node: str) -> bool:
        expected = [child for child in self.children.get(node, ()) if child in self.expected]
        return _together(sum(self.dead(child) for child in expected), len(expected))

    def dead(self, node: str) -> bool:
        """Whether a node gives no data at all, so that what it hangs on may be why."""
        if node not in self.failing:
            return False
        kinds = {one.what for one in self.own[node]}
        if kinds & NO_DATA or self.is_down(node):
            return True
        if What.FAILURE_CODE in kinds and not self.gives_numbers(node):
            return True
        source = self.look.sources.get(node)
        if source is not None:
            return False
        expected = [child for child in self.children.get(node, ()) if child in self.expected]
        dead = sum(self.dead(child) for child in expected)
        return dead > 0 and dead * SHARE[1] >= len(expected) * SHARE[0]

    def gives_numbers(self, node: str) -> bool:
        channel, source = self.look.channels.get(node), self.look.source_of(node)
        if channel is None or source is None or None in (channel.last_number_ns, source.last_ns):
            return False
        interval_ns = channel.interval_ns or source.interval_ns or 0
        age_ns = (source.last_ns or 0) - (channel.last_number_ns or 0) + source.age_ns
        return age_ns <= GIVES_NUMBERS_INTERVALS * interval_ns

    def parts(self, node: str) -> Iterator[Condition]:
        yield from self.own[node]
        for child in self.children.get(node, ()):
            if child in self.failing:
                yield from self.parts(child)

    def members(self, node: str, within_dead: bool = False) -> Iterator[str]:
        """What fails with a node: all that has conditions, and what should come through it."""
        within_dead = within_dead or self.dead_itself(node)
        for child in self.children.get(node, ()):
            if child in self.failing or (within_dead and child in self.expected):
                yield child
                yield from self.members(child, within_dead)

    def dead_itself(self, node: str) -> bool:
        return any(one.what in NO_DATA for one in self.own[node]) or self.is_down(node)

    def renamed(self, node: str, parts: list[Condition]) -> list[Condition]:
        """The parts, led by the port or broker that is down, before its own hold has passed."""
        if not self.is_down(node) or self.own[node]:
            return parts
        since_ns, why = self.situation.down[node]
        known = self.situation.nodes.get(node)
        is_broker = known is not None and known.kind is NodeKind.BROKER
        what = What.BROKER_LOST if is_broker else What.PORT_LOST
        return [Condition(node, what, parts[0].severity, since_ns, {"why": why}), *parts]


_DEEPEST = 16  # a tree whose parents go in a circle ends
_OWN_BUS = {"w1", "i2c"}  # buses without an adapter: their protocol knows better steps
_OWN_SUPPLY = {"lorawan", "message"}  # devices with a battery inside


@dataclass(frozen=True, slots=True)
class Wiring:
    nodes: Mapping[str, Node]
    sheets: Sheets

    def up(self, node: str) -> Iterator[Node]:
        """The node and what it needs, up to the logger."""
        for _ in range(_DEEPEST):
            found = self.nodes.get(node)
            if found is None:
                return
            yield found
            node = found.parent

    def below(self, failing: Collection[str]) -> Iterator[Node]:
        """The nodes that are one of these, or hang on one of these."""
        for node in self.nodes.values():
            if any(one.id in failing for one in self.up(node.id)):
                yield node

    def lowest(self, failing: Collection[str]) -> frozenset[str]:
        """Those of the failing nodes below which nothing else fails: the others fail for them."""
        above = {up.id for one in failing for up in self.up(one) if up.id != one}
        return frozenset(failing) - above

    def channels(self, failing: Collection[str]) -> list[Node]:
        """The channels that hang on one of these nodes, by plot, quantity and depth."""
        found = [node for node in self.below(failing) if node.kind is NodeKind.CHANNEL]
        return sorted(found, key=lambda c: (c.plot, c.quantity, _depth(c.depth_cm), c.name))

    def source(self, cause: str) -> Node | None:
        """The source that a person may ask by hand: that of the cause, or the only one on it."""
        for node in self.up(cause):
            if node.kind is NodeKind.SOURCE:
                return node
        found = [node for node in self.below({cause}) if node.kind is NodeKind.SOURCE]
        return found[0] if len(found) == 1 else None

    def variants(self, cause: str) -> tuple[str, ...]:
        """By what a text may differ: the kind of the cause and the protocol, the better first."""
        node = self.nodes.get(cause)
        kind = node.kind.value if node else cause.partition(" ")[0]
        engine = next(map(_protocol, self._sheets(cause)), "")
        if not engine and any(up.kind is NodeKind.BROKER for up in self.up(cause)):
            engine = "message"
        if node and "://" in node.label:
            return (kind, "tcp", engine)
        if engine == "heard":
            return (kind, engine, "ascii")
        inside = kind == NodeKind.SUPPLY.value and engine in _OWN_SUPPLY
        return (engine, kind) if inside or engine in _OWN_BUS else (kind, engine)

    def label(self, node: Node) -> str:
        """Its label, with the maker's name of the model instead of the name of its sheet."""
        try:
            title = self.sheets[node.model].title if node.model else ""
        except UnknownModel:
            return node.label
        return node.label.replace(f"({node.model})", f"({title.partition(':')[0]})")

    def sheet_facts(self, cause: str) -> dict[str, str | float]:
        """What the makers' manuals say of the instruments, by the names that texts use."""
        sheets = self._sheets(cause)
        wires = sheets[0].wires if len(sheets) == 1 else {}
        facts: dict[str, str | float] = {f"{wire}_wire": colour for wire, colour in wires.items()}
        least_v = max((sheet.supply_least_v for sheet in sheets), default=0.0)
        return facts | ({"least_v": least_v} if least_v else {})

    def _sheets(self, cause: str) -> list[Sheet]:
        """That of the cause or of what it hangs on; of a bus those of all instruments on it."""
        own = [node.model for node in self.up(cause) if node.model][:1]
        models = own or [node.model for node in self.below({cause}) if node.model]
        found = []
        for model in dict.fromkeys(models):
            try:
                found.append(self.sheets[model])
            except UnknownModel:
                continue
        return found


def _protocol(sheet: Sheet) -> str:
    """The engine of a sheet, "heard" for an ASCII instrument that talks by itself."""
    return "heard" if sheet.frame.get("heard") else sheet.engine


def _depth(text: str) -> tuple[float, str]:
    """A sort key: 5 before 15 before 100, and what is no number last."""
    try:
        return float(text.partition("-")[0] or "inf"), text
    except ValueError:
        return float("inf"), text
