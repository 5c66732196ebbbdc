"""A station of two buses whose sources speak every ten minutes, and its life in simulated time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from edaphon.alerts.book import Book, replayed
from edaphon.alerts.due import Due, ReceiverRules, due, sent
from edaphon.alerts.incidents import step
from edaphon.alerts.look import (
    ChannelState,
    LookResult,
    SinkState,
    Situation,
    SourceState,
    SupplyState,
)
from edaphon.alerts.model import LOGGER, Event, Node, NodeKind
from edaphon.alerts.rules import conditions

SECOND = 10**9
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
START = 1_800_000_000 * SECOND
TEN = 10 * MINUTE


def node(kind: NodeKind, name: str, parent: str) -> Node:
    return Node(f"{kind} {name}", kind, name, parent, name)


def instrument(bus: str, address: str, channels: int = 2) -> list[Node]:
    """A source on a bus, with a sensor and its channels."""
    source = node(NodeKind.SOURCE, f"{bus}/{address}", f"bus {bus}")
    sensor = node(NodeKind.SENSOR, f"{bus}/{address}", source.id)
    outputs = [node(NodeKind.CHANNEL, f"{bus}/{address}/{n}", sensor.id) for n in range(channels)]
    return [source, sensor, *outputs]


def nodes(probes: int = 3) -> dict[str, Node]:
    """Two buses on one supply; a sink on a server; the parts of a logger."""
    found = [
        Node(LOGGER, NodeKind.LOGGER, "logger", "", "logger"),
        node(NodeKind.SUPPLY, "battery", LOGGER),
        node(NodeKind.DISK, "disk", LOGGER),
        node(NodeKind.CLOCK, "clock", LOGGER),
        node(NodeKind.JOURNAL, "journal", LOGGER),
        node(NodeKind.SERVICE, "service", LOGGER),
        node(NodeKind.SERVER, "influx", LOGGER),
        node(NodeKind.SINK, "a", "server influx"),
        node(NodeKind.SINK, "b", "server influx"),
        node(NodeKind.RECEIVER, "mail", LOGGER),
    ]
    for bus in ("one", "two"):
        found.append(node(NodeKind.BUS, bus, "supply battery"))
        for n in range(probes):
            found += instrument(bus, str(n))
    return {one.id: one for one in found}


def healthy(probes: int = 3, now: int = START) -> Situation:
    tree = nodes(probes)
    return Situation(
        now_ns=now,
        mono_ns=100 * DAY,
        nodes=tree,
        sources=tuple(
            SourceState(one.id, now, 0, TEN) for one in tree.values() if one.kind is NodeKind.SOURCE
        ),
        channels=tuple(
            ChannelState(one.id, now, TEN) for one in tree.values() if one.kind is NodeKind.CHANNEL
        ),
        supplies=(SupplyState("supply battery", now, 12.6, 11.0, (12.4, 12.4, 12.4)),),
        sinks=tuple(
            SinkState(one.id, True, False, "", now, 0, None, 0)
            for one in tree.values()
            if one.kind is NodeKind.SINK
        ),
        listening_ns=30 * DAY,
    )


@dataclass
class Station:
    """A service in simulated time: what does not speak stays as old as it is."""

    now: Situation = field(default_factory=healthy)
    silent: set[str] = field(default_factory=set)  # ids of nodes; what hangs on them is silent
    numberless: set[str] = field(default_factory=set)
    receivers: Sequence[ReceiverRules] = (ReceiverRules("mail"),)
    online: bool = True
    found: LookResult = field(default_factory=LookResult)
    book: Book = field(default_factory=Book)
    events: list[Event] = field(default_factory=list)
    messages: list[tuple[int, Due]] = field(default_factory=list)

    def run(self, duration: int, each: int = MINUTE, **changes: object) -> "Station":
        """Let time pass with a look each minute."""
        self.now = replace(self.now, **changes)
        for _ in range(duration // each):
            self.pass_time(each)
            self.look()
        return self

    def pass_time(self, duration: int) -> None:
        now = self.now
        at = now.now_ns + duration
        self.now = replace(
            now,
            now_ns=at,
            mono_ns=now.mono_ns + duration,
            listening_ns=now.listening_ns + duration,
            sources=tuple(self.source(one, at, duration) for one in now.sources),
            channels=tuple(self.channel(one, at) for one in now.channels),
            supplies=tuple(replace(one, last_ns=at) for one in now.supplies),
        )

    def is_in(self, id_: str, some: set[str]) -> bool:
        while some and id_:
            if id_ in some:
                return True
            id_ = self.now.nodes[id_].parent
        return False

    def source(self, one: SourceState, at: int, duration: int) -> SourceState:
        """It speaks when its interval is over, on multiples of it."""
        due_ns = at // (one.interval_ns or at) * (one.interval_ns or 1)
        if self.is_in(one.node, self.silent) or (one.last_ns or 0) >= due_ns:
            return replace(one, age_ns=one.age_ns + duration)
        return replace(one, last_ns=due_ns, age_ns=at - due_ns)

    def channel(self, one: ChannelState, at: int) -> ChannelState:
        if self.is_in(one.node, self.silent | self.numberless):
            return one
        interval = one.interval_ns or TEN
        return replace(one, last_number_ns=max(one.last_number_ns or 0, at // interval * interval))

    def look(self) -> list[Event]:
        self.found = conditions(self.now, self.found)
        new = step(self.book, self.now, self.found)
        for event in new:
            self.add(event)
        if self.online:
            self.send()
        return new

    def send(self) -> None:
        for message in due(self.book, self.receivers, self.now.now_ns):
            self.messages.append((self.now.now_ns, message))
            self.add(sent(message, self.now.now_ns))

    def add(self, event: Event) -> None:
        self.events.append(event)
        self.book = replayed(self.book, event)

    def restart(self, off: int = 0, boot: bool = True) -> None:
        """The service starts again: it knows its book, and has listened to nothing yet."""
        now = self.now
        self.now = replace(
            now,
            now_ns=now.now_ns + off,
            mono_ns=0 if boot else now.mono_ns + off,
            listening_ns=0,
            sources=tuple(replace(one, age_ns=0) for one in now.sources),
        )
        self.found = LookResult.of(self.book.parts)

    @property
    def occasions(self) -> list[str]:
        return [message.occasion.value for _, message in self.messages]

    @property
    def open_causes(self) -> list[str]:
        return [one.cause for one in self.book.open]


def dids(events: Sequence[Event]) -> Iterator[str]:
    return (event.did for event in events if event.did not in ("sent", "summed"))
