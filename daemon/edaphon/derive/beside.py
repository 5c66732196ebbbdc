"""Second inputs: what a chain takes beside its own number, from the record or another channel.

Of another channel it is the latest value that was derived before, in the order in which records
are placed, and not older than stated; so it does not depend on how the stream was split.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from edaphon.derive.chains import Beside
from edaphon.derive.evaluate import Taken
from edaphon.derive.segments import Segment
from edaphon.derive.state import Fresh, Latest
from edaphon.nouns import Float, Int

__all__ = ["Turns", "Values", "filled"]

_NAN = float("nan")


class Turns(NamedTuple):
    """When rows were placed: counted in the batch, and up to where the journal was read by then.

    A record whose clock was unknown is placed later than its sequence says.
    """

    order: Int
    place: Int


class _Column(NamedTuple):
    """The values of one channel in the order in which they were placed; numbers are three rows."""

    order: Int
    place: Int
    time_ns: Int
    numbers: Float


class Values:
    """The values that channels had in this batch and, by `latest`, before it."""

    def __init__(self, latest: dict[str, Latest]) -> None:
        self._latest = latest
        self._columns: dict[str, list[_Column]] = {}

    def note(self, segment: Segment, fresh: Fresh, turns: Turns, taken: Taken) -> None:
        """Remember the values of these rows for whoever takes them; only of primary sources."""
        good = taken.good
        if segment.rank == 0 and good.any():
            numbers = taken.numbers[:, good]
            column = _Column(turns.order[good], turns.place[good], fresh.time_ns[good], numbers)
            self._columns.setdefault(segment.channel, []).append(column)

    def finish(self) -> None:
        """Keep the last value of each channel for the batches to come."""
        for channel, columns in self._columns.items():
            last = max(columns, key=lambda column: int(column.order[-1]))
            numbers = map(float, last.numbers[:, -1])
            self._latest[channel] = Latest(int(last.place[-1]), int(last.time_ns[-1]), *numbers)

    def taken(self, side: Beside, fresh: Fresh, turns: Turns) -> Float:
        """Three rows for each row of `fresh`, in the unit that the curve takes."""
        column = self._column(side.channel)
        taken = np.full((3, len(fresh)), _NAN)
        if len(column.order):
            at = np.searchsorted(column.order, turns.order, side="right") - 1
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
            nothing = np.zeros(0, np.int64)
            return _Column(nothing, nothing, nothing, np.zeros((3, 0)))
        order = np.concatenate([c.order for c in columns])
        by_order = np.argsort(order, kind="stable")
        return _Column(
            order[by_order],
            np.concatenate([c.place for c in columns])[by_order],
            np.concatenate([c.time_ns for c in columns])[by_order],
            np.concatenate([c.numbers for c in columns], axis=1)[:, by_order],
        )


def _of_latest(known: Latest) -> _Column:
    numbers = np.array([[known.value], [known.u_random], [known.u_systematic]])
    never = np.array([-1])
    return _Column(never, np.array([known.place]), np.array([known.time_ns]), numbers)


def filled(
    segment: Segment,
    fresh: Fresh,
    turns: Turns,
    values: Values,
    reported: Mapping[str, Sequence[float]],
) -> Fresh:
    """The rows with their second inputs; `reported` are numbers of the same records by output."""
    sides = segment.chain.sides
    if not sides:
        return fresh
    blocks = [
        values.taken(side, fresh, turns) if side.channel else _reported(side, reported, len(fresh))
        for side in sides
    ]
    return Fresh(*fresh[:5], np.concatenate(blocks))  # its length is that of its columns


def _reported(side: Beside, reported: Mapping[str, Sequence[float]], n: int) -> Float:
    numbers = np.array(reported.get(side.output, [_NAN] * n), np.float64)
    return np.stack([side.conversion.apply(numbers), np.zeros(n), np.zeros(n)])
