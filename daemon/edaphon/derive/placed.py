"""Readings of one segment as a batch placed them: which can stand, which are judged together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from edaphon.derive.segments import Segment
from edaphon.derive.state import Fresh
from edaphon.model import DEMOTED, Observations, demoted_rank

__all__ = ["Group", "PlacedRow", "further_readings", "groups_of"]

# time, start [UTC ns], raw number, sequence, doubt, and when it was placed
PlacedRow = tuple[int, int, float, int, int, int]
_Reported = Mapping[str, Sequence[float]]  # numbers of the same rows, by output


class Group(NamedTuple):
    """Rows that are judged against each other, each the first of its record for its time."""

    fresh: Fresh
    order: tuple[int, ...]
    reported: _Reported
    demoted: bool


def groups_of(rows: Sequence[PlacedRow], reported: _Reported, demoting: bool) -> list[Group]:
    """`demoting`: some row of the batch is demoted."""
    if len(rows) == 1:
        return [_group(rows, reported, demoting and bool(rows[0][4] & DEMOTED))]
    if not demoting and len({(row[0], row[3]) for row in rows}) == len(rows):
        return [_group(rows, reported, False)]
    groups = []
    for demoted in (False, True):
        places = [at for at, own, ordinal in _ordinals(rows) if own == demoted and not ordinal]
        if places:
            numbers = {name: [own[at] for at in places] for name, own in reported.items()}
            groups.append(_group([rows[at] for at in places], numbers, demoted))
    return groups


def further_readings(segment: Segment, rows: Sequence[PlacedRow]) -> list[Observations]:
    """Readings of records for times of which these gave one before: the first stands."""
    if len(rows) == 1 or len({(row[0], row[3]) for row in rows}) == len(rows):
        return []
    found = []
    for demoted in (False, True):
        own = [(rows[at], n) for at, one, n in _ordinals(rows) if one == demoted and n]
        if own:
            found.append(_further(segment, own, demoted))
    return found


def _ordinals(rows: Sequence[PlacedRow]) -> list[tuple[int, bool, int]]:
    """(place, demoted, how many of its record and time came before) of each row."""
    before = Counter[tuple[int, int, bool]]()
    found = []
    for at, row in enumerate(rows):
        demoted = bool(row[4] & DEMOTED)
        key = (row[0], row[3], demoted)
        found.append((at, demoted, before[key]))
        before[key] += 1
    return found


def _further(segment: Segment, own: Sequence[tuple[PlacedRow, int]], demoted: bool) -> Observations:
    fresh = _fresh([row for row, _ in own])[0]
    nothing = np.full(len(own), np.nan)
    return Observations(
        channel=segment.channel,
        derivation=segment.derivation,
        time_ns=fresh.time_ns,
        start_ns=fresh.start_ns,
        raw=fresh.raw,
        value=nothing,
        u_random=nothing,
        u_systematic=nothing,
        flag=fresh.doubt,
        doubt=fresh.doubt,
        sequence=fresh.sequence,
        rank=demoted_rank(segment.rank) if demoted else segment.rank,
        ordinal=np.array([ordinal for _, ordinal in own], np.int64),
    )


def _group(rows: Sequence[PlacedRow], reported: _Reported, demoted: bool) -> Group:
    fresh, order = _fresh(rows)
    return Group(fresh, order, reported, demoted)


def _fresh(rows: Sequence[PlacedRow]) -> tuple[Fresh, tuple[int, ...]]:
    """The rows as columns, and when each was placed."""
    time, start, raw, sequence, doubt, order = zip(*rows, strict=True)
    fresh = Fresh(
        np.array(time, np.int64),
        np.array(start, np.int64),
        np.array(raw, np.float64),
        np.array(sequence, np.int64),
        np.array(doubt, np.int8),
        np.zeros((0, len(rows))),
    )
    return fresh, order
