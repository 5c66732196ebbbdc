"""Points that a server refuses: found by bisection, offered again later, rewritten with a proof.

When the first half of a refused batch is taken, the second must hold the refused point, so it is
halved without being asked for. A point counts as refused only when it was refused alone: what a
proxy answered once to a whole batch sets nothing aside.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from edaphon.clock import DAY_NS, Clock
from edaphon.journal import SetAside
from edaphon.model import Int, Observations
from edaphon.sinks.influxql import Rows
from edaphon.sinks.sink import Never, Sink

ALL_REFUSED = 64  # points refused alone, and none taken: suspect the settings, and probe
PROBES = 16


class RefusedPoint(NamedTuple):
    """A point that the sink refuses for good; `tries` counts the requests that held it."""

    channel: str
    time_ns: int
    sequence: int
    words: str
    tries: int


class AllRefused(Exception):
    """Nothing of the batch was taken: rather a wrong setting than wrong points.

    `refused` holds every point of a small batch and is empty where the search was given up.
    """

    def __init__(self, words: str, refused: list[RefusedPoint]) -> None:
        self.words = words
        self.refused = refused
        super().__init__(words)


@dataclass
class _Search:
    sink: Sink
    batch: Sequence[Observations]
    refused: list[RefusedPoint] = field(default_factory=list)
    taken: int = 0
    too_old: int = 0
    probed: bool = False

    def ask(self, first: int, last: int) -> Never | None:
        """Write points [first, last); what the sink says against them."""
        try:
            self.sink.write(_part(self.batch, first, last))
        except Never as never:
            return never
        self.taken += last - first
        return None

    def sift(self, first: int, last: int, never: Never | None, tries: int) -> None:
        """Find the refused among points of which at least one is; None: not asked for together."""
        if never is not None and (never.every or last - first == 1):
            self._keep(first, last, never, tries)
        elif last - first == 1:
            if alone := self.ask(first, last):
                self._keep(first, last, alone, tries + 1)
        else:
            middle = (first + last) // 2
            if left := self.ask(first, middle):
                self.sift(first, middle, left, tries + 1)
                if right := self.ask(middle, last):
                    self.sift(middle, last, right, tries + 1)
            else:
                self.sift(middle, last, None, tries)

    def _keep(self, first: int, last: int, never: Never, tries: int) -> None:
        self.too_old += (last - first) if never.every else 0
        for run in _part(self.batch, first, last):
            for time_ns, sequence in zip(run.time_ns.tolist(), run.sequence.tolist(), strict=True):
                words = never.words or never.why
                self.refused.append(RefusedPoint(run.channel, time_ns, sequence, words, tries))
        if not (self.taken or self.too_old or self.probed) and len(self.refused) >= ALL_REFUSED:
            self._probe()

    def _probe(self) -> None:
        """Ask for single points all over the batch before taking it for refused as a whole."""
        self.probed = True
        n = sum(map(len, self.batch))
        never: Never | None = None
        for first in range(0, n, -(-n // PROBES)):
            if (never := self.ask(n - 1 - first, n - first)) is None:
                return
        raise AllRefused(never.words if never else "", [])


def write_sifted(sink: Sink, batch: Sequence[Observations]) -> list[RefusedPoint]:
    """Write a batch and return the refused points; all others are in the sink.

    At most 2 * log2(n) + 2 requests for each refused point. Raises Later, and AllRefused.
    """
    search = _Search(sink, batch)
    n = sum(map(len, batch))
    if n and (never := search.ask(0, n)):
        search.sift(0, n, never, 1)
    if search.refused and not (search.taken or search.too_old):
        raise AllRefused(search.refused[-1].words, search.refused)
    return search.refused


def pieces(batch: Sequence[Observations], limit: int) -> list[list[Observations]]:
    """The same points in order, at most `limit` in each piece."""
    n = sum(map(len, batch))
    return [_part(batch, first, min(first + limit, n)) for first in range(0, n, limit)]


def _part(batch: Sequence[Observations], first: int, last: int) -> list[Observations]:
    """Points [first, last) of all runs counted through."""
    found: list[Observations] = []
    start = 0
    for run in batch:
        a, b = max(first - start, 0), min(last - start, len(run))
        start += len(run)
        if a < b:
            found.append(run if b - a == len(run) else run.take(slice(a, b)))
    return found


Key = tuple[str, int]  # channel, time [UTC ns]

AGAIN_S = (20.0, 600.0)  # after a point was set aside
DAY_S = 86_400.0
REQUESTS = 500  # in one round that nobody asked for: each point still refused costs about two
_NS = 1_000_000_000
_CHANGING = re.compile(r"\d+|'[^']*'|\"[^\"]*\"")


class AsidePoints(Protocol):
    """Points that a sink refused (journal.StateFile); durable when `add` returns."""

    def add_set_aside(self, points: Iterable[SetAside]) -> None: ...

    def clear_set_aside(self, sink: str, channel: str, times_ns: Iterable[int]) -> None: ...

    def set_aside(self, sink: str, channel: str | None = None) -> list[SetAside]: ...

    def get(self, key: str, default: Any = None) -> Any: ...

    def put(self, key: str, value: Any) -> None: ...


class Piece(NamedTuple):
    """Points of one request; `tries` counts how often they were offered since set aside."""

    keys: list[Key]
    tries: int


class Offers:
    """One sink's offers; called by its worker's thread, but for `all_now`."""

    def __init__(self, sink: str, points: AsidePoints, clock: Clock, limit: int) -> None:
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
        self._due_ns = self._clock.mono_ns() + int(AGAIN_S[0] * _NS)

    def all_now(self) -> None:
        """Offer every point at once, however many requests that takes; from any thread."""
        self._asked = True

    def soon(self) -> None:
        self._due_ns = min(self._due_ns, self._clock.mono_ns() + int(AGAIN_S[0] * _NS))

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
            due_ns = self._clock.mono_ns() + int(AGAIN_S[tries] * _NS)
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
        self._due_ns = min(self._due_ns, self._clock.mono_ns() + int(wait_s * _NS))

    def taken(self) -> None:
        self._given_up = 0

    def _begin(self, now_ns: int) -> None:
        """Those that were offered least, first: a round that ends early went on elsewhere."""
        self._requests = 1 << 31 if self._asked else REQUESTS
        self._asked = False
        self._due_ns = now_ns + int(DAY_S * _NS)
        points = sorted(self._points.set_aside(self._sink), key=lambda point: point.tries)
        keys = [(point.channel, point.time_ns) for point in points]
        cut = (keys[first : first + self._limit] for first in range(0, len(keys), self._limit))
        self._pieces = deque(Piece(part, len(AGAIN_S)) for part in cut)


def _kind(words: str) -> str:
    """A server's words without what differs from point to point."""
    return _CHANGING.sub("", words)[:80]


CHECKS_S = (60, 600, 3600, 14_400)  # after each check that found all as it should be
REMEMBER_S = 86_400
MOST_SENT = 12
LARGEST = 2000  # spans that wait for a check


@dataclass(frozen=True, slots=True)
class Span:
    """Times of one channel and UTC day, both ends included, that were written more than once."""

    channel: str
    first_ns: int
    last_ns: int
    due_s: float = 0.0  # monotonic
    checks: int = 0  # in a row that found all as it should be
    sent: int = 0  # times that it was sent again, or could not be read back


class Rewrites:
    """What was written lately, by channel and day, and what of it was written again."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, int], tuple[int, int, float]] = {}  # first, last, when
        self._spans: list[Span] = []
        self.unproven = 0  # spans given up: too many to check, or never as they should be

    def wrote(self, channel: str, times_ns: Int, now_s: float) -> None:
        """These times were written, or laid over as withdrawn."""
        days = times_ns // DAY_NS
        for day in np.unique(days).tolist():
            own = times_ns[days == day]
            first, last = int(own.min()), int(own.max())
            known = self._written.get((channel, day))
            if known is not None and now_s - known[2] < REMEMBER_S:
                if first <= known[1] and last >= known[0]:
                    self._add(Span(channel, first, last, now_s + CHECKS_S[0]))
                first, last = min(first, known[0]), max(last, known[1])
            self._written[channel, day] = first, last, now_s
        if len(self._written) > LARGEST:
            self._forget(now_s)

    def due(self, now_s: float) -> Span | None:
        """A span to check now; `checked` must follow, or it is due again."""
        return next((span for span in self._spans if span.due_s <= now_s), None)

    def checked(self, span: Span, stood: bool, now_s: float) -> None:
        """All of it stood, or what did not was sent again."""
        self._spans.remove(span)
        checks, sent = (span.checks + 1, span.sent) if stood else (0, span.sent + 1)
        if sent >= MOST_SENT:
            self.unproven += 1
        elif checks < len(CHECKS_S):
            due_s = now_s + CHECKS_S[max(checks, min(sent, len(CHECKS_S) - 1))]
            self._spans.append(replace(span, due_s=due_s, checks=checks, sent=sent))

    def later(self, span: Span, now_s: float) -> None:
        """It could not be read back, or not be sent again."""
        self._spans.remove(span)
        if span.sent + 1 >= MOST_SENT:
            self.unproven += 1
        else:
            self._spans.append(replace(span, due_s=now_s + CHECKS_S[1], sent=span.sent + 1))

    @property
    def waiting(self) -> int:
        return len(self._spans)

    def _add(self, new: Span) -> None:
        """Spans that meet become one."""
        for old in self._spans:
            meets = old.first_ns <= new.last_ns and old.last_ns >= new.first_ns
            if old.channel == new.channel and meets:
                self._spans.remove(old)
                ends = min(old.first_ns, new.first_ns), max(old.last_ns, new.last_ns)
                return self._add(Span(new.channel, *ends, new.due_s))
        self._spans.append(new)
        if len(self._spans) > LARGEST:
            self._spans.pop(0)
            self.unproven += 1
        return None

    def _forget(self, now_s: float) -> None:
        old = [key for key, known in self._written.items() if now_s - known[2] >= REMEMBER_S]
        rest = sorted(self._written, key=lambda key: self._written[key][2])[:-LARGEST]
        for key in {*old, *rest}:
            del self._written[key]


def differing(runs: Sequence[Observations], theirs: Sequence[Rows]) -> list[Observations]:
    """Those of `runs` that the server holds otherwise, or not at all.

    A number that is missing in `runs` says nothing: no write takes one away from such a server.
    """
    held = {row[0]: row for rows in theirs for row in _contents(rows, rows.derivation)}
    found = []
    for run in runs:
        own = _contents(run, [run.derivation] * len(run))
        odd = [i for i, row in enumerate(own) if not _same(row, held.get(row[0]))]
        if odd:
            found.append(run.take(np.array(odd, np.int64)))
    return found


def unexpected(runs: Sequence[Observations], theirs: Sequence[Rows]) -> list[int]:
    """Times that stand on the server with a flag other than 9 and do not stand here."""
    own = {time_ns for run in runs for time_ns in run.time_ns.tolist()}
    return [
        time_ns
        for rows in theirs
        for time_ns, flag in zip(rows.time_ns.tolist(), rows.flag.tolist(), strict=True)
        if time_ns not in own and flag != 9
    ]


_NUMBERS = ("time_ns", "value", "raw", "u_random", "u_systematic", "flag")


def _contents(
    columns: Rows | Observations, derivations: Sequence[str]
) -> Iterator[tuple[float | str, ...]]:
    numbers = (getattr(columns, name).tolist() for name in _NUMBERS)
    return zip(*numbers, derivations, strict=True)


def _same(own: tuple[float | str, ...], theirs: tuple[float | str, ...] | None) -> bool:
    if theirs is None:
        return False
    return all(a == b or a != a for a, b in zip(own, theirs, strict=True))
