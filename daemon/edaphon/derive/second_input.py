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
from edaphon.model import Float, Int

__all__ = ["Values", "filled"]

_NAN = float("nan")


class _Noted(NamedTuple):
    """Rows of one channel in the order in which they were placed, with their values."""

    order: Sequence[int]
    fresh: Fresh
    taken: Taken


class _Column(NamedTuple):
    """The values of one channel in the order in which they were placed; numbers are three rows."""

    order: Int
    time_ns: Int
    numbers: Float


class Values:
    """The values that channels had in this batch and, by `latest`, before it.

    An order counts the records of the batch as they were placed: one whose clock was unknown is
    placed later than its sequence says. `places` tells up to where the journal was read by then.
    """

    def __init__(self, latest: dict[str, Latest], places: Sequence[int]) -> None:
        self._latest = latest
        self._places = places
        self._noted: dict[str, list[_Noted]] = {}

    def note(self, segment: Segment, fresh: Fresh, order: Sequence[int], taken: Taken) -> None:
        """Remember the values of these rows for whoever takes them; only of primary sources."""
        if segment.rank == 0:
            self._noted.setdefault(segment.channel, []).append(_Noted(order, fresh, taken))

    def finish(self) -> None:
        """Keep the last value of each channel for the batches to come."""
        for channel, noted in self._noted.items():
            lasts = [(one.order[at], at, one) for one in noted if (at := _last(one.taken)) >= 0]
            if lasts:
                order, at, (_, fresh, taken) = max(lasts, key=lambda last: last[0])
                self._latest[channel] = Latest(
                    self._places[order],
                    int(fresh.time_ns[at]),
                    float(taken.value[at]),
                    float(taken.u_random[at]),
                    float(taken.u_systematic[at]),
                )

    def taken(self, side: Beside, fresh: Fresh, order: Sequence[int]) -> Float:
        """Three rows for each row of `fresh`, in the unit that the curve takes."""
        column = self._column(side.channel)
        taken = np.full((3, len(fresh)), _NAN)
        if len(column.order):
            at = np.searchsorted(column.order, order, side="right") - 1
            age = np.abs(fresh.time_ns - column.time_ns[at])
            use = (at >= 0) & (age <= side.max_age_ns)
            taken[:, use] = column.numbers[:, at[use]]
        line = side.conversion
        taken[0] = line.apply(taken[0])
        taken[1:] *= abs(line.scale)
        return taken

    def _column(self, channel: str) -> _Column:
        known = self._latest.get(channel)
        columns = [_of_latest(known)] if known is not None else []
        columns += map(_of_noted, self._noted.get(channel, ()))
        if not columns:
            nothing = np.zeros(0, np.int64)
            return _Column(nothing, nothing, np.zeros((3, 0)))
        order = np.concatenate([c.order for c in columns])
        by_order = np.argsort(order, kind="stable")
        return _Column(
            order[by_order],
            np.concatenate([c.time_ns for c in columns])[by_order],
            np.concatenate([c.numbers for c in columns], axis=1)[:, by_order],
        )


def _last(taken: Taken) -> int:
    """The place of the last value that may be taken, -1 for none."""
    if taken.good[-1]:
        return len(taken.good) - 1
    good = np.flatnonzero(taken.good)
    return int(good[-1]) if len(good) else -1


def _of_noted(noted: _Noted) -> _Column:
    taken, good = noted.taken, noted.taken.good
    numbers = np.stack([taken.value, taken.u_random, taken.u_systematic])[:, good]
    return _Column(np.array(noted.order, np.int64)[good], noted.fresh.time_ns[good], numbers)


def _of_latest(known: Latest) -> _Column:
    numbers = np.array([[known.value], [known.u_random], [known.u_systematic]])
    return _Column(np.array([-1]), np.array([known.time_ns]), numbers)


def filled(
    segment: Segment,
    fresh: Fresh,
    order: Sequence[int],
    values: Values,
    reported: Mapping[str, Sequence[float]],
) -> Fresh:
    """The rows with their second inputs; `reported` are numbers of the same records by output."""
    sides = segment.chain.sides
    if not sides:
        return fresh
    blocks = [
        values.taken(side, fresh, order) if side.channel else _reported(side, reported, len(fresh))
        for side in sides
    ]
    return Fresh(*fresh[:5], np.concatenate(blocks))  # its length is that of its columns


def _reported(side: Beside, reported: Mapping[str, Sequence[float]], n: int) -> Float:
    numbers = np.array(reported.get(side.output, [_NAN] * n), np.float64)
    return np.stack([side.conversion.apply(numbers), np.zeros(n), np.zeros(n)])
