"""What the page must be told: the state of the recorder, and the last day of a channel.

Names in here come from sensors, brokers and files and may hold any text: never trust one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

from pydantic import Field

from edaphon.model import Observations

__all__ = [
    "ChannelNow",
    "ClockNow",
    "DiskNow",
    "Entries",
    "FileNow",
    "FloodNow",
    "IncidentNow",
    "JournalNow",
    "Latest",
    "Ledgers",
    "Silent",
    "SinkNow",
    "SiteNow",
    "SourceNow",
    "Status",
    "Unreadable",
    "View",
    "VisitNow",
]

Ns = Annotated[int, Field(ge=-(2**63), lt=2**63)]  # UTC ns
Offset = Annotated[int, Field(gt=-86400, lt=86400)]  # s


class Silent(Exception):
    """The recorder gives no answer; the text says what came instead."""


class Unreadable(Silent):
    """The recorder answered something that this page does not understand."""


@dataclass(frozen=True, slots=True)
class SiteNow:
    id: str
    name: str
    utc_offset_s: Offset


@dataclass(frozen=True, slots=True)
class ClockNow:
    known: bool
    how: str


@dataclass(frozen=True, slots=True)
class JournalNow:
    entries: int
    last_ns: Ns | None
    position: str


@dataclass(frozen=True, slots=True)
class DiskNow:
    """The disk of the storage folder; `days` until it is full, None: not known, or never."""

    free_bytes: int
    total_bytes: int
    days: float | None
    reserve_bytes: int
    full: bool


@dataclass(frozen=True, slots=True)
class Entries:
    """The first ledger: records = decoded + dead + duplicates + conflicts + held."""

    records: int
    decoded: int
    dead: int
    duplicates: int
    held: int
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Both ledgers; `gaps` counts slots by cause, the last three count points by sink."""

    taken: int
    journalled: int
    derived: int
    current: int
    conflicts: int
    entries: Entries
    gaps: Mapping[str, int]
    delivered: Mapping[str, int]
    set_aside: Mapping[str, int]
    waiting: Mapping[str, int]
    repeats: int = 0
    replaced: int = 0


@dataclass(frozen=True, slots=True)
class FileNow:
    """The lines of a followed file: rows + headers + blank + refused."""

    source: str
    file: str
    lines: int
    rows: int
    headers: int
    blank: int
    refused: int


@dataclass(frozen=True, slots=True)
class SourceNow:
    """`notes` counts what made no value, by its words; `interval_ns`: how often it is to speak.

    `planned` is why no data are expected now: a visit, pause or removal; "" where they are.
    """

    path: str
    model: str
    last_ns: Ns | None
    state: Literal["ok", "held", "late", "silent", "never"]
    detail: str
    notes: Mapping[str, int] = field(default_factory=dict)
    interval_ns: Ns | None = None
    missed_uplinks: int = 0
    planned: str = ""


@dataclass(frozen=True, slots=True)
class FloodNow:
    """What came above a budget and was counted; `source` is a broker for messages of no source."""

    source: str
    n: int
    size: int
    first_ns: Ns
    last_ns: Ns
    again: int = 0


@dataclass(frozen=True, slots=True)
class SinkNow:
    """`blocked`: it comes back only after a person has done something."""

    name: str
    kind: str
    up: bool
    why: str
    blocked: bool
    since_ns: Ns


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest observation; numbers in the channel's unit, `raw` in the instrument's."""

    time_ns: Ns
    value: float | None
    raw: float | None
    u_random: float | None
    u_systematic: float | None
    flag: int


@dataclass(frozen=True, slots=True)
class ChannelNow:
    id: str
    quantity: str
    unit: str
    site: str
    plot: str
    profile: str
    depth_cm: str
    latest: Latest | None


@dataclass(frozen=True, slots=True)
class IncidentNow:
    """An open incident; `wrong` is false where all is well again and it is kept open for a while.

    `acknowledged_until_ns` is 0 without an acknowledgement.
    """

    number: int
    severity: str
    title: str
    text: str
    cause_label: str
    members: tuple[str, ...]
    since_ns: Ns
    wrong: bool
    acknowledged_until_ns: Ns = 0
    acknowledged_by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class VisitNow:
    """People work at a plot; it ends by itself at `end_ns`."""

    plot: str
    who: str
    why: str
    end_ns: Ns


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that the recorder says of itself at `now_ns`; it runs since `since_ns`."""

    site: SiteNow
    logger: str
    version: str
    now_ns: Ns
    since_ns: Ns
    clock: ClockNow
    journal: JournalNow
    ledgers: Ledgers
    sources: tuple[SourceNow, ...]
    sinks: tuple[SinkNow, ...]
    channels: tuple[ChannelNow, ...]
    problems: tuple[str, ...]
    file_lines: tuple[FileNow, ...] = ()
    incidents: tuple[IncidentNow, ...] = ()
    disk: DiskNow | None = None
    visits: tuple[VisitNow, ...] = ()
    floods: tuple[FloodNow, ...] = ()


class View(Protocol):
    """Where the page looks; both methods raise nothing but Silent."""

    def status(self) -> Status: ...

    def day(self, channel_id: str, start_ns: int, end_ns: int) -> list[Observations]:
        """The observations of [start_ns, end_ns), by time; only time, value, u and flag count."""
        ...
