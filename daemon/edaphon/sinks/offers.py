"""When points that a server refused are offered to it again, and in which requests.

A refusal may pass: a proxy's 400, a retention that someone has extended. Points just set aside are
offered soon, twice; all of them soon after each start, once a day, when the server's version or
words change, when it takes points after it had refused everything, and when a person asks for it.

A piece that is refused as a whole is halved until the points that are still refused stand alone.
One piece is one request, so that live values never wait for a long search.
"""

import re
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from edaphon.clock import Clock
from edaphon.journal import SetAside

__all__ = ["AsidePoints", "Key", "Offers", "Piece"]

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
