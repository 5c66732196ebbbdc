"""Rewrites in InfluxDB 3, which does not promise that the later of two writes of a point stands.

Version 3.6.0 was seen to keep the older content of one point in ten after two rewrites while all
three writes were in its memory, and of three in ten after three. How long they are there depends
on its settings and on how much is written: ten minutes or many hours. So what was written twice is
read back, sent again where something else stands, and read back again later, until it stood each
time. What was rewritten before a restart of this service is not known here any more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edaphon.model import Int, Observations
from edaphon.sinks.readback import DAY_NS, Rows

__all__ = ["Rewrites", "Span", "differing", "unexpected"]

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
