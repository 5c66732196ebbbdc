"""One thread for each receiver: what is due to it is sent, and the journal keeps that it was.

A receiver that hangs or refuses keeps no other one waiting. A kill between the server's answer and
the commit of the event sends that message once more; nothing else does.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edaphon.alerts.due import Due, ReceiverRules, due, refused, sent
from edaphon.alerts.incidents import Book
from edaphon.alerts.kept import KeptBook
from edaphon.alerts.message import Later, Message, Receiver, Refused
from edaphon.alerts.model import Event
from edaphon.journal.writer import JournalClosed

__all__ = ["Post", "Sender"]

_log = logging.getLogger("edaphon")

BACK_OFF_S = 60.0, 3600.0  # after a message that did not go out: first wait, longest
LOOK_EVERY_S = 30.0
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
            self._wake.wait(LOOK_EVERY_S)
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
        except Later as later:
            self._hold(later)
            return False
        except Refused as no:
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
            except Refused as no:
                if not self.refuses:
                    _log.warning("alerts to %s: refused: %s", self.name, no)
                self.refuses = str(no) or "no reason given"
                raise
            except Later:
                raise
            except Exception as error:  # whatever a receiver does, the others go on
                raise Later(f"{type(error).__name__}: {error}") from error
            finally:
                self._sending_since_s = None
            if self.refuses or self.delayed:
                _log.warning("alerts to %s go out again", self.name)
            self.refuses = self.delayed = ""
            self._wait_s = self._again_s = 0.0

    def _hold(self, later: Later) -> None:
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
