"""Which events a look at the station adds to the book: incidents open, grow, turn and close."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from edaphon.alerts.book import Book, acknowledged, part_json, replayed
from edaphon.alerts.causes import DATA, SEVERITIES, STORAGE, Cause, causes, group
from edaphon.alerts.look import (
    Look,
    LookResult,
    PauseNow,
    Situation,
    SourceState,
    above,
    gone,
    unheard,
)
from edaphon.alerts.model import Condition, Event, Incident, Occasion
from edaphon.clock import DAY_NS, HOUR_NS, MINUTE_NS
from edaphon.journal import Entry, Journal, Kind, StateFile
from edaphon.journal.fact_log import GONE, START, crc_at
from edaphon.model import EntryId

WAIT_MOST_NS = 10 * MINUTE_NS  # before the first message: its parent may fail a moment later
TURNS = 4  # more comings and goings in a day: it flaps, and stays open
FLAPPING_NS = QUIET_NS = DAY_NS
SPEAKS_INTERVALS = 2
VISIT_NEWS_NS = 2 * HOUR_NS  # of a visit that was entered long after it nobody is to know
RETURN_INTERVALS, RETURN_MOST_NS = 3, 6 * HOUR_NS  # until what is still ill gets its own incident
BY_PAUSE = frozenset({"a visit", "a pause", "a removal"})  # who acknowledged

Key = tuple[str, str]
Numbers = Mapping[str, str | int | float]


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
        parts = [part_json(one) for one in cause.parts]
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
        left = [part_json(part) for cause in ill for part in cause.parts]
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
                "parts": [part_json(one) for one in cause.parts],
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


def _what(cause: Cause) -> dict[str, Any]:
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
        """Journal what `make` says of the book as it is, and follow it.

        `wait`: until that is committed, or it takes too long.
        """
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
        """Keep the book with its place, and what else a restart should know.

        After an event, else once an hour: so much of the journal is read at a start.
        """
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
