"""Points that a server refuses, found by bisection; what was written twice, read back and proved.

When the first half of a refused batch is taken, the second must hold the refused point, so it is
halved without being asked for. A point counts as refused only when it was refused alone: what a
proxy answered once to a whole batch sets nothing aside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from edaphon.clock import DAY_NS
from edaphon.model import Int, Observations
from edaphon.sinks.feed import part
from edaphon.sinks.influxql import Rows, contents
from edaphon.sinks.sink import Never

ALL_REFUSED = 64  # points refused alone, and none taken: suspect the settings, and probe
PROBES = 16
Write = Callable[[Sequence[Observations]], None]  # raises Later and Never


class RefusedPoint(NamedTuple):
    """A point that the sink refuses for good; `tries` counts the requests that held it."""

    channel: str
    time_ns: int
    sequence: int
    words: str
    tries: int


class AllRefused(Exception):
    """Nothing was taken, so a setting is wrong; `refused` is empty where the search gave up."""

    def __init__(self, words: str, refused: list[RefusedPoint]) -> None:
        self.words = words
        self.refused = refused
        super().__init__(words)


@dataclass
class _Search:
    write: Write
    batch: Sequence[Observations]
    refused: list[RefusedPoint] = field(default_factory=list)
    taken: int = 0
    too_old: int = 0
    probed: bool = False

    def ask(self, first: int, last: int) -> Never | None:
        """Write points [first, last); what the sink says against them."""
        try:
            self.write(part(self.batch, first, last))
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
        for run in part(self.batch, first, last):
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


def sifted(write: Write, batch: Sequence[Observations], never: Never) -> list[RefusedPoint]:
    """The refused points of a batch that the sink has refused so; all others are in the sink then.

    At most 2 * log2(n) + 1 requests for each refused point. Raises Later, and AllRefused.
    """
    search = _Search(write, batch)
    search.sift(0, sum(map(len, batch)), never, 1)
    if not (search.taken or search.too_old):
        raise AllRefused(search.refused[-1].words, search.refused)
    return search.refused


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
        self.spans: list[Span] = []  # that wait for a check
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
        return next((span for span in self.spans if span.due_s <= now_s), None)

    def checked(self, span: Span, stood: bool, now_s: float) -> None:
        """All of it stood, or what did not was sent again."""
        self.spans.remove(span)
        checks, sent = (span.checks + 1, span.sent) if stood else (0, span.sent + 1)
        if sent >= MOST_SENT:
            self.unproven += 1
        elif checks < len(CHECKS_S):
            due_s = now_s + CHECKS_S[max(checks, min(sent, len(CHECKS_S) - 1))]
            self.spans.append(replace(span, due_s=due_s, checks=checks, sent=sent))

    def later(self, span: Span, now_s: float) -> None:
        """It could not be read back, or not be sent again."""
        self.spans.remove(span)
        if span.sent + 1 >= MOST_SENT:
            self.unproven += 1
        else:
            self.spans.append(replace(span, due_s=now_s + CHECKS_S[1], sent=span.sent + 1))

    def _add(self, new: Span) -> None:
        """Spans that meet become one."""
        for old in self.spans:
            meets = old.first_ns <= new.last_ns and old.last_ns >= new.first_ns
            if old.channel == new.channel and meets:
                self.spans.remove(old)
                ends = min(old.first_ns, new.first_ns), max(old.last_ns, new.last_ns)
                return self._add(Span(new.channel, *ends, new.due_s))
        self.spans.append(new)
        if len(self.spans) > LARGEST:
            self.spans.pop(0)
            self.unproven += 1
        return None

    def _forget(self, now_s: float) -> None:
        old = [key for key, known in self._written.items() if now_s - known[2] >= REMEMBER_S]
        rest = sorted(self._written, key=lambda key: self._written[key][2])[:-LARGEST]
        for key in {*old, *rest}:
            del self._written[key]


def differing(runs: Sequence[Observations], theirs: Sequence[Rows]) -> list[Observations]:
    """Those of `runs` that the server holds otherwise; a number that `runs` lack says nothing."""
    held = {row[0]: row for rows in theirs for row in contents(rows)}
    found = []
    for run in runs:
        odd = [i for i, row in enumerate(contents(run)) if not _same(row, held.get(row[0]))]
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


def _same(own: tuple[Any, ...], theirs: tuple[Any, ...] | None) -> bool:
    if theirs is None:
        return False
    return all(a is None or a == b for a, b in zip(own, theirs, strict=True))
