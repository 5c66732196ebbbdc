"""From raw numbers to observations: convert, calibrate, check, mark, for one segment of a channel.

Checks see the readings of a segment in the order they were kept. One that comes with an earlier
time than its predecessor is evaluated by itself, so a result never depends on how the stream of
entries was split, and a value already judged changes only when the value after it is needed.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edaphon.derive.segments import Segment
from edaphon.derive.state import Fresh, Memory
from edaphon.nouns import Float, Observations, Small
from edaphon_calibration.chain import Calibrated
from edaphon_calibration.flags import Flag, worst_flag

__all__ = ["evaluate", "latest_of"]

_SUSPECT, _UNSET, _MISSING = int(Flag.SUSPECT), int(Flag.NOT_EVALUATED), int(Flag.MISSING)
_FAIL = int(Flag.FAIL)
_Mask = npt.NDArray[np.bool_]


def evaluate(
    segment: Segment, memory: Memory | None, fresh: Fresh
) -> tuple[list[Observations], Memory]:
    """(new observations and revisions of earlier ones, what to remember)."""
    late = _late(memory, fresh)
    found: list[Observations] = []
    if late is not None:
        for i in np.flatnonzero(late):
            alone = _take(fresh, slice(int(i), int(i) + 1))
            found.extend(_observations(segment, alone, *_judged(segment, alone)))
        fresh = _take(fresh, ~late)
    if not len(fresh):
        assert memory is not None  # noqa: S101  only a memory can make every reading late
        return found, memory
    rows = _joined(memory.rows, fresh) if memory else fresh
    value, u_random, u_systematic, flag = _judged(segment, rows)
    issued = _issued(segment, memory, flag)
    columns = (value[issued], u_random[issued], u_systematic[issued], flag[issued])
    found.extend(_observations(segment, _take(rows, issued), *columns))
    keep = slice(max(0, len(rows) - segment.looks_back - segment.looks_ahead), len(rows))
    newest = int(rows.time_ns[-1])
    return found, Memory(_take(rows, keep), flag[keep], newest)


def latest_of(segment: Segment, fresh: Fresh) -> tuple[Calibrated, _Mask]:
    """(the values of fresh rows, which of them others may take beside theirs).

    Not those that fail a check by themselves; a check that looks at neighbours judges later, and
    what was taken by then must not depend on when.
    """
    found = segment.chain.apply(fresh.raw, fresh.time_ns, fresh.beside)
    good = ~np.isnan(found.value) & (fresh.doubt != _FAIL)
    for check in segment.checks:
        if not check.meta.looks_back and not check.meta.looks_ahead:
            for flags in check.flags_by_level(fresh.time_ns, found.value):
                good &= flags != _FAIL
    return found, good


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


def _judged(segment: Segment, rows: Fresh) -> tuple[Float, Float, Float, Small]:
    value, u_random, u_systematic, outside = segment.chain.apply(
        rows.raw, rows.time_ns, rows.beside
    )
    missing = np.isnan(value)
    flags = [rows.doubt]
    for check in segment.checks:
        flags.extend(check.flags_by_level(rows.time_ns, value))
    if outside.any():
        flags.append(_where(outside, _SUSPECT))
    if segment.expires_ns is not None:
        flags.append(_where(rows.time_ns >= segment.expires_ns, _SUSPECT))
    for mark in segment.marks:
        inside = np.array([mark.covers(int(t)) for t in rows.time_ns], bool)
        flags.append(_where(inside, mark.flag))
    flag = worst_flag(flags, len(rows))
    flag[missing] = _MISSING
    return value, u_random, u_systematic, flag


def _where(touched: _Mask, flag: int) -> Small:
    return np.where(touched, flag, _UNSET).astype(np.int8)


def _observations(
    segment: Segment, rows: Fresh, value: Float, u_random: Float, u_systematic: Float, flag: Small
) -> Iterator[Observations]:
    if not len(rows):
        return
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
            sequence=rows.sequence[chosen],
            rank=segment.rank,
        )


def _derivations(segment: Segment, rows: Fresh) -> Iterator[tuple[str, slice | _Mask]]:
    """A mark changes the derivation of what it covers, and of nothing else."""
    if not segment.marks:
        yield segment.derivation, slice(None)
        return
    names = np.array([segment.derivation_at(int(t)) for t in rows.time_ns], dtype=object)
    for name in dict.fromkeys(names.tolist()):
        yield name, names == name


def _take(rows: Fresh, chosen: slice | _Mask) -> Fresh:
    return Fresh(
        rows.time_ns[chosen],
        rows.start_ns[chosen],
        rows.raw[chosen],
        rows.sequence[chosen],
        rows.doubt[chosen],
        rows.beside[:, chosen],
    )


def _joined(before: Fresh, after: Fresh) -> Fresh:
    return Fresh(
        np.concatenate([before.time_ns, after.time_ns]),
        np.concatenate([before.start_ns, after.start_ns]),
        np.concatenate([before.raw, after.raw]),
        np.concatenate([before.sequence, after.sequence]),
        np.concatenate([before.doubt, after.doubt]),
        np.concatenate([before.beside, after.beside], axis=1),
    )
