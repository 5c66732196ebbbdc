"""The worker that brings every observation to one sink, through any state of its server.

Delivery asks its feed for a batch, brings the batch to the sink, keeps what the server refuses as
set aside, and only then calls `delivered`. So a batch may be brought twice and is never skipped.
Between two batches it offers points that were set aside again.
"""

import random
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edaphon.clock import SECOND_NS, Clock
from edaphon.journal import SetAside, StateFile
from edaphon.model import Channel, Int, Observations
from edaphon.sinks.feed import SeriesFeed
from edaphon.sinks.refusals import AllRefused, RefusedPoint, Rewrites, differing, sifted, unexpected
from edaphon.sinks.sink import Later, Never, PointWithdrawal, Sink

IDLE_S = 1.0
STOP_S = 8.0
BACK_OFF_S = (1.0, 300.0)
BLOCKED_S = (30.0, 60.0)  # a person may mend it at any minute
QUICK_S, LONG_S = 5.0, 15.0  # a batch that takes longer makes the next one smaller
SMALLEST = 50  # observations
AGAIN_S = (20.0, 600.0)  # after a point was set aside
DAY_S = 86_400.0
REQUESTS = 500  # in one round that nobody asked for: each point still refused costs about two
_CHANGING = re.compile(r"\d+|'[^']*'|\"[^\"]*\"")

Key = tuple[str, int]  # channel, time [UTC ns]


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Whether a sink takes observations; `blocked`: it comes back only after a person acted."""

    sink: str
    up: bool
    why: str
    blocked: bool
    since_ns: int  # wall time


@dataclass(slots=True)
class DeliveryCounts:
    """What a delivery has done since it was started."""

    delivered: int = 0  # observations taken by the sink
    withdrawn: int = 0
    set_aside: int = 0
    tries: int = 0  # batches begun, failed ones included
    failures: int = 0  # failed tries since the last good one
    last_error: str = ""


class Piece(NamedTuple):
    """Points of one request; `tries` counts how often they were offered since set aside."""

    keys: list[Key]
    tries: int


class Offers:
    """One sink's offers; called by its worker's thread, but for `all_now`."""

    def __init__(self, sink: str, points: StateFile, clock: Clock, limit: int) -> None:
        self._sink, self._points, self._clock, self._limit = sink, points, clock, limit
        self._note = f"sink {sink} offered"
        self._pieces: deque[Piece] = deque()
        self._fresh: deque[tuple[int, Piece]] = deque()  # due [mono ns]
        self._requests = 0  # left in this round
        self._asked = False
        self._given_up = 0
        self._server = ""
        self._kinds: set[str] = set()
        self._due_ns = 0

    def begin(self) -> None:
        """The start of the service: what was offered in an earlier life does not count."""
        self._server = str(self._points.get(self._note) or "")
        self._kinds = {_kind(point.words) for point in self._points.set_aside(self._sink)}
        self._due_ns = self._clock.mono_ns() + int(AGAIN_S[0] * SECOND_NS)

    def all_now(self) -> None:
        """Offer every point at once, however many requests that takes; from any thread."""
        self._asked = True

    def soon(self) -> None:
        self._due_ns = min(self._due_ns, self._clock.mono_ns() + int(AGAIN_S[0] * SECOND_NS))

    def server(self, version: str) -> None:
        """The version of the server that has just answered."""
        if version and version != self._server:
            if self._server:
                self.soon()
            self._server = version
            self._points.put(self._note, version)

    def set_aside(self, keys: list[Key], words: Iterable[str], tries: int = 0) -> None:
        """Points that were refused just now."""
        kinds = {_kind(each) for each in words}
        if self._kinds and not kinds <= self._kinds:
            self.soon()
        self._kinds |= kinds
        if keys and tries < len(AGAIN_S):
            due_ns = self._clock.mono_ns() + int(AGAIN_S[tries] * SECOND_NS)
            self._fresh.append((due_ns, Piece(keys, tries + 1)))

    def next(self) -> Piece | None:
        """What to offer in one request now; None: nothing is due."""
        now_ns = self._clock.mono_ns()
        if self._asked or now_ns >= self._due_ns:
            self._begin(now_ns)
        while self._fresh and self._fresh[0][0] <= now_ns:
            self._pieces.append(self._fresh.popleft()[1])
            self._requests = max(self._requests, REQUESTS)
        if not self._pieces or self._requests <= 0:
            self._pieces.clear()
            return None
        self._requests -= 1
        return self._pieces.popleft()

    def halve(self, piece: Piece) -> None:
        """It was refused as a whole: offer its halves next."""
        middle = len(piece.keys) // 2
        halves = piece.keys[:middle], piece.keys[middle:]
        self._pieces.extendleft(Piece(half, piece.tries) for half in reversed(halves) if half)

    def give_up(self) -> None:
        """No answer to it, or one that means later: what remains is offered another time."""
        self._pieces.clear()
        self._given_up += 1
        wait_s = min(AGAIN_S[0] * 2.0 ** min(self._given_up, 20), DAY_S)
        self._due_ns = min(self._due_ns, self._clock.mono_ns() + int(wait_s * SECOND_NS))

    def taken(self) -> None:
        self._given_up = 0

    def _begin(self, now_ns: int) -> None:
        """Those that were offered least, first: a round that ends early went on elsewhere."""
        self._requests = 1 << 31 if self._asked else REQUESTS
        self._asked = False
        self._due_ns = now_ns + int(DAY_S * SECOND_NS)
        points = sorted(self._points.set_aside(self._sink), key=lambda point: point.tries)
        keys = [(point.channel, point.time_ns) for point in points]
        cut = (keys[first : first + self._limit] for first in range(0, len(keys), self._limit))
        self._pieces = deque(Piece(part, len(AGAIN_S)) for part in cut)


def _kind(words: str) -> str:
    """A server's words without what differs from point to point."""
    return _CHANGING.sub("", words)[:80]


class _LeftBehind(Exception):
    """The service has gone on without this worker: touch nothing any more."""


class Delivery:
    """One sink's worker thread; it opens the sink itself, and anew after a person had to act.

    So a new token file is read without a restart. `on_state` is called from the worker's thread.
    """

    def __init__(
        self,
        name: str,
        open_sink: Callable[[], Sink],
        feed: SeriesFeed,
        aside_points: StateFile,
        clock: Clock,
        on_state: Callable[[DeliveryState], None] = lambda _: None,
        limit: int = 5000,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.counts = DeliveryCounts()
        self.state = DeliveryState(name, True, "", False, clock.wall_ns())
        self._open_sink = open_sink
        self._feed = feed
        self._aside_points = aside_points
        self._clock = clock
        self._on_state = on_state
        self._largest = self._limit = limit
        self._offers = Offers(name, aside_points, clock, limit)
        self._rewrites = Rewrites()
        self._withdrawn_from: dict[str, Channel] = {}
        self._rng = rng or random.Random()  # noqa: S311  spreads retries, guards nothing
        self._sink: Sink | None = None
        self._aside: set[Key] = set()
        self._all_refused = 0  # batches in a row of which nothing was taken
        self._stop = threading.Event()
        self._wake = threading.Event()
        self.wake = self._wake.set  # something new waits: look now, not within the second
        self._hurry = threading.Event()  # ends a rest early; set by `stop` too
        self._gate = threading.Lock()  # held while the feed or the set-aside points are touched
        self._left = False
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)

    def start(self) -> None:
        points = self._aside_points.set_aside(self.name)
        self._aside = {(point.channel, point.time_ns) for point in points}
        self._offers.begin()
        self._thread.start()

    def offer_all(self) -> int:
        """Offer all points that were set aside again, now: how many."""
        self._offers.all_now()
        self._hurry.set()
        self._wake.set()
        return len(self._aside)

    def stop(self, within_s: float = STOP_S) -> bool:
        """End the worker; False when it hung in a request and was left behind.

        A worker left behind never touches the feed or the set-aside points again.
        """
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(within_s)
        with self._gate:
            self._left = self._thread.is_alive()
        return not self._left

    @property
    def notices(self) -> Sequence[str]:
        """What the sink does not do exactly, in words for people."""
        found = list(self._sink.notices) if self._sink else []
        if n := self._rewrites.unproven:
            found.append(
                f"{n} rewrites may not stand in the server; compare with `edaphon verify --deep`,"
                f" then `edaphon sink resend {self.name}`"
            )
        return found

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._turn():
                    self._rest(IDLE_S, self._wake)
                    self._wake.clear()
            except _LeftBehind:
                return
            except Later as later:
                self._failed(later)
            except Exception as error:  # the one supervision of a sink: name it, count it, go on
                self._failed(Later(f"unexpected {type(error).__name__}: {error}"))
        self._close()

    def _turn(self) -> bool:
        """Bring one batch; False when nothing waits."""
        offered = self._offer()
        proved = self._prove()
        with self._mine():
            batch = self._feed.next_batch(self._limit)
        if batch is None:
            return offered or proved
        self.counts.tries += 1
        began_ns = self._clock.mono_ns()
        for withdrawal in batch.withdrawals:
            self._withdraw(withdrawal)
        for piece in batch.pieces(self._limit):
            self._bring(piece)
        with self._mine():
            self._feed.delivered(batch.upto)
        if batch.withdrawals or batch.observations:
            self._well()
            self._fit((self._clock.mono_ns() - began_ns) / 1e9)
        return True

    def _fit(self, took_s: float) -> None:
        """What came meanwhile must not wait for long, so a slow server is brought less at once."""
        if took_s > LONG_S:
            self._limit = max(self._limit // 2, min(SMALLEST, self._largest))
        elif took_s < QUICK_S:
            self._limit = min(self._limit * 2, self._largest)

    def _offer(self) -> bool:
        """Offer one piece of what was set aside again; False when none is due."""
        with self._mine():
            piece = self._offers.next()
            if piece is None:
                return False
            runs = self._feed.current(piece.keys)
        there = {(run.channel, t) for run in runs for t in run.time_ns.tolist()}
        self._clear(set(piece.keys) - there)
        if not runs:
            return True
        try:
            self._write(runs)
        except Never as never:
            self._refused_again(piece, runs, never)
        except Later:  # of these points, perhaps; the next batch shows if it is of all
            self._offers.give_up()
        else:
            self._clear(there)
            self.counts.delivered += len(there)
            self._offers.taken()
        return True

    def _refused_again(self, piece: Piece, runs: Sequence[Observations], never: Never) -> None:
        if len(piece.keys) > 1 and not never.every:
            self._offers.halve(piece)
            return
        words = never.words or never.why
        found = [
            SetAside(self.name, run.channel, time_ns, sequence, words)
            for run in runs
            for time_ns, sequence in zip(run.time_ns.tolist(), run.sequence.tolist(), strict=True)
        ]
        with self._mine():
            self._aside_points.add_set_aside(found)
        self._offers.set_aside(piece.keys, [words], piece.tries)

    def _prove(self) -> bool:
        """Read back what was written twice, and send again what does not stand."""
        if not self._rewrites.spans:
            return False
        now_s = self._clock.mono_ns() / 1e9
        span = self._rewrites.due(now_s)
        if span is None or (read := self._opened().read) is None:
            return False
        try:
            theirs = read(span.channel, span.first_ns, span.last_ns)
            with self._mine():
                runs = self._feed.between(span.channel, span.first_ns, span.last_ns)
            again = differing(runs, theirs)
            gone = np.array(unexpected(runs, theirs), np.int64)
            if again:
                self._write(again)
            if len(gone) and (channel := self._withdrawn_from.get(span.channel)):
                self._going_on().withdraw(PointWithdrawal(channel, gone, ()))
        except (Later, Never):  # another time: this holds nothing back
            self._rewrites.later(span, now_s)
            return False
        self._rewrites.checked(span, not (again or len(gone)), now_s)
        return True

    def _note_written(self, channel: str, times_ns: Int) -> None:
        if self._opened().read is not None:
            self._rewrites.wrote(channel, times_ns, self._clock.mono_ns() / 1e9)

    def _withdraw(self, withdrawal: PointWithdrawal) -> None:
        self._going_on().withdraw(withdrawal)
        channel, times_ns, _ = withdrawal
        self._withdrawn_from[channel.id] = channel
        self._note_written(channel.id, times_ns)
        self._clear({(channel.id, time_ns) for time_ns in times_ns.tolist()})
        self.counts.withdrawn += len(times_ns)

    def _bring(self, piece: Sequence[Observations]) -> None:
        refused = self._written(piece)
        for run in piece:
            self._note_written(run.channel, run.time_ns)
        kept = {(point.channel, point.time_ns) for point in refused}
        if refused:
            with self._mine():
                self._aside_points.add_set_aside(SetAside(self.name, *point) for point in refused)
        if self._aside:
            written = {(run.channel, t) for run in piece for t in run.time_ns.tolist()}
            self._clear(written - kept)
        self._aside |= kept
        if kept:
            self._offers.set_aside(sorted(kept), {point.words for point in refused})
        self.counts.set_aside += len(refused)
        self.counts.delivered += sum(map(len, piece)) - len(refused)

    def _written(self, piece: Sequence[Observations]) -> list[RefusedPoint]:
        """Write them; the points that the sink refused for good."""
        refused: list[RefusedPoint] = []
        try:
            self._write(piece)
        except Never as never:
            try:
                refused = sifted(self._write, piece, never)
            except AllRefused as error:
                return self._all_of(error)
        self._all_refused = 0
        return refused

    def _all_of(self, error: AllRefused) -> list[RefusedPoint]:
        """Once they may be wrong points; the second time in a row it is a wrong setting."""
        self._all_refused += 1
        if self._all_refused == 1 and error.refused:
            return error.refused
        why = f"blocked: settings: the server refuses every point: {error.words}"
        raise Later(why, blocked=True) from None

    def _clear(self, keys: set[Key]) -> None:
        """An accepted rewrite, or a withdrawal, settles a point that was set aside."""
        settled = keys & self._aside
        by_channel: dict[str, list[int]] = {}
        for channel, time_ns in settled:
            by_channel.setdefault(channel, []).append(time_ns)
        with self._mine():
            for channel, times_ns in by_channel.items():
                self._aside_points.clear_set_aside(self.name, channel, times_ns)
        self._aside -= settled

    def _write(self, batch: Sequence[Observations]) -> None:
        self._going_on().write(batch)

    def _going_on(self) -> Sink:
        """The sink, which takes nothing more once the service stops, however long a search is."""
        if self._stop.is_set():
            raise Later("the service stops")
        return self._opened()

    def _opened(self) -> Sink:
        if self._sink is None:
            self._sink = self._open_sink()
        return self._sink

    def _close(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _well(self) -> None:
        self.counts.failures = 0
        self._offers.server(self._opened().server)
        if self.state.blocked:
            self._offers.soon()
        self._report(True, "", False)

    def _failed(self, later: Later) -> None:
        if self._stop.is_set():
            return
        self.counts.failures += 1
        self.counts.last_error = later.why
        if later.slow:
            self._fit(LONG_S + 1)
        if later.blocked:
            self._close()
        self._report(False, later.why, later.blocked)
        self._hurry.clear()
        if not self._stop.is_set():
            self._rest(wait_s(later, self.counts.failures, self._rng), self._hurry)

    def _report(self, up: bool, why: str, blocked: bool) -> None:
        changed = self.state.up != up
        since_ns = self._clock.wall_ns() if changed else self.state.since_ns
        self.state = DeliveryState(self.name, up, why, blocked, since_ns)
        if changed:
            self._on_state(self.state)

    def _rest(self, wait_s: float, until: threading.Event) -> None:
        self._clock.wait_until(self._clock.mono_ns() + int(wait_s * 1e9), until)

    @contextmanager
    def _mine(self) -> Iterator[None]:
        with self._gate:
            if self._left:
                raise _LeftBehind
            yield


def wait_s(later: Later, failures: int, rng: random.Random) -> float:
    """Seconds until the next try: as the server asks, else 1 to 300 s with full jitter."""
    if later.retry_after_s is not None:
        return later.retry_after_s + rng.uniform(0.0, 1.0)
    if later.blocked:
        return rng.uniform(*BLOCKED_S)
    lowest, highest = BACK_OFF_S
    return rng.uniform(lowest, min(highest, lowest * 2.0 ** min(failures, 16)))
