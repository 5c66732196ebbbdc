"""The book of incidents: only what their events say, which are kept in the journal."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from edaphon.alerts.model import Condition, Event, Incident, Numbers, Occasion, Severity, What
from edaphon.clock import DAY_NS
from edaphon.journal import Entry, Journal, Kind, StateFile
from edaphon.journal.fact_log import GONE, START, crc_at
from edaphon.model import EntryId
from edaphon.people import person

CLOSED_KEPT = 300  # incidents that a summary may still name
TURNS_KEPT = 50
VISITS_KEPT = 50


class Sent(NamedTuple):
    """The last message of an incident in `state` to one receiver; `reached`: it ever took one."""

    occasion: Occasion
    state: int
    time_ns: int
    refused: bool = False
    reached: bool = True


class VisitEnd(NamedTuple):
    """When a visit ended [UTC ns], the nodes that did not speak, and the receivers that know."""

    time_ns: int
    nodes: tuple[str, ...]
    receivers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """Incidents that are open or were closed lately, and what was sent of them.

    `sent` is by receiver and number; `times_ns` are by receiver the messages of the last day.
    `visits` are those that ended lately, by the id of their fact.
    """

    incidents: Mapping[int, Incident] = field(default_factory=dict)
    sent: Mapping[str, Mapping[int, Sent]] = field(default_factory=dict)
    times_ns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    last_number: int = 0
    visits: Mapping[str, VisitEnd] = field(default_factory=dict)

    @property
    def open(self) -> tuple[Incident, ...]:
        return tuple(one for one in self.incidents.values() if not one.closed)

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions of all open incidents, where a start of the service begins to look."""
        return tuple(part for one in self.open for part in one.parts)

    def to_json(self) -> dict[str, Any]:
        """For the state file."""
        table: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return table | {"incidents": list(table["incidents"].values())}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "Book":
        """The book that `to_json` wrote; else raises KeyError, TypeError or ValueError."""
        incidents = {one["number"]: one for one in table["incidents"]}
        return _adapter().validate_python({**table, "incidents": incidents})


@cache
def _adapter() -> TypeAdapter[Book]:
    """Made when it is needed first: who only reads a book does without."""
    return TypeAdapter(Book)


def acknowledged(
    number: int, now_ns: int, until_ns: int, by: str, why: str, account: str = ""
) -> Event:
    """A person knows of it: nothing is repeated or escalated until then, unless it gets worse."""
    table = {"until_ns": until_ns, "by": by, "why": why}
    table |= {"account": account} if account else {}
    return Event("acknowledged", number, now_ns, table)


def replayed(book: Book, event: Event) -> Book:
    """The book after an event; one that is not known, or of no open incident, changes nothing."""
    try:
        return _after(book, event)
    except (KeyError, TypeError, ValueError):  # newer software wrote it
        return book


def _after(book: Book, event: Event) -> Book:
    if event.did == "opened":
        return _opened(book, event)
    if event.did == "visit ended":
        return _visit_ended(book, event)
    if event.did in ("sent", "summed", "refused"):
        return _sent(book, event)
    incident, change = book.incidents.get(event.number), CHANGES.get(event.did)
    if incident is None or incident.closed or change is None:
        return book
    changed = change(incident, event)
    return _kept(replace(book, incidents={**book.incidents, incident.number: changed}))


def _visit_ended(book: Book, event: Event) -> Book:
    ended = {event.table["visit"]: VisitEnd(event.time_ns, tuple(event.table["nodes"]))}
    visits = [*({**ended, **book.visits}).items()]
    visits.sort(key=lambda one: one[1].time_ns)
    return replace(book, visits=dict(visits[-VISITS_KEPT:]))


def _opened(book: Book, event: Event) -> Book:
    if event.number in book.incidents:
        return book
    table = event.table
    incident = Incident(
        number=event.number,
        cause=table["cause"],
        what=What(table["what"]),
        severity=Severity(table["severity"]),
        since_ns=table["since_ns"],
        opened_ns=event.time_ns,
        members=tuple(table["members"]),
        numbers=table.get("numbers", {}),
        changed_ns=event.time_ns,
        turns_ns=tuple(table.get("turns_ns", ())),
        parts=_parts(table["parts"]),
        due_ns=table.get("due_ns", event.time_ns),
    )
    last = max(book.last_number, event.number)
    return replace(book, incidents={**book.incidents, event.number: incident}, last_number=last)


def _kept(book: Book) -> Book:
    """Without the closed incidents of which nobody needs to hear any more."""
    closed = sorted(one.number for one in book.incidents.values() if one.closed)
    dropped = frozenset(closed[:-CLOSED_KEPT])
    if not dropped:
        return book
    kept = {number: one for number, one in book.incidents.items() if number not in dropped}
    sent = {
        receiver: {number: one for number, one in by_number.items() if number in kept}
        for receiver, by_number in book.sent.items()
    }
    return replace(book, incidents=kept, sent=sent)


def _grew(incident: Incident, event: Event) -> Incident:
    """More fails with it. If a person had acknowledged less, that is news."""
    news = event.time_ns < incident.acknowledged_until_ns
    return replace(
        incident,
        members=tuple(event.table["members"]),
        parts=_parts(event.table["parts"]),
        changed_ns=event.time_ns,
        state=incident.state + news,
        acknowledged_until_ns=0,
    )


def _changed(incident: Incident, event: Event) -> Incident:
    """It became worse. The loss that was announced is no news: a reminder or an end comes anyway.

    To a person who acknowledged what would be lost it is, and to receivers of what is lost alone.
    """
    table = event.table
    grown = _grew(incident, event)
    announced = (incident.severity, table["severity"]) == (Severity.WILL_BE_LOST, Severity.LOST)
    return replace(
        grown,
        what=What(table["what"]),
        severity=Severity(table["severity"]),
        numbers=table.get("numbers", {}),
        state=grown.state if announced else incident.state + 1,
    )


def _quiet(incident: Incident, event: Event) -> Incident:
    table = event.table
    return replace(
        incident,
        quiet_ns=event.time_ns,
        quiet_mono_ns=table["mono_ns"],
        back_ns=table.get("back_ns", 0),
        flaps=incident.flaps or table["flaps"],
        parts=_parts(table.get("parts", ())),
        turns_ns=_turns(incident, event),
    )


def _turns(incident: Incident, event: Event) -> tuple[int, ...]:
    """When it came and went in the last day."""
    lately = [one for one in incident.turns_ns if abs(event.time_ns - one) < DAY_NS]
    return (*lately[-TURNS_KEPT:], event.time_ns)


def _turned(incident: Incident, event: Event) -> Incident:
    return replace(
        incident,
        quiet_ns=0,
        quiet_mono_ns=0,
        back_ns=0,
        changed_ns=event.time_ns,
        turns_ns=_turns(incident, event),
        parts=_parts(event.table.get("parts", ())),
    )


def _closed(incident: Incident, event: Event) -> Incident:
    return replace(
        incident,
        resolved_ns=event.time_ns,
        back_ns=incident.back_ns or event.table.get("back_ns", 0),
        closed=event.did,
        state=incident.state + 1,
        parts=(),
        turns_ns=_turns(incident, event),
    )


def _acknowledged(incident: Incident, event: Event) -> Incident:
    table = event.table
    return replace(
        incident,
        acknowledged_until_ns=table["until_ns"],
        acknowledged_by=person(table.get("by", ""), table.get("account", "")),
        why=table.get("why", ""),
    )


CHANGES: Mapping[str, Callable[[Incident, Event], Incident]] = {
    "grew": _grew,
    "changed": _changed,
    "quiet": _quiet,
    "turned": _turned,
    "resolved": _closed,
    "joined": _closed,
    "removed": _closed,
    "acknowledged": _acknowledged,
}


def _sent(book: Book, event: Event) -> Book:
    """What a receiver took or refused; what it took of no incident shows that it works again."""
    table = event.table
    receiver, is_refused = table["receiver"], event.did == "refused"
    before = book.sent.get(receiver, {})
    now = dict(before)
    for number, state in zip(table["numbers"], table["states"], strict=True):
        last = before.get(number)
        reached = not is_refused or (last is not None and last.reached)
        occasion = Occasion(table["occasion"])
        now[number] = Sent(occasion, state, event.time_ns, is_refused, reached)
    if not table["numbers"] and not is_refused:
        now = {number: one for number, one in now.items() if not one.refused or one.reached}
        now = {number: one._replace(refused=False) for number, one in now.items()}
    times_ns = book.times_ns
    if not is_refused:
        lately = [one for one in times_ns.get(receiver, ()) if event.time_ns - one < DAY_NS]
        times_ns = {**times_ns, receiver: (*lately, event.time_ns)}
    visits = dict(book.visits)
    if (ended := visits.get(table.get("visit", ""))) is not None:
        visits[table["visit"]] = ended._replace(receivers=(*ended.receivers, receiver))
    sent = {**book.sent, receiver: now}
    return replace(book, sent=sent, times_ns=times_ns, visits=visits)


def _parts(rows: Iterable[Any]) -> tuple[Condition, ...]:
    return tuple(
        Condition(node, What(what), Severity(severity), since_ns, numbers)
        for node, what, severity, since_ns, numbers in rows
    )


_OWN = frozenset({"did", "number", "time_ns"})


def payload_of(event: Event) -> bytes:
    table = {**event.table, "did": event.did, "number": event.number, "time_ns": event.time_ns}
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS)


def event_of(payload: bytes) -> Event | None:
    """None where it is no event that any version wrote."""
    try:
        table: dict[str, Any] = orjson.loads(payload)
        own = str(table["did"]), int(table["number"]), int(table["time_ns"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return Event(*own, {name: value for name, value in table.items() if name not in _OWN})


STATE_KEY = "alerts"
SAVE_EVERY_S = 3600.0
COMMIT_WITHIN_S = 5.0  # then what happened is acted on all the same: a full disk must be reported
_Known = tuple[EntryId, Book, dict[str, int]]


class KeptBook:
    """Safe to use from several threads once `begin` has returned."""

    def __init__(
        self, journal: Journal, state: StateFile, entry: Callable[[Kind, str, bytes], Entry]
    ) -> None:
        """`entry` makes one of now: kind, source, payload."""
        self._journal, self._state, self._entry = journal, state, entry
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._book = Book()
        self._well_ns: dict[str, int] = {}  # by receiver, the last "all is well"
        self._known: _Known | None = None  # up to a place that is committed
        self._uncommitted = 0
        self._changed = False  # since it was saved
        self._saved_s = time.monotonic()
        self.since_ns = 0  # when anything was kept first [UTC ns]
        self.numbers: Mapping[int, Numbers] = {}  # of the last pass, by incident; see `shown`

    @property
    def book(self) -> Book:
        return self._book

    @property
    def shown(self) -> Book:
        """The book with the numbers of the last pass: what people read of it is of now."""
        book, numbers = self._book, self.numbers
        incidents = {
            number: replace(one, numbers=numbers.get(number) or one.numbers)
            if not one.closed
            else one
            for number, one in book.incidents.items()
        }
        return replace(book, incidents=incidents)

    @property
    def ready(self) -> bool:
        """Whether the past is known."""
        return self._ready.is_set()

    def well_ns(self, receiver: str) -> int:
        """When that receiver was sent the last "all is well" [UTC ns]; 0: never."""
        return self._well_ns.get(receiver, 0)

    def begin(self, now_ns: int) -> Mapping[str, Any]:
        """Know what happened in earlier lives; what was saved with the book."""
        table = self._state.get(STATE_KEY) or {}
        saved = self._saved_in(table)
        start, self._book, self._well_ns = saved or (None, Book(), {})
        self.since_ns = int(table.get("since_ns", now_ns))
        end = self._journal.last
        for place, entry in self._journal.scan(
            kinds={Kind.ALERT}, start=start, on_damage=lambda _: None
        ):
            if end is None or place > end:
                break
            if (event := event_of(entry.payload)) is not None:
                self._follow(event)
        if end is not None:
            self._known = end, self._book, dict(self._well_ns)
        self._changed = True  # so that nobody reads all this a second time
        self._ready.set()
        extra: Mapping[str, Any] = table.get("extra", {}) if start is not None else {}
        return extra

    def change(self, make: Callable[[Book], Iterable[Event]], wait: bool = False) -> list[Event]:
        """Journal what `make` says of the book and follow it; `wait` until it is committed."""
        done = threading.Event()
        with self._lock:
            events = list(make(self._book))
            if not events:
                return events
            for event in events:
                self._follow(event)
            entries = [self._entry(Kind.ALERT, "", payload_of(event)) for event in events]
            known = self._book, dict(self._well_ns)
            self._uncommitted += 1
            self._changed = True
            self._journal.append(entries, partial(self._on_commit, known, done))
        if wait:
            done.wait(COMMIT_WITHIN_S)
        return events

    def save(self, extra: Mapping[str, Any], at_once: bool = False) -> None:
        """Keep the book, its place and `extra` for a restart: after an event, else once an hour."""
        due = self._changed or time.monotonic() - self._saved_s > SAVE_EVERY_S
        with self._lock:
            if not self._uncommitted:
                last = self._journal.last or START
                self._known = last, self._book, dict(self._well_ns)
            known, self._changed = self._known, False
        if known is None or not (due or at_once):
            return
        place, book, well = known
        table = {
            "place": place.number,
            "crc": crc_at(self._journal, place),
            "book": book.to_json(),
            "well": well,
            "since_ns": self.since_ns,
            "extra": extra,
        }
        self._state.put(STATE_KEY, table)
        self._saved_s = time.monotonic()

    def _follow(self, event: Event) -> None:
        self._book = replayed(self._book, event)
        if event.did == "sent" and event.table.get("occasion") == Occasion.WELL:
            receiver = str(event.table.get("receiver", ""))
            self._well_ns[receiver] = event.time_ns

    def _on_commit(
        self, known: tuple[Book, dict[str, int]], done: threading.Event, places: list[EntryId]
    ) -> None:
        """In the writer's thread, in the order of the commits."""
        self._known = places[-1], *known
        self._uncommitted -= 1
        done.set()

    def _saved_in(self, table: Mapping[str, Any]) -> _Known | None:
        """The book as it was saved, up to its place in this journal; None where there is none."""
        try:
            place = EntryId.of(int(table["place"]))
            crc = crc_at(self._journal, place)
            lost = crc == GONE and place < (self._journal.last or START)
            if crc != table["crc"] and not lost:
                return None
            well = {str(name): int(ns) for name, ns in table["well"].items()}
            return place, Book.from_json(table["book"]), well
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
