"""Finding the points that a sink refuses for good, by writing halves of a batch.

When the first half of a refused batch is taken, the second must hold the refused point, so it is
halved without being asked for. A point counts as refused only when it was refused alone: what a
proxy answered once to a whole batch sets nothing aside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edaphon.model import Observations
from edaphon.sinks.sink import Never, Sink

__all__ = ["AllRefused", "Refused", "pieces", "write_sifted"]

ALL_REFUSED = 64  # points refused alone, and none taken: suspect the settings, and probe
PROBES = 16


class Refused(NamedTuple):
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

    def __init__(self, words: str, refused: list[Refused]) -> None:
        self.words = words
        self.refused = refused
        super().__init__(words)


@dataclass
class _Search:
    sink: Sink
    batch: Sequence[Observations]
    refused: list[Refused] = field(default_factory=list)
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
                self.refused.append(Refused(run.channel, time_ns, sequence, words, tries))
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


def write_sifted(sink: Sink, batch: Sequence[Observations]) -> list[Refused]:
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
