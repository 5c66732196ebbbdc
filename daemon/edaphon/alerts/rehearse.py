"""What would be sent to whom if a fault struck a station: a fault played in simulated time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from edaphon.alerts.book import Book, replayed
from edaphon.alerts.due import Due, ReceiverRules, due, sent
from edaphon.alerts.incidents import step
from edaphon.alerts.look import (
    ChannelState,
    DoubtState,
    LookResult,
    SinkState,
    Situation,
    SourceState,
    SupplyState,
    above,
)
from edaphon.alerts.model import LOGGER, Incident, NodeKind, What
from edaphon.alerts.rules import conditions
from edaphon.clock import DAY_NS, HOUR_NS, MINUTE_NS

OTHER_LOGGER = "F14"  # of files that are followed
STRIKES_NS = HOUR_NS  # of good data before the fault
FALLS_V_A_DAY, ABOVE_LEAST_V = 0.3, 1.5
A_CODE = "-9999"  # what many instruments give instead of a value
LEAST_SHARE = 0.85  # of the voltage now, where nobody knows what the instruments need


class CannotRehearse(ValueError):
    """The station has nothing that this fault could strike, or nobody knows such a fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`lasts_ns` from its begin until it is mended, `after_ns` until the last message left.

    `play` changes a situation, by the node that is struck and the time since the begin [ns].
    """

    says: str
    strikes: NodeKind
    play: Callable[["_Play", Situation, int], Situation]
    lasts_ns: int = 12 * HOUR_NS
    after_ns: int = 6 * HOUR_NS
    each_ns: int = 2 * MINUTE_NS  # a look


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A message that would go out: when after the fault [ns], to whom, of which incidents."""

    after_ns: int
    due: Due
    incidents: tuple[Incident, ...]


def rehearsed(
    healthy: Situation, fault: str, receivers: Sequence[ReceiverRules], node: str = ""
) -> list[Rehearsed]:
    """Play a fault through rules, causes, incidents and due messages; raises CannotRehearse."""
    book, found, messages = Book(), LookResult(), list[Rehearsed]()
    for now in situations(healthy, fault, node):
        found = conditions(now, found)
        for event in step(book, now, found):
            book = replayed(book, event)
        for message in due(book, receivers, now.now_ns):
            of = tuple(book.incidents[number] for number in message.numbers)
            after_ns = now.now_ns - healthy.now_ns - STRIKES_NS
            messages.append(Rehearsed(after_ns, message, of))
            book = replayed(book, sent(message, now.now_ns))
    return messages


def ending_at(situation: Situation, fault: str) -> Situation:
    """The station so much earlier that the play of a fault ends at its time: no time is to come."""
    known = FAULTS.get(fault)
    played_ns = STRIKES_NS + known.lasts_ns + known.after_ns if known else 0
    return replace(situation, now_ns=situation.now_ns - played_ns)


def situations(healthy: Situation, fault: str, node: str = "") -> Iterator[Situation]:
    """The station over the time of a fault, from just before it until it is mended and quiet."""
    known = FAULTS.get(fault)
    if known is None:
        raise CannotRehearse(f"expected one of {', '.join(FAULTS)}; got {fault}")
    play = _Play(_awake(healthy), known, node or _struck(healthy, known.strikes))
    if play.node not in healthy.nodes:
        raise CannotRehearse(f"this station has no {play.node}")
    ends_ns = STRIKES_NS + known.lasts_ns + known.after_ns
    return (play.at(passed_ns) for passed_ns in range(0, ends_ns, known.each_ns))


def _awake(situation: Situation) -> Situation:
    """A station on which all is well and nothing is paused."""
    return replace(
        situation, pauses=(), down={}, failing={}, receivers_refuse={}, wrong_sensors={},
        calibrations_end={}, clock_known=True, disk_full=False, disk_days=None, journal_fails="",
        losses=(), listening_ns=30 * DAY_NS,
        sinks=tuple(replace(one, up=True, blocked=False, set_aside=0) for one in situation.sinks),
    )  # fmt: skip


def _struck(situation: Situation, kind: NodeKind) -> str:
    """The node of a kind on which most hangs."""
    if kind is NodeKind.LOGGER:
        return LOGGER
    count = dict.fromkeys((id_ for id_, one in situation.nodes.items() if one.kind is kind), 0)
    for id_ in situation.nodes:
        for up in above(situation, id_):
            if up in count:
                count[up] += 1
    if not count:
        raise CannotRehearse(f"this fault strikes a {kind}, and this station has none")
    return max(count, key=lambda id_: count[id_])


@dataclass(frozen=True)
class _Play:
    healthy: Situation
    fault: Fault
    node: str

    def at(self, passed_ns: int) -> Situation:
        """The station so long after the begin of the rehearsal."""
        well = self.well(passed_ns)
        since_ns = passed_ns - STRIKES_NS
        if 0 <= since_ns < self.fault.lasts_ns:
            return self.fault.play(self, well, since_ns)
        return well

    def well(self, passed_ns: int) -> Situation:
        """All speak when it is their time."""
        start = self.healthy
        now_ns = start.now_ns + passed_ns
        return replace(
            start,
            now_ns=now_ns,
            mono_ns=start.mono_ns + passed_ns,
            listening_ns=start.listening_ns + passed_ns,
            sources=tuple(_source(one, now_ns, now_ns) for one in start.sources),
            channels=tuple(self.channel(one, now_ns) for one in start.channels),
            supplies=tuple(replace(one, last_ns=now_ns) for one in start.supplies),
        )

    def channel(self, one: ChannelState, until_ns: int) -> ChannelState:
        interval_ns = one.interval_ns or 1
        return replace(one, last_number_ns=until_ns // interval_ns * interval_ns, failed_ns=())

    @cached_property
    def struck(self) -> frozenset[str]:
        """The node, what hangs on it, and a source that is nothing but this sensor."""
        nodes = self.healthy.nodes
        hanging = {id_ for id_ in nodes if self.node in above(self.healthy, id_)}
        parent = nodes[self.node].parent
        siblings = [one for one in nodes.values() if one.parent == parent]
        of_source = parent in nodes and nodes[parent].kind is NodeKind.SOURCE
        return frozenset(hanging | ({parent} if of_source and len(siblings) == 1 else set()))

    def silenced(self, now: Situation, since_ns: int) -> Situation:
        """Nothing comes from the node, nor from what hangs on it."""
        begin_ns = now.now_ns - since_ns
        return replace(
            now,
            sources=tuple(
                _source(one, begin_ns, now.now_ns) if one.node in self.struck else one
                for one in now.sources
            ),
            channels=tuple(
                self.channel(one, begin_ns) if one.node in self.struck else one
                for one in now.channels
            ),
        )


def _source(one: SourceState, until_ns: int, now_ns: int) -> SourceState:
    last_ns = until_ns // (one.interval_ns or 1) * (one.interval_ns or 1)
    return replace(one, last_ns=last_ns, age_ns=now_ns - last_ns, clock_ahead_ns=0)


def _silent(play: _Play, now: Situation, since_ns: int) -> Situation:
    return play.silenced(now, since_ns)


def _adapter(play: _Play, now: Situation, since_ns: int) -> Situation:
    down = {play.node: (now.now_ns - since_ns, "no such device")}
    return replace(play.silenced(now, since_ns), down=down)


def _codes(play: _Play, now: Situation, since_ns: int) -> Situation:
    """The instrument answers, and each answer is a failure code."""
    begin_ns = now.now_ns - since_ns

    def failed(one: ChannelState) -> ChannelState:
        interval_ns = one.interval_ns or HOUR_NS
        first_ns = begin_ns // interval_ns * interval_ns + interval_ns
        times = tuple(range(first_ns, now.now_ns + 1, interval_ns))
        return replace(play.channel(one, begin_ns), failed_ns=times, code=A_CODE)

    return replace(
        now, channels=tuple(failed(one) if one.node in play.struck else one for one in now.channels)
    )


def _supply(play: _Play, now: Situation, since_ns: int) -> Situation:
    """The voltage falls each day; below what the instruments need they are silent."""
    own = next((one for one in now.supplies if one.node == play.node), None)
    if own is None:
        raise CannotRehearse(f"nobody measures the voltage of {play.node}")
    least_v = own.least_v or own.last_v * LEAST_SHARE

    def voltage(days: float) -> float:
        return max(0.8 * least_v, least_v + ABOVE_LEAST_V - FALLS_V_A_DAY * days)

    days = since_ns // DAY_NS
    minima = tuple(voltage(day) for day in range(max(0, days - 6), days + 1))
    now_v = voltage(since_ns / DAY_NS)
    falling = SupplyState(own.node, now.now_ns, now_v, least_v, minima)
    now = replace(now, supplies=tuple(falling if one is own else one for one in now.supplies))
    low_ns = since_ns - int(ABOVE_LEAST_V / FALLS_V_A_DAY * DAY_NS)
    return play.silenced(now, low_ns) if low_ns > 0 else now


def _disk(play: _Play, now: Situation, since_ns: int) -> Situation:
    return replace(play.silenced(now, since_ns), disk_full=True)


def _sink(play: _Play, now: Situation, since_ns: int) -> Situation:
    def away(one: SinkState) -> SinkState:
        state = replace(one, up=False, why="no connection", since_ns=now.now_ns - since_ns)
        return state if one.node in play.struck else one

    return replace(now, sinks=tuple(away(one) for one in now.sinks))


def _doubt(what: What, why: str, found_ns: int) -> Callable[[_Play, Situation, int], Situation]:
    """What the tests of the values find so long after the begin, of the struck node."""

    def played(play: _Play, now: Situation, since_ns: int) -> Situation:
        if since_ns < found_ns:
            return now
        return replace(now, doubtful={play.node: DoubtState(what, now.now_ns - since_ns, why)})

    return played


def _clock(play: _Play, now: Situation, since_ns: int) -> Situation:
    """Its times are an hour ahead."""
    off = tuple(
        replace(one, clock_ahead_ns=HOUR_NS if one.node in play.struck else 0)
        for one in now.sources
    )
    return replace(now, sources=off)


def _of_values(
    says: str, what: What, why: str, found_h: int, strikes: NodeKind = NodeKind.CHANNEL
) -> Fault:
    """A fault that only the tests of the values find, so many hours after its begin."""
    play = _doubt(what, why, found_h * HOUR_NS)
    lasts_ns = (found_h + 12) * HOUR_NS
    return Fault(says, strikes, play, lasts_ns, 36 * HOUR_NS, 10 * MINUTE_NS)


_DOUBTFUL, _NO_VALUES = What.DOUBTFUL_VALUES, What.VALUES_LOST
_VALUES: Mapping[str, Fault] = {
    "F02": _of_values("water in a connector", _DOUBTFUL, "noise, spike_single", 8),
    "F03": _of_values("a value is stuck", _NO_VALUES, "flat", 14),
    "F04": _of_values("a value is stuck but for its last digit", _NO_VALUES, "flat", 26),
    "F05": _of_values("single spikes", _DOUBTFUL, "spike_single", 8),
    "F06": _of_values("spikes of several rows", _DOUBTFUL, "spike_mad", 8),
    "F07": _of_values("a step that stays", _DOUBTFUL, "step", 8),
    "F08": _of_values("a slow drift", _DOUBTFUL, "drift", 168),
    "F09": _of_values("a probe leaves the soil", _NO_VALUES, "range", 4, NodeKind.SENSOR),
    "F10": _of_values("an air gap at a probe", _DOUBTFUL, "replicate", 24),
    "F11": _of_values("noise", _DOUBTFUL, "noise", 8),
    "F16": _of_values("two cables are swapped", What.CABLES_SWAPPED, "cables swapped", 2),
    "F17": _of_values("temperature makes water", _DOUBTFUL, "temperature_sensitivity", 72),
    "F18": _of_values("a sensor at the end of its range", _NO_VALUES, "rail", 8),
    "F19": _of_values("condensation in a gas cell", _DOUBTFUL, "range", 4),
    "F20": _of_values("a rain gauge is blocked", _DOUBTFUL, "soil gets wet without rain", 96),
    "F21": _of_values("a chamber does not close", _NO_VALUES, "diagnostics", 12),
}

_STATION: Mapping[str, Fault] = {
    "F01": Fault("the cable of a probe is cut", NodeKind.SENSOR, _silent),
    "F12": Fault(
        "an instrument gives failure codes", NodeKind.SENSOR, _codes, after_ns=12 * HOUR_NS
    ),
    "F13": Fault(
        "the supply falls slowly", NodeKind.SUPPLY, _supply, 7 * DAY_NS, 2 * DAY_NS, 10 * MINUTE_NS
    ),
    OTHER_LOGGER: Fault("the logger falls silent", NodeKind.LOGGER, _silent),
    "F15": Fault("a clock is an hour off", NodeKind.SOURCE, _clock, after_ns=12 * HOUR_NS),
    "F22": Fault("a bus is down", NodeKind.BUS, _silent),
    "adapter": Fault("the adapter of a bus is pulled", NodeKind.BUS, _adapter),
    "disk-full": Fault("the disk is full", NodeKind.LOGGER, _disk),
    "sink-away": Fault("a sink cannot be reached", NodeKind.SINK, _sink),
}
FAULTS: Mapping[str, Fault] = dict(sorted({**_STATION, **_VALUES}.items()))
