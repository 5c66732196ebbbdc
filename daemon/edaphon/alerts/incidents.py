"""From conditions to incidents: what fails together has one cause, and a look adds its events.

    channel - sensor - source - branch, bus or broker - supply - logger
    sink - server

A node explains its children if it is down itself, or if at least two and two thirds of those that
should give data now give none. A source that speaks shows that all above it work. An incident
opens, grows, turns and closes by events, which make the book.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from edaphon.alerts.book import Book, acknowledged
from edaphon.alerts.look import (
    SPEAKS_INTERVALS,
    Look,
    LookResult,
    PauseNow,
    Situation,
    SourceState,
    above,
    gone,
    unheard,
)
from edaphon.alerts.model import (
    HOLDS,
    LOGGER,
    Condition,
    Event,
    Incident,
    NodeKind,
    Numbers,
    Severity,
    What,
)
from edaphon.clock import DAY_NS, HOUR_NS, MINUTE_NS

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
    numbers: Numbers = field(default_factory=dict)

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
    """The causes of what was found; `open_nodes` are those that have an open incident of data."""
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
        return (
            bool(kinds & (NO_DATA | SUPPLY)) or node in self.situation.down or self.together(node)
        )

    def is_of_probe(self, node: str) -> bool:
        """Whether what fails on a probe is one incident of it, until all of it is well."""
        outputs = self.expected_below(node)
        failing = sum(child in self.failing for child in outputs)
        return failing >= AT_LEAST or failing == len(outputs) or node in self.open_nodes

    def expected_below(self, node: str) -> list[str]:
        return [child for child in self.children.get(node, ()) if child in self.expected]

    def together(self, node: str) -> bool:
        expected = self.expected_below(node)
        return _together(sum(self.dead(child) for child in expected), len(expected))

    def dead(self, node: str) -> bool:
        """Whether a node gives no data at all, so that what it hangs on may be why."""
        if node not in self.failing:
            return False
        kinds = {one.what for one in self.own[node]}
        if kinds & NO_DATA or node in self.situation.down:
            return True
        if What.FAILURE_CODE in kinds and not self.gives_numbers(node):
            return True
        if node in self.look.sources:
            return False
        expected = self.expected_below(node)
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
        return any(one.what in NO_DATA for one in self.own[node]) or node in self.situation.down

    def renamed(self, node: str, parts: list[Condition]) -> list[Condition]:
        """The parts, led by the port or broker that is down, before its own hold has passed."""
        if node not in self.situation.down or self.own[node]:
            return parts
        since_ns, why = self.situation.down[node]
        known = self.situation.nodes.get(node)
        is_broker = known is not None and known.kind is NodeKind.BROKER
        what = What.BROKER_LOST if is_broker else What.PORT_LOST
        return [Condition(node, what, parts[0].severity, since_ns, {"why": why}), *parts]


WAIT_MOST_NS = 10 * MINUTE_NS  # before the first message: its parent may fail a moment later
TURNS = 4  # more comings and goings in a day: it flaps, and stays open
FLAPPING_NS = QUIET_NS = DAY_NS
VISIT_NEWS_NS = 2 * HOUR_NS  # of a visit that was entered long after it nobody is to know
RETURN_INTERVALS, RETURN_MOST_NS = 3, 6 * HOUR_NS  # until what is still ill gets its own incident
BY_PAUSE = frozenset({"a visit", "a pause", "a removal"})  # who acknowledged
Key = tuple[str, str]


def step(book: Book, situation: Situation, found: LookResult) -> list[Event]:
    """What is to be journalled now; the book after it is `replayed` of each of them in turn."""
    return list(_Step(book, situation, found).events())


def numbers_now(book: Book, situation: Situation, found: LookResult) -> dict[int, Numbers]:
    """The numbers of open incidents as they are now, by incident: no event renews them."""
    now = _Step(book, situation, found)
    both = ((one, now.causes[key]) for key, one in now.open.items() if key in now.causes)
    return {one.number: cause.numbers for one, cause in both if cause.what is one.what}


class _Step:
    def __init__(self, book: Book, situation: Situation, found: LookResult) -> None:
        self.book, self.situation, self.back_ns = book, situation, found.back_ns
        self.now, self.number = situation.now_ns, book.last_number
        open_nodes = {one.cause for one in book.open if one.what in DATA}
        self.causes = {one.key: one for one in causes(situation, found.standing, open_nodes)}
        self.open = {_key(one): one for one in book.open}
        self.look = Look(situation, {})
        self.numbers: dict[Key, int] = {}  # of the incidents that this step opens

    def events(self) -> Iterator[Event]:
        new = {key: one for key, one in self.causes.items() if key not in self.open}
        joined: dict[Key, list[Incident]] = {}
        for key, incident in self.open.items():
            cause = self.causes.get(key)
            into = None if cause else self.taken_in(incident)
            if cause is not None:
                yield from self.going_on(incident, cause)
            elif into is not None:
                joined.setdefault(into, []).append(incident)
            else:
                ill = [key for key, one in new.items() if self.belongs(one, incident)]
                event = self.ended(incident, [new[key] for key in ill])
                closes = event is not None and event.did != "quiet"
                new = new if closes else {key: new[key] for key in new if key not in ill}
                yield from [event] if event else []
        for key, cause in new.items():
            yield from self.opened(cause, joined.get(key, []))
        numbers = {key: one.number for key, one in self.open.items()} | self.numbers
        for key, incidents in joined.items():
            if key in numbers:  # else an incident that ends still keeps that cause
                yield from (self.event("joined", one, into=numbers[key]) for one in incidents)
        yield from self.visits_ended()

    def event(self, did: str, incident: Incident, **table: object) -> Event:
        return Event(did, incident.number, self.now, table)

    def going_on(self, incident: Incident, cause: Cause) -> Iterator[Event]:
        """What is still wrong: back again, worse, or with more members."""
        members = tuple(dict.fromkeys((*incident.members, *cause.members)))
        parts = [list(one) for one in cause.parts]
        table = {"members": list(members), "parts": parts}
        if incident.quiet_ns:
            yield self.event("turned", incident, parts=parts)
        if SEVERITIES.index(cause.severity) < SEVERITIES.index(incident.severity):
            yield self.event("changed", incident, **table, **_what(cause))
        elif len(members) > len(incident.members):
            yield self.event("grew", incident, **table)
        yield from self.paused(incident)

    def paused(self, incident: Incident) -> Iterator[Event]:
        """Who declares a pause knows of what fails in it until it ends, and no longer."""
        last, until_ns = self.pause_over(incident), incident.acknowledged_until_ns
        if last is not None and last.end_ns > until_ns:
            yield acknowledged(incident.number, self.now, last.end_ns, f"a {last.kind}", last.fact)
            return
        end_ns = last.end_ns if last is not None else self.now
        if incident.acknowledged_by in BY_PAUSE and end_ns < until_ns and self.now < until_ns:
            by, why = incident.acknowledged_by, incident.why
            yield acknowledged(incident.number, self.now, end_ns, by, why)

    def pause_over(self, incident: Incident) -> PauseNow | None:
        """The pause that goes on for longest of those in which all of an incident is."""
        nodes = [part.node for part in incident.parts]
        if not all(self.look.paused(node) for node in nodes):
            return None
        ups = {up for node in nodes for up in above(self.situation, node)}
        going = [one for one in self.situation.pauses if one.start_ns <= self.now < one.end_ns]
        mine = [one for one in going if not ups.isdisjoint(one.nodes)]
        return max(mine, key=lambda one: one.end_ns, default=None)

    def visits_ended(self) -> Iterator[Event]:
        """What does not speak at the end of a visit, as soon as that can be known."""
        for pause in self.situation.pauses:
            is_news = 0 <= self.now - pause.end_ns < VISIT_NEWS_NS
            if pause.kind == "visit" and is_news and pause.fact not in self.book.visits:
                nodes = [one.node for one in unheard(self.situation, pause.nodes)]
                if not any(map(self.may_yet_speak, nodes)):
                    yield Event("visit ended", 0, self.now, {"visit": pause.fact, "nodes": nodes})

    def may_yet_speak(self, node: str) -> bool:
        """Whether the service itself does not listen for long enough to know."""
        source = self.look.source_of(node)
        interval_ns = source.interval_ns if source is not None and source.interval_ns else 0
        return self.situation.listening_ns < min(SPEAKS_INTERVALS * interval_ns, HOUR_NS)

    def taken_in(self, incident: Incident) -> Key | None:
        """The cause that now explains an incident whose own cause is no longer found."""
        parts = {part.key for part in incident.parts}
        nodes = set(above(self.situation, incident.cause))
        for key, cause in self.causes.items():
            over = cause.node in nodes or cause.what in STORAGE
            if over and any(part.key in parts for part in cause.parts):
                return key
        return None

    def belongs(self, cause: Cause, incident: Incident) -> bool:
        """Whether a cause is what is left of an incident that took it in."""
        if cause.what not in DATA or not set(cause.members) <= set(incident.members):
            return False
        return incident.what in STORAGE or incident.cause in above(self.situation, cause.node)

    def ended(self, incident: Incident, ill: Sequence[Cause]) -> Event | None:
        """What becomes of an incident whose cause is no longer found; `ill` is left of it."""
        if incident.parts and all(gone(self.look, part) for part in incident.parts):
            return self.event("removed", incident)
        if not self.flows(incident):
            return None
        flaps = self.flaps(incident)
        quiet_ns = self.return_ns(incident) if ill else QUIET_NS if flaps else 0
        if self.quiet_for(incident) >= quiet_ns:
            return self.event("resolved", incident, **self.back(incident))
        if incident.quiet_ns:
            return None
        left = [list(part) for cause in ill for part in cause.parts]
        mono_ns = self.situation.mono_ns
        back = self.back(incident)
        return self.event("quiet", incident, mono_ns=mono_ns, flaps=flaps, parts=left, **back)

    def back(self, incident: Incident) -> dict[str, int]:
        """When the last of its parts gave data again; unknown (a start): the newest of its data."""
        known = [self.back_ns[part.key] for part in incident.parts if part.key in self.back_ns]
        newest = [one.last_ns or 0 for one in self.sources_of(incident)]
        back_ns = max(known or newest, default=0)
        is_right = incident.what in DATA and incident.since_ns < back_ns <= self.now
        return {"back_ns": back_ns} if is_right else {}

    def flows(self, incident: Incident) -> bool:
        """Whether data come again from all sources of an incident that have none of their own."""
        if incident.what not in DATA:
            return True
        causes = self.causes.values()
        still_ill = {node for one in causes if one.what in DATA for node in one.members}
        clock_set_back = incident.since_ns > self.now
        return all(
            source.age_ns < SPEAKS_INTERVALS * source.interval_ns
            and (clock_set_back or (source.last_ns or 0) > incident.since_ns)
            for source in self.sources_of(incident)
            if source.interval_ns
            if source.node not in still_ill and not self.look.paused(source.node)
        )

    def sources_of(self, incident: Incident) -> Iterator[SourceState]:
        found = (self.look.source_of(node) for node in incident.members)
        return (one for one in found if one is not None)

    def quiet_for(self, incident: Incident) -> int:
        """How long nothing is wrong at least [ns]: the monotonic clock of this boot counts."""
        if not incident.quiet_ns:
            return 0
        since = self.situation.mono_ns - incident.quiet_mono_ns
        return since if since >= 0 else self.situation.mono_ns

    def return_ns(self, incident: Incident) -> int:
        """How long what comes back may take, one child after the other."""
        slowest = max((one.interval_ns or 0 for one in self.sources_of(incident)), default=0)
        return min(RETURN_INTERVALS * slowest, RETURN_MOST_NS)

    def flaps(self, incident: Incident) -> bool:
        lately = [one for one in incident.turns_ns if self.now - one < FLAPPING_NS]
        return incident.flaps or len(lately) + 1 > TURNS

    def opened(self, cause: Cause, joined: Sequence[Incident]) -> Iterator[Event]:
        self.number += 1
        self.numbers[cause.key] = self.number
        yield Event(
            "opened",
            self.number,
            self.now,
            {
                "cause": cause.node,
                "since_ns": min([cause.since_ns, *(one.since_ns for one in joined)]),
                "members": list(cause.members),
                "parts": [list(one) for one in cause.parts],
                "turns_ns": [*self.turns(cause), self.now],
                "due_ns": min([self.now + _wait_ns(cause), *self.unsent_due(joined)]),
                **_what(cause),
            },
        )

    def unsent_due(self, joined: Sequence[Incident]) -> Iterator[int]:
        return (max(one.due_ns, self.now) for one in joined if one.due_ns > self.now)

    def turns(self, cause: Cause) -> list[int]:
        """When this cause came and went in the last day."""
        same = [one for one in self.book.incidents.values() if _key(one) == cause.key]
        last = max(same, key=lambda one: one.number, default=None)
        return [one for one in last.turns_ns if self.now - one < FLAPPING_NS] if last else []


def _key(incident: Incident) -> Key:
    return incident.cause, group(incident.what)


def _what(cause: Cause) -> dict[str, object]:
    numbers = dict(cause.numbers)
    return {"what": cause.what.value, "severity": cause.severity.value, "numbers": numbers}


def _interval_ns(part: Condition) -> int:
    return int(float(part.numbers.get("interval_s", 0)) * 1e9)


def _wait_ns(cause: Cause) -> int:
    """Half an interval of what fails; what no parent explains waits for none."""
    if cause.what not in DATA:
        return 0
    intervals = [ns for part in cause.parts if (ns := _interval_ns(part))]
    return min(min(intervals, default=0) // 2, WAIT_MOST_NS)
