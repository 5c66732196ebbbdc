"""What the page shows: the state of the recorder, and the last day of a channel.

Names in here come from sensors, brokers and files and may hold any text: never trust one.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from edaphon.clock import DAY_NS
from edaphon.model import Float, Observations
from edaphon.toml_input.lines import data_of
from edaphon_calibration.checks import Flag

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
class LatestValue:
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
    latest: LatestValue | None


@dataclass(frozen=True, slots=True)
class IncidentNow:
    """An open incident, not `wrong` while it is kept open for a while; times of 0 are not set."""

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


Answer = Mapping[str, object]
Ask = Callable[[dict[str, object]], Answer]


class ControlView:
    """`ask` sends one object; it may raise OSError, EOFError (no answer), ValueError (no JSON)."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._status = TypeAdapter(Status)

    def status(self) -> Status:
        answer = self._answer({"verb": "status"})
        try:
            return self._status.validate_python(_in_our_words(answer))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the answer"
            raise Unreadable(f"status: {place}: {first['msg']}") from None

    def day(self, channel_id: str, start_ns: int, end_ns: int) -> list[Observations]:
        answer = self._answer(
            {"verb": "series", "channel": channel_id, "start_ns": start_ns, "end_ns": end_ns}
        )
        try:
            return [_observations(channel_id, answer)]
        except KeyError as error:
            raise Unreadable(f"series: the answer has no {error}") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise Unreadable(f"series: {error}") from None

    def _answer(self, question: dict[str, object]) -> Answer:
        try:
            answer = self._ask(question)
        except (OSError, EOFError) as error:
            raise Silent(str(error) or type(error).__name__) from None
        except ValueError as error:
            raise Unreadable(f"{question['verb']}: not JSON: {error}") from None
        if not isinstance(answer, Mapping):
            raise Unreadable(f"{question['verb']}: expected an object, came {answer!r:.80}")
        return answer


def _observations(channel_id: str, answer: Answer) -> Observations:
    """What the socket doesn't send (raw number, source flag, sequence, derivation) stays empty."""
    time_ns = np.array(answer["time_ns"], np.int64)
    flag = np.array(answer["flag"], np.int16).astype(np.int8)
    value, u_random, u_systematic = (
        _floats(answer, name) for name in ("value", "u_random", "u_systematic")
    )
    columns = (time_ns, value, u_random, u_systematic, flag)
    if time_ns.ndim != 1 or any(c.shape != time_ns.shape for c in columns):
        shapes = ", ".join(str(c.shape) for c in columns)
        raise ValueError(f"columns differ in length: {shapes}")
    nothing = np.full(len(time_ns), np.nan)
    none = np.zeros(len(time_ns), np.int64)
    source_flag = np.zeros(len(time_ns), np.int8)
    reported = (value, u_random, u_systematic, flag)
    return Observations(channel_id, "", time_ns, time_ns, nothing, *reported, source_flag, none)


def _floats(answer: Answer, name: str) -> Float:
    return np.array(answer[name], np.float64)  # None becomes NaN


def _in_our_words(answer: object) -> object:
    """The status with `problems` under its own name: scripts read the old key since version 0.1."""
    if not isinstance(answer, dict) or "trouble" not in answer:
        return answer
    return {"problems" if key == "trouble" else key: value for key, value in answer.items()}


def window(now_ns: int) -> tuple[int, int]:
    """The last 24 h as [start, end) [UTC ns], now included."""
    return now_ns - DAY_NS, now_ns + 1


@dataclass(frozen=True, slots=True)
class LastStatus:
    """One complete answer; a channel whose day could not be read is absent from `days`."""

    status: Status
    days: Mapping[str, list[Observations]]


@dataclass(frozen=True, slots=True)
class PageLook:
    """The last answer if there ever was one; `silent_since_ns` is None while answers come."""

    now_ns: int
    seen: LastStatus | None
    silent_since_ns: int | None = None
    why: str = ""


class StatusWatch:
    """Asks the view, one asker at a time; `now_ns` is the wall clock [UTC ns]."""

    def __init__(self, view: View, now_ns: Callable[[], int]) -> None:
        self._view = view
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._seen: LastStatus | None = None
        self._silent_since_ns: int | None = None

    def status(self) -> Status:
        """What the recorder says now, kept with the days of the last look; raises Silent."""
        with self._lock:
            with self._noted():
                status = self._view.status()
            self._seen = LastStatus(status, self._seen.days if self._seen else {})
            return status

    def look(self) -> PageLook:
        with self._lock:
            try:
                with self._noted():
                    self._seen = self._ask()
            except Silent as error:
                return PageLook(self._now_ns(), self._seen, self._silent_since_ns, str(error))
            return PageLook(self._seen.status.now_ns, self._seen)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Whoever asks, page or metrics: since when there is no answer."""
        try:
            yield
        except Silent:
            self._silent_since_ns = self._silent_since_ns or self._now_ns()
            raise
        self._silent_since_ns = None

    def _ask(self) -> LastStatus:
        status = self._view.status()
        start_ns, end_ns = window(status.now_ns)
        days: dict[str, list[Observations]] = {}
        for channel in status.channels:
            try:
                days[channel.id] = self._view.day(channel.id, start_ns, end_ns)
            except Unreadable:  # one channel without a line; the others have theirs
                continue
        return LastStatus(status, days)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST = 160
NAMES: Mapping[str, Mapping[str, str]] = data_of("edaphon.web", "names")
_FORMULAS = {"co2": "CO₂", "ch4": "CH₄", "n2o": "N₂O", "o2": "O₂", "h2o": "H₂O", "ph": "pH"}


class Sign(NamedTuple):
    """A state as word and shape; the colour repeats what both say."""

    word: str
    shape: str  # dot, ring, triangle, cross, dash


_FLAGS = {
    Flag.PASSED: Sign("passed", "dot"),
    Flag.NOT_EVALUATED: Sign("not checked", "ring"),
    Flag.SUSPECT: Sign("suspect", "triangle"),
    Flag.FAIL: Sign("failed", "cross"),
    Flag.MISSING: Sign("missing", "dash"),
}


def flag_sign(flag: int) -> Sign:
    try:
        return _FLAGS[Flag(flag)]
    except ValueError:
        return Sign(f"flag {flag}", "ring")


def age(ns: int) -> str:
    """How long ago, in one unit."""
    seconds = ns // 10**9
    if seconds < -60:
        return "in the future"
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86400} days ago"


def moment(time_ns: int, now_ns: int, offset_s: int = 0) -> str:
    """The time of day at that offset from UTC; with the date unless it is today's."""
    at, now = _local(time_ns, offset_s), _local(now_ns, offset_s)
    day = "" if at.date() == now.date() else f"{at.day} {_MONTHS[at.month - 1]} "
    year = "" if at.year == now.year else f"{at.year} "
    return f"{day}{year}{at:%H:%M}"


def time_of_day(time_ns: int, offset_s: int) -> str:
    return f"{_local(time_ns, offset_s):%H:%M}"


def offset_words(offset_s: int) -> str:
    """An offset from UTC as UTC+01:00."""
    minutes = abs(offset_s) // 60
    sign = "+" if offset_s >= 0 else "\N{MINUS SIGN}"
    return f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"


def quantity_name(quantity: str) -> str:
    """The short name of a quantity; an unknown one keeps its own words."""
    if known := NAMES["quantities"].get(quantity):
        return known
    words = [_FORMULAS.get(word, word) for word in quantity.split("_")]
    if words[0] == quantity.split("_")[0]:
        words[0] = words[0][:1].upper() + words[0][1:]
    return " ".join(words)


def shortened(text: str) -> str:
    """Foreign text cut to what fits on a phone."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _local(time_ns: int, offset_s: int) -> datetime:
    zone = timezone(timedelta(seconds=offset_s))
    return datetime.fromtimestamp(time_ns // 10**9, UTC).astimezone(zone)
