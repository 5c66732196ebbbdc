"""The worker that brings every observation to one sink, through any state of its server.

The feeding side implements Feed; Delivery asks it for a batch, brings the batch to the sink,
keeps what the server refuses as set aside, and only then calls `delivered`. So a batch may be
brought twice and is never skipped. Between two batches it offers points that were set aside again.
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edaphon.clock import Clock
from edaphon.journal import SetAside
from edaphon.model import Channel, Int, Observations
from edaphon.sinks.refusals import (
    AllRefused,
    AsidePoints,
    Key,
    Offers,
    Piece,
    RefusedPoint,
    Rewrites,
    differing,
    pieces,
    unexpected,
    write_sifted,
)
from edaphon.sinks.sink import Later, Never, PointWithdrawal, Sink

__all__ = ["Batch", "DeliveryCounts", "Delivery", "Feed", "DeliveryState", "wait_s"]

IDLE_S = 1.0
STOP_S = 8.0
BACK_OFF_S = (1.0, 300.0)
BLOCKED_S = (30.0, 60.0)  # a person may mend it at any minute
QUICK_S, LONG_S = 5.0, 15.0  # a batch that takes longer makes the next one smaller
SMALLEST = 50  # observations


@dataclass(frozen=True, slots=True)
class Batch:
    """What waits for a sink; the withdrawals happen before the observations are written.

    `upto` is the feed's own token for the place after this batch; the worker only hands it back.
    """

    observations: Sequence[Observations]
    withdrawals: Sequence[PointWithdrawal]
    upto: Any


class Feed(Protocol):
    """Where a sink's batches come from; called by the worker's thread alone."""

    def next_batch(self, limit: int) -> Batch | None:
        """What follows the last delivered place, at most `limit` observations; None: nothing waits.

        Until `delivered` is called the same place is read again; the batch may have grown.
        """
        ...

    def delivered(self, upto: Any) -> None:
        """Everything up to this place is in the sink or set aside: keep the cursor."""
        ...

    def current(self, keys: Sequence[Key]) -> list[Observations]:
        """What stands now at these channels and times; those where nothing does are left out."""
        ...

    def between(self, channel: str, first_ns: int, last_ns: int) -> list[Observations]:
        """What stands now of a channel in a closed span."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Whether a sink takes observations; reported once when it is lost and once when it is back.

    `blocked` says that it comes back only after a person has done something.
    """

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
        feed: Feed,
        aside_points: AsidePoints,
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
        for piece in pieces(batch.observations, self._limit):
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
            _Halting(self._opened(), self._stop).write(runs)
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
            halting = _Halting(self._opened(), self._stop)
            if again:
                halting.write(again)
            if len(gone) and (channel := self._withdrawn_from.get(span.channel)):
                halting.withdraw(PointWithdrawal(channel, gone, ()))
        except (Later, Never):  # another time: this holds nothing back
            self._rewrites.later(span, now_s)
            return False
        self._rewrites.checked(span, not (again or len(gone)), now_s)
        return True

    def _note_written(self, channel: str, times_ns: Int) -> None:
        if self._opened().read is not None:
            self._rewrites.wrote(channel, times_ns, self._clock.mono_ns() / 1e9)

    def _withdraw(self, withdrawal: PointWithdrawal) -> None:
        _Halting(self._opened(), self._stop).withdraw(withdrawal)
        channel, times_ns, _ = withdrawal
        self._withdrawn_from[channel.id] = channel
        self._note_written(channel.id, times_ns)
        self._clear({(channel.id, time_ns) for time_ns in times_ns.tolist()})
        self.counts.withdrawn += len(times_ns)

    def _bring(self, piece: Sequence[Observations]) -> None:
        refused = self._sifted(piece)
        for run in piece:
            self._note_written(run.channel, run.time_ns)
        kept = {(point.channel, point.time_ns) for point in refused}
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

    def _sifted(self, piece: Sequence[Observations]) -> list[RefusedPoint]:
        try:
            refused = write_sifted(_Halting(self._opened(), self._stop), piece)
        except AllRefused as error:
            self._all_refused += 1
            if self._all_refused == 1 and error.refused:
                return error.refused
            why = f"blocked: settings: the server refuses every point: {error.words}"
            raise Later(why, blocked=True) from None
        self._all_refused = 0
        return refused

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


class _Halting:
    """A sink that takes nothing more once the service stops, however long a search is."""

    def __init__(self, sink: Sink, stop: threading.Event) -> None:
        self._sink = sink
        self._stop = stop
        self.notices, self.server, self.read = sink.notices, sink.server, sink.read

    def write(self, batch: Sequence[Observations]) -> None:
        self._go_on()
        self._sink.write(batch)

    def withdraw(self, withdrawal: PointWithdrawal) -> None:
        self._go_on()
        self._sink.withdraw(withdrawal)

    def close(self) -> None:
        self._sink.close()

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Later("the service stops")


def wait_s(later: Later, failures: int, rng: random.Random) -> float:
    """Seconds until the next try: as the server asks, else 1 to 300 s with full jitter."""
    if later.retry_after_s is not None:
        return later.retry_after_s + rng.uniform(0.0, 1.0)
    if later.blocked:
        return rng.uniform(*BLOCKED_S)
    lowest, highest = BACK_OFF_S
    return rng.uniform(lowest, min(highest, lowest * 2.0 ** min(failures, 16)))
