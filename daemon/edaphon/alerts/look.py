"""A look at a situation: what rules ask of it, and how verdicts become conditions after a hold."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from edaphon.alerts.model import HOLDS, LOGGER, Condition, Node, NodeKind, Numbers, What


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source: when it spoke last [UTC ns], None: never; `age_ns` since then while listening.

    `age_ns` is measured while the service listened, by the monotonic clock where the wall clock is
    not known, less what may be on its way. `interval_ns` is how often it should speak, None where
    nobody set it. `numbers` counts frames by their counter (LoRaWAN): then six are waited for.
    """

    node: str
    last_ns: int | None
    age_ns: int
    interval_ns: int | None
    detail: str = ""  # of its gap, by the bus: "no answer", "checksum", ...
    numbered: bool = False
    missed: int = 0  # uplinks by their counter, in the last day
    received: int = 0
    clock_ahead_ns: int | None = None  # of its times, 0: right, None: not known


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A deployed channel: its last number, and when its instrument gave a failure code lately.

    `failed_ns` are the times [UTC ns] of failure codes in the last day, in order; `code` the last
    of them in the instrument's own words.
    """

    node: str
    last_number_ns: int | None
    interval_ns: int | None
    failed_ns: tuple[int, ...] = ()
    code: str = ""
    since_ns: int | None = None  # when its deployment began


@dataclass(frozen=True, slots=True)
class SupplyState:
    """A voltage [V] and its daily minima, oldest first; `least_v`: what instruments need."""

    node: str
    last_ns: int
    last_v: float
    least_v: float | None
    daily_minima_v: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseNow:
    """Nothing is expected of these nodes in [from, to) UTC ns; a "visit", "pause" or "removal"."""

    nodes: frozenset[str]
    start_ns: int
    end_ns: int
    kind: str
    fact: str  # id of the fact


@dataclass(frozen=True, slots=True)
class SinkState:
    node: str
    up: bool
    blocked: bool
    why: str
    since_ns: int | None  # of the state
    waiting: int
    oldest_waiting_ns: int | None
    set_aside: int


class DoubtState(NamedTuple):
    """What is wrong with the values of a node, since when [UTC ns], and what shows it."""

    what: What
    since_ns: int
    why: str


@dataclass(frozen=True, slots=True)
class Situation:
    """`now_ns` is UTC by the service's clock, `mono_ns` the monotonic time of that moment.

    `down` are ports and brokers that can't be used: node -> (since UTC ns, why). `failing` are
    parts of the service: name -> why. `losses` are journal losses that nobody has noted yet.
    `doubtful` are channels and probes whose values fail tests with their context.
    `floods` go on: node of the source or broker -> (since UTC ns, items) that were not kept.
    """

    now_ns: int
    mono_ns: int
    nodes: Mapping[str, Node]
    sources: tuple[SourceState, ...] = ()
    channels: tuple[ChannelState, ...] = ()
    supplies: tuple[SupplyState, ...] = ()
    sinks: tuple[SinkState, ...] = ()
    pauses: tuple[PauseNow, ...] = ()
    down: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    failing: Mapping[str, str] = field(default_factory=dict)
    receivers_refuse: Mapping[str, str] = field(default_factory=dict)
    wrong_sensors: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # node -> (is, was)
    calibrations_end: Mapping[str, int] = field(default_factory=dict)  # channel node -> UTC ns
    clock_known: bool = True
    listening_ns: int = 0  # since the start of the service, monotonic
    disk_full: bool = False
    disk_days: float | None = None
    journal_fails: str = ""
    losses: tuple[str, ...] = ()
    doubtful: Mapping[str, DoubtState] = field(default_factory=dict)
    floods: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Week(NamedTuple):
    """Records and missed measurements of a week; days to a full disk, None: never, or not known."""

    records: int
    missed: int
    disk_days: float | None = None


Key = tuple[str, What]
NO_NUMBERS: Numbers = {}
SPEAKS_INTERVALS = 2  # the last data are younger: it speaks


class Verdict(NamedTuple):
    """What a rule says of one thing: wrong, right (False), or neither (None): it stays as it was.

    `holds_ns` are how long it must be wrong before it begins, and right before it ends [ns]. With
    `ripe` false it does not begin yet, however long it has been wrong. `data_ns` are the last data
    that it is about [UTC ns]: where newer ones came since the last look, its hold begins again.
    """

    condition: Condition
    wrong: bool | None
    holds_ns: tuple[int, int]
    ripe: bool = True
    data_ns: int | None = None


@dataclass(frozen=True, slots=True)
class LookResult:
    """What a look at a situation found: `standing` is wrong now; the rest waits for its hold.

    `suspected` and `mending` are the monotonic times [ns] at which something began to be wrong, or
    to be right again; `data_ns` are the last data of what is suspected [UTC ns], `back_ns` the
    first data with which it was right again, as far as known. A start of the service begins with
    `Found.of(book.parts)`.
    """

    standing: tuple[Condition, ...] = ()
    suspected: Mapping[Key, int] = field(default_factory=dict)
    mending: Mapping[Key, int] = field(default_factory=dict)
    data_ns: Mapping[Key, int | None] = field(default_factory=dict)
    back_ns: Mapping[Key, int] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: tuple[Condition, ...]) -> "LookResult":
        return cls(standing=parts)


def above(situation: Situation, node: str) -> Iterator[str]:
    """The ids of a node and of what it needs, up to the logger."""
    seen: set[str] = set()
    while node and node not in seen:
        seen.add(node)
        yield node
        known = situation.nodes.get(node)
        node = known.parent if known else ""


def paused_nodes(situation: Situation, kind: str = "") -> frozenset[str]:
    """The nodes that a person named in a pause, visit or removal that goes on now."""
    now = situation.now_ns
    going = (one for one in situation.pauses if one.start_ns <= now < one.end_ns)
    return frozenset[str]().union(*(one.nodes for one in going if kind in ("", one.kind)))


@dataclass(frozen=True)
class Look:
    """A situation, what was wrong before it, and what several rules ask of it."""

    situation: Situation
    before: Mapping[Key, Condition]

    @cached_property
    def sources(self) -> Mapping[str, SourceState]:
        return {one.node: one for one in self.situation.sources}

    @cached_property
    def channels(self) -> Mapping[str, ChannelState]:
        return {one.node: one for one in self.situation.channels}

    @cached_property
    def _paused(self) -> frozenset[str]:
        return paused_nodes(self.situation)

    @cached_property
    def _removed(self) -> frozenset[str]:
        return paused_nodes(self.situation, "removal")

    @cached_property
    def _pause_ended_ns(self) -> Mapping[str, int]:
        ended: dict[str, int] = {}
        for one in self.situation.pauses:
            if one.end_ns <= self.situation.now_ns:
                ended.update((node, max(one.end_ns, ended.get(node, 0))) for node in one.nodes)
        return ended

    def paused(self, node: str) -> bool:
        """Whether nothing is expected of a node now."""
        return bool(self._paused) and any(up in self._paused for up in above(self.situation, node))

    def removed(self, node: str) -> bool:
        """Whether a person declared that a node was taken away."""
        return bool(self._removed) and any(
            up in self._removed for up in above(self.situation, node)
        )

    def missed_ns(self, node: str, age_ns: int) -> int:
        """How long data of a node are missed, of which the last have this age: no pause counts."""
        if not self._pause_ended_ns:
            return age_ns
        ended = max(self._pause_ended_ns.get(up, 0) for up in above(self.situation, node))
        return min(age_ns, self.situation.now_ns - ended)

    def source_of(self, node: str) -> SourceState | None:
        """The source that brings the data of a node."""
        ups = above(self.situation, node)
        return next((self.sources[up] for up in ups if up in self.sources), None)

    def of_kind(self, kind: NodeKind) -> str:
        """The one node of a kind, the logger if it has none."""
        nodes = self.situation.nodes.values()
        return next((node.id for node in nodes if node.kind is kind), LOGGER)

    def verdict(
        self,
        node: str,
        what: What,
        wrong: bool | None,
        numbers: Numbers = NO_NUMBERS,
        since_ns: int | None = None,
        holds_ns: tuple[int, int] | None = None,
        ripe: bool = True,
        data_ns: int | None = None,
    ) -> Verdict:
        """A verdict with the begin that was known before, where it was wrong before."""
        stood = self.before.get((node, what))
        since_ns = self.situation.now_ns if since_ns is None else since_ns
        since_ns = stood.since_ns if stood else since_ns
        hold = HOLDS[what]
        condition = Condition(node, what, hold.severity, since_ns, numbers)
        holds_ns = holds_ns or (hold.begin_ns, hold.end_ns)
        return Verdict(condition, wrong, holds_ns, ripe, data_ns)


def gone(look: Look, condition: Condition) -> bool:
    """Whether a person took away what the condition is about: that is no recovery."""
    node = look.situation.nodes.get(condition.node)
    if node is None or look.removed(node.id):
        return True
    if condition.what is What.SILENT and node.kind is NodeKind.SOURCE:
        return node.id not in look.sources
    if condition.what in (What.NO_NUMBER, What.FAILURE_CODE):
        return node.id not in look.channels
    return False


def judged(look: Look, verdicts: Iterable[Verdict], before: LookResult) -> LookResult:
    """What is wrong after the holds; what no rule reported stays, unless its absence is the end."""
    by_key = {one.condition.key: one for one in verdicts}
    for key, stood in look.before.items():
        if gone(look, stood):
            by_key.pop(key, None)
        elif key not in by_key:
            wrong = False if HOLDS[stood.what].absent else None
            by_key[key] = Verdict(stood, wrong, (0, HOLDS[stood.what].end_ns))
    now = look.situation.mono_ns
    suspected, mending = dict[Key, int](), dict[Key, int]()
    standing = []
    for key, one in by_key.items():
        if key in look.before:
            is_wrong = not _held(
                one.wrong is False, key, now, one.holds_ns[1], before.mending, mending
            )
        else:
            wrong = one.wrong is True and not look.paused(one.condition.node)
            since = {} if _came(one, before) else before.suspected
            held = _held(wrong, key, now, one.holds_ns[0], since, suspected)
            is_wrong = held and one.ripe
        if is_wrong:
            standing.append(one.condition)
    data_ns = {key: by_key[key].data_ns for key in suspected}
    ill = suspected.keys() | {one.key for one in standing} - mending.keys()
    back_ns = dict(_back(by_key.values(), before, mending, ill))
    return LookResult(tuple(standing), suspected, mending, data_ns, back_ns)


def _back(
    verdicts: Iterable[Verdict], before: LookResult, mending: Mapping[Key, int], ill: Set[Key]
) -> Iterator[tuple[Key, int]]:
    """The time of the first data after what was wrong [UTC ns], until it is wrong again."""
    for one in verdicts:
        key = one.condition.key
        begins = key in mending and key not in before.mending
        back_ns = one.data_ns if begins else before.back_ns.get(key)
        if back_ns is not None and key not in ill:
            yield key, back_ns


def _came(one: Verdict, before: LookResult) -> bool:
    """Whether newer data came since it was suspected: then it was not wrong all the time."""
    key = one.condition.key
    if key not in before.data_ns or one.data_ns is None:
        return False
    last_ns = before.data_ns[key]
    return last_ns is None or one.data_ns > last_ns


def _held(
    is_so: bool, key: Key, now: int, hold_ns: int, before: Mapping[Key, int], after: dict[Key, int]
) -> bool:
    """Whether it is so for as long as its hold; `after` keeps since when."""
    if not is_so:
        return False
    after[key] = before.get(key, now)
    return now - after[key] >= hold_ns


class Unheard(NamedTuple):
    """A node, and the time of the last data of it [UTC ns], None: never any."""

    node: str
    last_ns: int | None


def unheard(situation: Situation, nodes: Set[str]) -> tuple[Unheard, ...]:
    """Of these nodes the sources that don't speak, and channels of the others without a number.

    What nobody gave an interval counts as speaking.
    """
    return tuple(_unheard(situation, nodes))


def _unheard(situation: Situation, nodes: Set[str]) -> Iterator[Unheard]:
    look, silent = Look(situation, {}), set[str]()
    for source in situation.sources:
        if not _speaks(situation, _by_our_clock(source, source.last_ns), source.interval_ns):
            silent.add(source.node)
            if source.node in nodes:
                yield Unheard(source.node, source.last_ns)
    for channel in situation.channels:
        source_ = look.source_of(channel.node)
        if source_ is None or source_.node in silent or channel.node not in nodes:
            continue
        interval_ns = channel.interval_ns or source_.interval_ns
        if not _speaks(situation, _by_our_clock(source_, channel.last_number_ns), interval_ns):
            yield Unheard(channel.node, channel.last_number_ns)


def _by_our_clock(source: SourceState, time_ns: int | None) -> int | None:
    """A time that a source with a wrong clock gave."""
    return None if time_ns is None else time_ns - (source.clock_ahead_ns or 0)


def _speaks(situation: Situation, last_ns: int | None, interval_ns: int | None) -> bool:
    if not interval_ns:
        return True
    return last_ns is not None and situation.now_ns - last_ns <= SPEAKS_INTERVALS * interval_ns
