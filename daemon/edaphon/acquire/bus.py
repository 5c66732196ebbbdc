"""The one owner of a line: holds many talks on it, mixes none, and opens a lost port again.

A talk keeps the line from what it asks until it ends or pauses without holding the bus; then the
others may talk. Bytes that nobody asked for are thrown away before the next question and counted.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol, cast

from edaphon.clock import Clock
from edaphon.config.sources import Bus
from edaphon_drivers.faults import Fault, Garbled, LinkDown, LinkMissing, NoAnswer
from edaphon_drivers.links import SerialOptions
from edaphon_drivers.readings import Turn
from edaphon_drivers.registry import LINKS, UnknownPart
from edaphon_drivers.talk import Ask, Pause, Until

_log = logging.getLogger(__name__)
_SLICE_S = 0.5  # the longest time without a sign of life
_MOST_BYTES = 65536  # of one answer; what goes on talking is not an answer
_REOPEN_AFTER_S = (1.0, 3.0)  # a port that is back is noticed within 5 s


class AlreadyTalking(Exception):
    """That address is in the middle of a talk, or the bus has stopped."""


class BusBusy(Fault):
    """The talk did not get the line before its deadline."""

    cause = "bus busy"


class ServiceOff(Fault):
    """The service stopped in the middle of the talk."""

    cause: ClassVar[str] = "service off"


class Link(Protocol):
    """What a bus needs of a wire; every method raises LinkDown."""

    def write(self, data: bytes) -> None: ...

    def read(self, wait_s: float) -> bytes:
        """What has come, as soon as anything has; b"" when nothing came in `wait_s` [s]."""
        ...

    def close(self) -> None: ...


class Finished(NamedTuple):
    """A talk that ended: all bytes of it, failed tries included; times in ms since its start.

    `fault` is None when the talk ended well.
    """

    address: str
    turns: tuple[Turn, ...]
    fault: Fault | None


@dataclass(slots=True, eq=False)
class _Conversation:
    """A talk on its way; `due_s` and `deadline_s` are time.monotonic() [s]."""

    address: str
    talk: Generator[Ask | Pause, bytes, object]
    deadline_s: float
    on_end: Callable[[Finished], None]
    started_ns: int
    due_s: float
    answer: bytes | None = None  # None: not begun
    turns: list[Turn] = field(default_factory=list)


class BusOwner:
    """Owns what `open_link` opens, on a thread of its own.

    `quiet_s` [s] is how long the line must be silent before a question, so that the rest of a late
    or doubled answer is not taken for the next one. `stray_bytes` counts what was thrown away,
    `alive_ns` is the monotonic time of the last sign of life of the owner's thread.
    """

    def __init__(
        self,
        name: str,
        open_link: Callable[[], Link],
        clock: Clock,
        quiet_s: float = 0.02,
        reopen_after_s: tuple[float, float] = _REOPEN_AFTER_S,
    ) -> None:
        self.name = name
        self.stray_bytes = self.failures = 0
        self.alive_ns = clock.mono_ns()
        self._open_link, self._clock, self._quiet_s = open_link, clock, quiet_s
        self._reopen_after_s = reopen_after_s
        self._reopen_wait_s, self._reopen_at_s = reopen_after_s[0], 0.0
        self._link: Link | None = None
        self._lost: LinkDown | None = None
        self._news = threading.Condition()
        self._new: deque[_Conversation] = deque()
        self._addresses: set[str] = set()
        self._waiting: list[_Conversation] = []
        self._finished: deque[tuple[_Conversation, Finished]] = deque()
        self._talking: _Conversation | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._own, name=f"bus {name}", daemon=True)

    @property
    def up(self) -> bool:
        """Whether the link is open."""
        return self._link is not None

    @property
    def lost(self) -> str:
        """Why the port can't be used; "" while it can, or before it was tried."""
        return str(self._lost) if self._lost is not None else ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends running talks with ServiceOff and gives the port back."""
        with self._news:
            self._stopping = True
            self._news.notify()
        if self._thread.ident:
            self._thread.join()

    def is_talking(self, address: str) -> bool:
        """Whether a talk with that address has begun; for talks on this bus's own thread."""
        return any(c.address == address and c.answer is not None for c in self._waiting)

    def submit(
        self,
        address: str,
        talk: Generator[Ask | Pause, bytes, object],
        deadline_s: float,
        on_end: Callable[[Finished], None],
    ) -> None:
        """Holds the talk, for at most `deadline_s` [s] from now; `on_end` runs on the bus's thread.

        Raises AlreadyTalking when a talk with that address has not ended yet.
        """
        with self._news:
            if self._stopping or address in self._addresses:
                state = "stopped" if self._stopping else f"still talking with {address}"
                raise AlreadyTalking(f"bus {self.name} is {state}")
            self._addresses.add(address)
            now_s, now_ns = time.monotonic(), self._clock.mono_ns()
            new = _Conversation(address, talk, now_s + deadline_s, on_end, now_ns, due_s=now_s)
            self._new.append(new)
            self._news.notify()

    def _own(self) -> None:
        while not self._stopping or self._new or self._waiting or self._finished:
            try:
                self._round()
            except LinkDown as fault:
                self._lose(fault)
            except Exception as error:  # the bus goes on whatever a talk or a listener does
                self.failures += 1
                _log.exception("bus %s: a talk or its listener broke; going on", self.name)
                self._give_up(repr(error))
        if self._link:
            self._link.close()

    def _round(self) -> None:
        self.alive_ns = self._clock.mono_ns()
        self._deliver()
        with self._news:
            self._waiting += self._new
            self._new.clear()
        if self._stopping:
            self._end_all(self._stopped())
        elif self._link is None:
            self._reopen()
        else:
            self._go_on(self._link)

    def _go_on(self, link: Link) -> None:
        """Holds the talk that has been due longest, or waits for one."""
        now_s = time.monotonic()
        for overdue in [c for c in self._waiting if c.deadline_s <= now_s]:
            self._end(overdue, self._too_late(overdue))
        due = min(self._waiting, key=lambda c: c.due_s, default=None)
        wait_s = due.due_s - time.monotonic() if due else _SLICE_S
        if due and wait_s <= 0:
            self._hold(link, due)
        else:
            self._idle(link, min(wait_s, _SLICE_S))

    def _give_up(self, error: str) -> None:
        """Ends the talk that broke, or takes a link that can't even be opened for lost."""
        talking, self._talking = self._talking, None
        if talking:
            self._end(talking, Garbled("a talk without a mistake of its own", error, self.name))
        elif self._link is None:
            self._lose(LinkDown("a port that opens", error, self.name))

    def _idle(self, link: Link, wait_s: float) -> None:
        """Sleeps until something is due or new; looks at the port first, so a lost one shows."""
        self.stray_bytes += len(link.read(0))
        self._sleep(wait_s)

    def _sleep(self, wait_s: float) -> None:
        with self._news:
            if not self._new and not self._stopping:
                self._news.wait(max(0.0, wait_s))

    def _hold(self, link: Link, conversation: _Conversation) -> None:
        """Goes on with one talk until it ends or gives the line away."""
        self._talking = conversation
        try:
            while self._step(link, conversation):
                pass
        except StopIteration:
            self._end(conversation, None)
        except LinkDown:
            raise
        except Fault as fault:
            self._end(conversation, fault)
        self._talking = None

    def _step(self, link: Link, conversation: _Conversation) -> bool:
        """One question or pause; False when the line is free now."""
        talk, answer = conversation.talk, conversation.answer
        step = next(talk) if answer is None else talk.send(answer)
        if isinstance(step, Pause) and not step.hold_bus:
            conversation.answer = b""
            conversation.due_s = time.monotonic() + step.wait_s
            return False
        if isinstance(step, Ask):
            self._quieten(link, conversation, step.silence_s)
            self._note(conversation, True, step.send)
            link.write(step.send)
        conversation.answer = self._hear(link, conversation, step.until, step.wait_s)
        return True

    def _hear(self, link: Link, conversation: _Conversation, until: Until, wait_s: float) -> bytes:
        """What comes in `wait_s` [s], no longer than to `until`; raises at the deadline."""
        data, end_s = b"", time.monotonic() + wait_s
        while (left_s := end_s - time.monotonic()) > 0 and len(data) < _MOST_BYTES:
            self.alive_ns = self._clock.mono_ns()
            overdue_s = conversation.deadline_s - time.monotonic()
            if overdue_s <= 0 or self._stopping:
                self._note(conversation, False, data)
                raise self._too_late(conversation)
            data += link.read(min(left_s, overdue_s, _SLICE_S))
            if is_ended(data, until):
                break
        self._note(conversation, False, data)
        return data

    def _quieten(self, link: Link, conversation: _Conversation, silence_s: float) -> None:
        """Throws away what comes until the line is silent, or the talk too late."""
        while stray := link.read(max(self._quiet_s, silence_s)):
            self.stray_bytes += len(stray)
            self.alive_ns = self._clock.mono_ns()
            if time.monotonic() > conversation.deadline_s or self._stopping:
                raise self._too_late(conversation)

    def _too_late(self, conversation: _Conversation) -> Fault:
        if self._stopping:
            return self._stopped()
        where = f"{self.name}/{conversation.address}"
        came = b"".join(turn.data for turn in conversation.turns if not turn.sent)
        if not conversation.turns:
            return BusBusy("the line to be free before the deadline; ask less often", where=where)
        if came:
            return Garbled("the end of the talk before its deadline", came, where)
        return NoAnswer("the end of the talk before its deadline", where=where)

    def _stopped(self) -> ServiceOff:
        return ServiceOff("the talk to go on; the service stops", where=self.name)

    def _note(self, conversation: _Conversation, sent: bool, data: bytes) -> None:
        if data:
            ms = (self._clock.mono_ns() - conversation.started_ns) // 1_000_000
            conversation.turns.append(Turn(ms, sent, data))

    def _end(self, conversation: _Conversation, fault: Fault | None) -> None:
        self._waiting.remove(conversation)
        turns = tuple(conversation.turns)
        self._finished.append((conversation, Finished(conversation.address, turns, fault)))

    def _deliver(self) -> None:
        """Calls the listeners; the address may talk again from within."""
        while self._finished:
            conversation, finished = self._finished.popleft()
            with self._news:
                self._addresses.discard(conversation.address)
            conversation.talk.close()
            conversation.on_end(finished)

    def _end_all(self, fault: Fault) -> None:
        for conversation in tuple(self._waiting):
            self._end(conversation, fault)

    def _lose(self, fault: LinkDown) -> None:
        """Reports it once; the talks end, and the link is tried again after ever longer times."""
        if self._link:
            self._link.close()
            self._link = self._talking = None
            self._reopen_wait_s = self._reopen_after_s[0]
        if self._lost is None:
            _log.warning("bus %s is lost: %s", self.name, fault)
        self._lost = fault
        self._reopen_at_s = time.monotonic() + self._reopen_wait_s
        self._reopen_wait_s = min(2 * self._reopen_wait_s, self._reopen_after_s[1])
        self._end_all(fault)

    def _reopen(self) -> None:
        wait_s = self._reopen_at_s - time.monotonic()
        if wait_s > 0:
            if self._lost:
                self._end_all(self._lost)
            self._sleep(min(wait_s, _SLICE_S))
            return
        self._link = self._open_link()
        if self._lost:
            _log.warning("bus %s is back", self.name)
        self._lost = None
        self._reopen_wait_s = self._reopen_after_s[0]


def is_ended(data: bytes, until: Until) -> bool:
    """Whether what came is a whole answer."""
    return until(data) if callable(until) else bool(until) and data.endswith(until)


def link_opener(bus: Bus) -> Callable[[], Link]:
    """What opens the line of that table; the call raises LinkDown."""
    bits, parity, stops = bus.format[0], bus.format[1], bus.format[2:]
    options = SerialOptions(bus.baud, int(bits), parity, float(stops), bus.rts, bus.dtr)

    def open_link() -> Link:
        try:
            return cast(Link, LINKS.load(bus.kind)(bus.port, options))
        except UnknownPart as error:  # the package of the link is missing: the line is down
            raise LinkMissing("a link of an installed package", str(error), bus.port) from error

    return open_link


class LineRefuses(ValueError):
    """Why a line, or what hangs on it, can't be asked so; the text says what to do instead."""
