"""The book of incidents as the journal keeps it: what is in force is what its events say.

A copy with its place in the journal stands in the state file, so that a start reads only the
entries behind it. Where that copy is lost, or of another journal, all entries are read.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from edaphon.alerts.entries import event_of, payload_of
from edaphon.alerts.incidents import Book, Numbers, replayed
from edaphon.alerts.message import Occasion
from edaphon.alerts.model import Event
from edaphon.derive.fact_log import GONE, START, crc_at
from edaphon.journal import Entry, Journal, Kind, StateFile
from edaphon.model import EntryId

__all__ = ["STATE_KEY", "KeptBook"]

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
