"""The thread that looks at the station twice a minute, and what hangs on it.

look -> conditions -> events, journalled -> senders woken -> sign of life
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from edaphon.alerts.book import Book, KeptBook, acknowledged
from edaphon.alerts.due import Due, ReceiverRules, due, refused, sent
from edaphon.alerts.heartbeat import Beat, Pulse
from edaphon.alerts.incidents import numbers_now, step
from edaphon.alerts.look import LookResult, Situation
from edaphon.alerts.model import Event, Message, Node, NodeKind, Receiver, SendLater, SendRefused
from edaphon.alerts.rules import conditions
from edaphon.journal.journal import JournalClosed

BACK_OFF_S = 60.0, 3600.0  # after a message that did not go out: first wait, longest
HANGS_AFTER_S = 300.0  # a receiver answers within 30 s as a whole


@dataclass(frozen=True, slots=True)
class Post:
    """A receiver: what it wants, how it is opened, and how what is due to it is written."""

    rules: ReceiverRules
    open: Callable[[], Receiver]
    write: Callable[[Due, Book], Message]
    well: Callable[[int], Message | None] = lambda _: None  # at that time, where it is due


class Sender:
    """`run` is the life of its thread; the rest may be called from any."""

    def __init__(
        self,
        post: Post,
        kept: KeptBook,
        now_ns: Callable[[], int],
        back_off_s: tuple[float, float] = BACK_OFF_S,
    ) -> None:
        self.name = post.rules.name
        self.refuses = ""  # the words of a server that takes no message
        self.delayed = ""  # why the last one did not go out
        self._post, self._kept, self._now_ns = post, kept, now_ns
        self._back_off_s = back_off_s
        self._since_ns = 0  # when it was configured first
        self._wait_s = 0.0
        self._again_s = 0.0  # monotonic; nothing is sent before
        self._receiver: Receiver | None = None
        self._sending_since_s: float | None = None
        self._wake = threading.Event()
        self._lock = threading.Lock()  # one message at a time goes out

    @property
    def rules(self) -> ReceiverRules:
        return replace(self._post.rules, since_ns=self._since_ns)

    def save(self) -> dict[str, Any]:
        """What a restart should know."""
        return {"since_ns": self._since_ns, "refuses": self.refuses}

    def restore(self, table: Mapping[str, Any]) -> None:
        self._since_ns, self.refuses = int(table["since_ns"]), str(table["refuses"])

    @property
    def hangs(self) -> bool:
        """Whether it is in one message for longer than any may take."""
        since_s = self._sending_since_s
        return since_s is not None and time.monotonic() - since_s > HANGS_AFTER_S

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._wake.wait()
            self._wake.clear()
            if not stop.is_set() and self._kept.ready and time.monotonic() >= self._again_s:
                self.send_due(stop)
        if self._receiver is not None:
            self._receiver.close()

    def send_due(self, stop: threading.Event) -> None:
        """All that is due now, until one does not go out."""
        while not stop.is_set():
            found = due(self._kept.book, [self.rules], self._now_ns())
            if not found:
                break
            if not self._send_one(found[0]):
                return
        if (message := self._post.well(self._now_ns())) is not None:
            well = Due(self.name, (), (), message.occasion)
            self._sent(well, message)

    def _send_one(self, message: Due) -> bool:
        return self._sent(message, self._post.write(message, self._kept.shown))

    def _sent(self, message: Due, text: Message) -> bool:
        """Whether the next one may follow."""
        try:
            self.send(text)
        except SendLater as later:
            self._hold(later)
            return False
        except SendRefused as no:
            why = str(no)
            return self._keep(lambda: refused(message, self._now_ns(), why))
        return self._keep(lambda: sent(message, self._now_ns()))

    def send(self, message: Message) -> None:
        """Send it now; raises Later and Refused."""
        with self._lock:
            self._sending_since_s = time.monotonic()
            try:
                if self._receiver is None:
                    self._receiver = self._post.open()
                self._receiver.send(message)
            except SendRefused as no:
                if not self.refuses:
                    _log.warning("alerts to %s: refused: %s", self.name, no)
                self.refuses = str(no) or "no reason given"
                raise
            except SendLater:
                raise
            except Exception as error:  # whatever a receiver does, the others go on
                raise SendLater(f"{type(error).__name__}: {error}") from error
            finally:
                self._sending_since_s = None
            if self.refuses or self.delayed:
                _log.warning("alerts to %s go out again", self.name)
            self.refuses = self.delayed = ""
            self._wait_s = self._again_s = 0.0

    def _hold(self, later: SendLater) -> None:
        if not self.delayed:
            _log.warning("alerts to %s wait: %s", self.name, later.why)
        self.delayed = later.why
        first_s, most_s = self._back_off_s
        self._wait_s = min(most_s, 2 * self._wait_s) if self._wait_s else first_s
        wait_s = min(most_s, max(self._wait_s, later.retry_after_s or 0.0))
        self._again_s = time.monotonic() + wait_s

    def _keep(self, event: Callable[[], Event]) -> bool:
        try:
            self._kept.change(lambda _: [event()], wait=True)
        except JournalClosed:
            return False
        return True


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
        self._found = LookResult()
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
        self.wake_senders()
        for pulse in self._pulses:
            pulse.wake()

    def wake_senders(self) -> None:
        """Send what is due by now: repeated messages, the weekly report, what waited."""
        for sender in self.senders.values():
            sender.wake()

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
        self._found = LookResult.of(self.kept.book.parts)
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
        self.wake_senders()
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
