"""What is known of a station at one moment: the only thing that the rules look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from edaphon.alerts.model import Node

__all__ = ["ChannelNow", "Pause", "SinkNow", "Situation", "SourceNow", "Supply", "Week"]


@dataclass(frozen=True, slots=True)
class SourceNow:
    """A source: when it spoke last [UTC ns], None: never; `age_ns` since then while listening.

    `age_ns` is measured while the service listened, by the monotonic clock where the wall clock is
    not known, less what may be on its way. `interval_ns` is how often it should speak, None: nobody
    said so. `numbers` counts frames by their counter (LoRaWAN): with it six intervals are waited.
    """

    node: str
    last_ns: int | None
    age_ns: int
    interval_ns: int | None
    detail: str = ""  # of its gap, by the bus: "no answer", "checksum", ...
    numbered: bool = False
    missed: int = 0  # uplinks by their counter, in the last day
    received: int = 0


@dataclass(frozen=True, slots=True)
class ChannelNow:
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
class Supply:
    """A measured voltage: the last one, and the minima of the last days, the oldest first [V].

    `least_v` is what the instruments on it need, None: not known.
    """

    node: str
    last_ns: int
    last_v: float
    least_v: float | None
    daily_minima_v: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """A declared pause, visit or removal: nothing is expected of these nodes in [from, to) UTC ns.

    `kind` is "visit", "pause" or "removal".
    """

    nodes: frozenset[str]
    start_ns: int
    end_ns: int
    kind: str
    fact: str  # id of the fact


@dataclass(frozen=True, slots=True)
class SinkNow:
    node: str
    up: bool
    blocked: bool
    why: str
    since_ns: int | None  # of the state
    waiting: int
    oldest_waiting_ns: int | None
    set_aside: int


@dataclass(frozen=True, slots=True)
class Situation:
    """`now_ns` is UTC by the service's clock, `mono_ns` the monotonic time of that moment.

    `down` are ports and brokers that can't be used: node -> (since UTC ns, why). `failing` are
    parts of the service: name -> why. `losses` are journal losses that nobody has noted yet.
    `floods` go on: node of the source or broker -> (since UTC ns, items) that were not kept.
    """

    now_ns: int
    mono_ns: int
    nodes: Mapping[str, Node]
    sources: tuple[SourceNow, ...] = ()
    channels: tuple[ChannelNow, ...] = ()
    supplies: tuple[Supply, ...] = ()
    sinks: tuple[SinkNow, ...] = ()
    pauses: tuple[Pause, ...] = ()
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
    floods: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Week(NamedTuple):
    """What came in during a week: records, and measurements that were missed.

    `disk_days` until the disk is full, None: it does not fill, or nobody knows.
    """

    records: int
    missed: int
    disk_days: float | None = None
