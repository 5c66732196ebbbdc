"""The thread that looks at the station twice a minute, and what hangs on it.

look -> conditions -> events, journalled -> senders woken -> sign of life
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from edaphon.alerts.due import due
from edaphon.alerts.heartbeat import Beat, Pulse
from edaphon.alerts.incidents import Book, acknowledged, numbers_now, step
from edaphon.alerts.kept import KeptBook
from edaphon.alerts.model import Event, Node, NodeKind
from edaphon.alerts.rules import Found, conditions
from edaphon.alerts.sending import Sender
from edaphon.alerts.situation import Situation
from edaphon.journal.writer import JournalClosed

__all__ = ["EVERY_S", "Notifier", "Station", "UnknownIncident"]

_log = logging.getLogger("edaphon")
EVERY_S = 30.0


class UnknownIncident(LookupError):
    """No open incident has that number."""


class Station(Protocol):
    """What is watched; `save` and `restore` carry over a restart what only it knows."""

    def look(self) -> Situation: ...

    def save(self) -> dict[str, Any]: ...

    def restore(self, table: Mapping[str, Any]) -> None: ...


class Notifier:
    """`run` is the life of its thread; `start_sending` begins those of senders and heartbeats."""

    def __init__(
        self,
        station: Station,
        kept: KeptBook,
        senders: Sequence[Sender],
        pulses: Sequence[Pulse],
        beat_every_s: float,
        site: str = "",
        every_s: float = EVERY_S,
    ) -> None:
        self.kept, self.senders = kept, {sender.name: sender for sender in senders}
        self.situation: Situation | None = None  # of the last pass
        self.passes = 0
        self._station, self._pulses = station, tuple(pulses)
        self._beat_every_s, self._every_s, self._site = beat_every_s, every_s, site
        self._beat_s = float("-inf")
        self._found = Found()
        self._ready = False
        self._wake = threading.Event()

    def start_sending(self, run: Callable[[str, Callable[[], None]], None], stop: Any) -> None:
        """`run` starts a named, supervised thread; what nobody configured has none."""
        for name, sender in self.senders.items():
            run(f"alerts to {name}", partial(sender.run, stop))
        for pulse in self._pulses:
            run(pulse.name, partial(pulse.run, stop))

    def wake(self) -> None:
        """Look at once; at a stop: end."""
        self._wake.set()
        for sender in self.senders.values():
            sender.wake()
        for pulse in self._pulses:
            pulse.wake()

    def run(self, stop: threading.Event) -> None:
        if not self._ready:
            self._begin()
        try:
            while not stop.is_set():
                self.look()
                self._wake.wait(self._every_s)
                self._wake.clear()
        except JournalClosed:
            if not stop.is_set():
                raise

    def _begin(self) -> None:
        situation = self._station.look()  # facts and clock first: nothing is judged yet
        extra = self.kept.begin(situation.now_ns)
        self._station.restore(extra.get("station", {}))
        known = extra.get("receivers")
        for name, sender in self.senders.items():
            # Where what was saved is lost, nobody is taken for new: what was sent, the book knows.
            new = {"since_ns": situation.now_ns if known is not None else 0, "refuses": ""}
            sender.restore((known or {}).get(name, new))
        self._found = Found.of(self.kept.book.parts)
        self._ready = True

    def look(self) -> None:
        """One full pass."""
        situation = replace(self._station.look(), receivers_refuse=self._refuse())
        self._found = conditions(situation, self._found)
        self.situation = situation
        events = self.kept.change(lambda book: step(book, situation, self._found), True)
        self.kept.numbers = numbers_now(self.kept.book, situation, self._found)
        for event in events:
            _log.info("%s", f"incident {event.number} {event.did}" if event.number else event.did)
        self.save()
        for sender in self.senders.values():
            sender.wake()
        self.passes += 1
        self._beat(situation)

    def save(self, at_once: bool = False) -> None:
        if self._ready:
            receivers = {name: sender.save() for name, sender in self.senders.items()}
            self.kept.save({"station": self._station.save(), "receivers": receivers}, at_once)

    def _refuse(self) -> dict[str, str]:
        return {name: one.refuses for name, one in self.senders.items() if one.refuses}

    # -- what people ask ---------------------------------------------------------------------

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The tree of the last pass."""
        return self.situation.nodes if self.situation is not None else {}

    @property
    def book(self) -> Book:
        return self.kept.book

    def undelivered(self, now_ns: int) -> int:
        """How many messages are due and did not go out yet."""
        rules = [sender.rules for sender in self.senders.values()]
        return len(due(self.kept.book, rules, now_ns))

    def acknowledge(
        self, number: int, now_ns: int, until_ns: int, by: str, why: str, account: str = ""
    ) -> None:
        """Raises UnknownIncident."""

        def make(book: Book) -> list[Event]:
            if all(one.number != number for one in book.open):
                raise UnknownIncident(number)
            return [acknowledged(number, now_ns, until_ns, by, why, account)]

        self.kept.change(make, wait=True)
        self.save()

    # -- signs of life -----------------------------------------------------------------------

    def _beat(self, situation: Situation) -> None:
        """Not where a receiver hangs: then people learn no more what happens."""
        hanging = [name for name, sender in self.senders.items() if sender.hangs]
        due_now = time.monotonic() - self._beat_s >= self._beat_every_s
        if not self._pulses or not due_now or hanging:
            return
        self._beat_s = time.monotonic()
        beat = self.beat(situation)
        for pulse in self._pulses:
            pulse.offer(beat)

    def beat(self, situation: Situation) -> Beat:
        names = {node.id: node.name for node in situation.nodes.values()}
        logger = [n for n in situation.nodes.values() if n.kind is NodeKind.LOGGER]
        return Beat(
            time_ns=situation.now_ns,
            logger=logger[0].name if logger else "",
            site=self._site,
            ages_s={
                names.get(one.node, one.node): None
                if one.last_ns is None
                else round(one.age_ns / 1e9, 1)
                for one in situation.sources
            },
            open_incidents=len(self.kept.book.open),
            undelivered=self.undelivered(situation.now_ns),
        )
