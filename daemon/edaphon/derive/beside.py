"""Second inputs: what a chain takes beside its own number, from the record or another channel.

Of another channel it is the latest value that was kept before, in the order of the journal, and
not older than stated; so it does not depend on how the stream of entries was split.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from edaphon.derive.chains import Beside
from edaphon.derive.evaluate import latest_of
from edaphon.derive.segments import Segment
from edaphon.derive.state import Fresh, Latest
from edaphon.nouns import Float, Int

__all__ = ["Values", "filled"]

_NAN = float("nan")


class _Column(NamedTuple):
    """The values of one channel in the order of their records: numbers are three rows."""

    sequence: Int
    time_ns: Int
    numbers: Float


class Values:
    """The values that channels had in this batch and, by `latest`, before it."""

    def __init__(self, latest: dict[str, Latest]) -> None:
        self._latest = latest
        self._columns: dict[str, list[_Column]] = {}

    def note(self, segment: Segment, fresh: Fresh) -> None:
        """Remember the values of these rows for whoever takes them; only of primary sources."""
        if segment.rank:
            return
        found, good = latest_of(segment, fresh)
        if not good.any():
            return
        numbers = np.stack([found.value, found.u_random, found.u_systematic])[:, good]
        column = _Column(fresh.sequence[good], fresh.time_ns[good], numbers)
        self._columns.setdefault(segment.channel, []).append(column)

    def finish(self) -> None:
        """Keep the last value of each channel for the batches to come."""
        for channel, columns in self._columns.items():
            last = max(columns, key=lambda column: int(column.sequence[-1]))
            numbers = map(float, last.numbers[:, -1])
            self._latest[channel] = Latest(int(last.sequence[-1]), int(last.time_ns[-1]), *numbers)

    def taken(self, side: Beside, fresh: Fresh) -> Float:
        """Three rows for each row of `fresh`, in the unit that the curve takes."""
        column = self._column(side.channel)
        taken = np.full((3, len(fresh)), _NAN)
        if len(column.sequence):
            at = np.searchsorted(column.sequence, fresh.sequence, side="right") - 1
            age = np.abs(fresh.time_ns - column.time_ns[at])
            use = (at >= 0) & (age <= side.max_age_ns)
            taken[:, use] = column.numbers[:, at[use]]
        line = side.conversion
        taken[0] = line.apply(taken[0])
        taken[1:] *= abs(line.scale)
        return taken

    def _column(self, channel: str) -> _Column:
        known = self._latest.get(channel)
        before = [_of_latest(known)] if known is not None else []
        columns = [*before, *self._columns.get(channel, ())]
        if not columns:
            return _Column(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((3, 0)))
        sequence = np.concatenate([c.sequence for c in columns])
        order = np.argsort(sequence, kind="stable")
        return _Column(
            sequence[order],
            np.concatenate([c.time_ns for c in columns])[order],
            np.concatenate([c.numbers for c in columns], axis=1)[:, order],
        )


def _of_latest(known: Latest) -> _Column:
    numbers = np.array([[known.value], [known.u_random], [known.u_systematic]])
    return _Column(np.array([known.sequence]), np.array([known.time_ns]), numbers)


def filled(
    segment: Segment, fresh: Fresh, values: Values, reported: Mapping[str, Sequence[float]]
) -> Fresh:
    """The rows with their second inputs; `reported` are numbers of the same records by output."""
    sides = segment.chain.sides
    if not sides:
        return fresh
    blocks = [
        values.taken(side, fresh) if side.channel else _reported(side, reported, len(fresh))
        for side in sides
    ]
    return fresh._replace(beside=np.concatenate(blocks))


def _reported(side: Beside, reported: Mapping[str, Sequence[float]], n: int) -> Float:
    numbers = np.array(reported.get(side.output, [_NAN] * n), np.float64)
    return np.stack([side.conversion.apply(numbers), np.zeros(n), np.zeros(n)])
