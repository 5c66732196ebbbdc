"""From raw numbers to observations: convert, calibrate, check, mark, for one segment of a channel.

Checks see the readings of a segment in the order they were kept. One that comes with an earlier
time than its predecessor is evaluated by itself, so a result never depends on how the stream of
entries was split, and a value already judged changes only when the value after it is needed.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edaphon.derive.chains import bounds_of
from edaphon.derive.segments import Segment
from edaphon.derive.state import Fresh, Memory
from edaphon.model import ALONE, DEMOTED, Float, Observations, Small, demoted_rank
from edaphon_calibration.flags import Flag, worst_flag

__all__ = ["Taken", "evaluate", "taken_rows"]

_SUSPECT, _UNSET, _MISSING = int(Flag.SUSPECT), int(Flag.NOT_EVALUATED), int(Flag.MISSING)
_FAIL = int(Flag.FAIL)
_Mask = npt.NDArray[np.bool_]


class Taken(NamedTuple):
    """The values of fresh rows, for chains that take them beside their own.

    `good` leaves out what has no value or fails a check by itself. A check that looks at neighbours
    judges later, and what was taken by then must not depend on when.
    """

    value: Float
    u_random: Float
    u_systematic: Float
    good: _Mask


def evaluate(
    segment: Segment, memory: Memory | None, fresh: Fresh
) -> tuple[list[Observations], Memory, Taken]:
    """(new observations and revisions of earlier ones, what to remember, the fresh values).

    All rows are demoted, or none; the two have memories of their own.
    """
    late = _late(memory, fresh)
    if late is None:
        return _evaluated(segment, memory, fresh)
    found: list[Observations] = []
    n = len(fresh)
    whole = Taken(np.empty(n), np.empty(n), np.empty(n), np.empty(n, bool))
    for i in np.flatnonzero(late):
        here = slice(int(i), int(i) + 1)
        alone = taken_rows(fresh, here)
        value, u_random, u_systematic, flag, good = _judged(segment, alone)
        _put(whole, here, Taken(value, u_random, u_systematic, good))
        alone = Fresh(*alone[:4], alone.doubt + np.int8(ALONE), alone.second_input)
        found.extend(_observations(segment, alone, value, u_random, u_systematic, flag))
    if late.all():
        assert memory is not None  # noqa: S101  only a memory can make every reading late
        return found, memory, whole
    runs, memory, taken = _evaluated(segment, memory, taken_rows(fresh, ~late))
    _put(whole, ~late, taken)
    return found + runs, memory, whole


def _evaluated(
    segment: Segment, memory: Memory | None, fresh: Fresh
) -> tuple[list[Observations], Memory, Taken]:
    """Rows that come in the order of their times."""
    rows = _joined(memory.rows, fresh) if memory else fresh
    value, u_random, u_systematic, flag, good = _judged(segment, rows)
    issued = _issued(segment, memory, flag)
    columns = (value[issued], u_random[issued], u_systematic[issued], flag[issued])
    found = list(_observations(segment, taken_rows(rows, issued), *columns))
    keep = slice(max(0, len(rows) - segment.looks_back - segment.looks_ahead), len(rows))
    newest = int(rows.time_ns[-1])
    new = slice(len(rows) - len(fresh), None)
    taken = Taken(value[new], u_random[new], u_systematic[new], good[new])
    return found, Memory(taken_rows(rows, keep), flag[keep], newest), taken


def _put(whole: Taken, where: slice | _Mask, part: Taken) -> None:
    for column, values in zip(whole, part, strict=True):
        column[where] = values


def _late(memory: Memory | None, fresh: Fresh) -> _Mask | None:
    """Which fresh rows come with an earlier time than one before them; None: none."""
    before = memory.newest_ns if memory else -(2**63)
    time = fresh.time_ns
    if time[0] > before and (len(time) == 1 or (time[1:] > time[:-1]).all()):
        return None
    newest = np.maximum.accumulate(np.concatenate([[before], time]))[:-1]
    return time <= newest


def _issued(segment: Segment, memory: Memory | None, flag: Small) -> slice | _Mask:
    """The fresh rows, and those remembered whose flag has changed now that more is known."""
    if memory is None:
        return slice(None)
    known = len(memory.flag)
    # Further back a row's own predecessors are forgotten, so it can't be judged again.
    again = slice(max(0, known - segment.looks_ahead), known)
    revised = flag[again] != memory.flag[again]
    if not revised.any():
        return slice(known, None)
    issued = np.ones(len(flag), bool)
    issued[:known] = False
    issued[again] = revised
    return issued


def _judged(segment: Segment, rows: Fresh) -> tuple[Float, Float, Float, Small, _Mask]:
    """(value, both uncertainties, flag, what neither lacks a value nor fails by itself)."""
    value, u_random, u_systematic, outside = segment.chain.apply(
        rows.raw, rows.time_ns, rows.second_input
    )
    missing = np.isnan(value)
    # All of them are demoted, or none.
    earned = rows.doubt & np.int8(ALONE - 1) if rows.doubt[0] >= ALONE else rows.doubt
    flags = [earned]
    good = ~missing & (earned != _FAIL)
    for check in segment.checks:
        levels = check.flags_by_level(rows.time_ns, value)
        flags.extend(levels)
        if not check.rule.looks_back and not check.rule.looks_ahead:
            for level in levels:
                good &= level != _FAIL
    if outside.any():
        flags.append(_where(outside, _SUSPECT))
    if segment.expires_ns is not None:
        flags.append(_where(rows.time_ns >= segment.expires_ns, _SUSPECT))
    for mark in segment.marks:
        start, end = bounds_of(mark)
        inside = (start <= rows.time_ns) & (rows.time_ns < end)
        flags.append(_where(inside, mark.flag))
    flag = worst_flag(flags, len(rows))
    flag[missing] = _MISSING
    return value, u_random, u_systematic, flag, good


def _where(touched: _Mask, flag: int) -> Small:
    return np.where(touched, flag, _UNSET).astype(np.int8)


def _observations(
    segment: Segment, rows: Fresh, value: Float, u_random: Float, u_systematic: Float, flag: Small
) -> Iterator[Observations]:
    if not len(rows):
        return
    demoted = int(rows.doubt[0]) & DEMOTED
    for derivation, chosen in _derivations(segment, rows):
        yield Observations(
            channel=segment.channel,
            derivation=derivation,
            time_ns=rows.time_ns[chosen],
            start_ns=rows.start_ns[chosen],
            raw=rows.raw[chosen],
            value=value[chosen],
            u_random=u_random[chosen],
            u_systematic=u_systematic[chosen],
            flag=flag[chosen],
            doubt=rows.doubt[chosen],
            sequence=rows.sequence[chosen],
            rank=demoted_rank(segment.rank) if demoted else segment.rank,
        )


def _derivations(segment: Segment, rows: Fresh) -> Iterator[tuple[str, slice | _Mask]]:
    """A mark changes the derivation of what it covers, and of nothing else."""
    if not segment.marks:
        yield segment.derivation, slice(None)
        return
    begins = np.array([begin for begin, _ in segment.windows], np.int64)
    window = np.maximum(np.searchsorted(begins, rows.time_ns, side="right") - 1, 0)
    for name in dict.fromkeys(segment.windows[at][1] for at in np.unique(window)):
        here = [at for at, (_, own) in enumerate(segment.windows) if own == name]
        yield name, np.isin(window, here)


def taken_rows(rows: Fresh, chosen: slice | _Mask) -> Fresh:
    return Fresh(
        rows.time_ns[chosen],
        rows.start_ns[chosen],
        rows.raw[chosen],
        rows.sequence[chosen],
        rows.doubt[chosen],
        rows.second_input[:, chosen],
    )


def _joined(before: Fresh, after: Fresh) -> Fresh:
    return Fresh(
        np.concatenate([before.time_ns, after.time_ns]),
        np.concatenate([before.start_ns, after.start_ns]),
        np.concatenate([before.raw, after.raw]),
        np.concatenate([before.sequence, after.sequence]),
        np.concatenate([before.doubt, after.doubt]),
        np.concatenate([before.second_input, after.second_input], axis=1),
    )
