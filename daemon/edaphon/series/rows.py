"""Rows of the series: one fixed layout for a day of one channel in memory, on disk, in a digest."""

import hashlib
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from edaphon.clock import DAY_NS
from edaphon.model import Int, Observations

# `derivation` is a number of the series' own table of derivations, `change` the number of the
# change that gave the row its present content; neither is part of a digest.
LARGEST_DAY = 4_000_000  # rows: 46 a second
_TIMES_AT_ONCE = 65_536
_ROWS_AT_ONCE = 10_000  # less than a megabyte
_NO_ORDER = "expected rows in the order of their times"
ROW = np.dtype(
    [
        ("time_ns", "<i8"),
        ("support_ns", "<i8"),
        ("raw", "<f8"),
        ("value", "<f8"),
        ("u_random", "<f8"),
        ("u_systematic", "<f8"),
        ("flag", "i1"),
        ("source_flag", "i1"),
        ("rank", "i1"),
        ("sequence", "<i8"),
        ("derivation", "<i4"),
        ("change", "<i8"),
    ]
)
Rows = npt.NDArray[np.void]
_DIGESTED = [name for name in ROW.names or () if name not in {"change", "derivation"}]
# Of these a run has columns of its own, and does not hold the rows in memory.
_COLUMNS = [
    name
    for name in Observations.__match_args__
    if name in (ROW.names or ()) and name not in {"derivation", "rank"}
]
_COMPARED = ["derivation", *_DIGESTED]  # what mostly differs first


def no_rows() -> Rows:
    return np.empty(0, ROW)


def rows_of(run: Observations, derivation: int, change: int) -> Rows:
    rows = np.empty(len(run), ROW)
    for name in _COLUMNS:
        rows[name] = getattr(run, name)
    rows["support_ns"] = run.time_ns - run.start_ns
    rows["rank"] = run.rank
    rows["derivation"] = derivation
    rows["change"] = change
    return rows


def runs_of(channel: str, rows: Rows, name: Callable[[int], str]) -> Iterator[Observations]:
    """The rows as runs of one derivation each, in the order of the rows."""
    if not len(rows):
        return
    new = (np.diff(rows["derivation"]) != 0) | (np.diff(rows["rank"]) != 0)
    for part in np.split(rows, np.flatnonzero(new) + 1):
        columns = {column: np.ascontiguousarray(part[column]) for column in _COLUMNS}
        start_ns = part["time_ns"] - part["support_ns"]
        yield Observations(
            channel=channel,
            derivation=name(int(part["derivation"][0])),
            start_ns=start_ns,
            rank=int(part["rank"][0]),
            **columns,
        )


def follows(rows: Rows, last_ns: int) -> bool:
    """Whether the rows lie behind that time, each behind the one before."""
    times = rows["time_ns"]
    return bool(times[0] > last_ns and (times[1:] > times[:-1]).all())


def overlaid(rows: Rows, over: Rows) -> Rows:
    """Both in one, in the order of time; of two of one time that of `over`."""
    if not len(rows) or not len(over):
        return over if len(over) else rows
    if over["time_ns"][0] > rows["time_ns"][-1]:
        return np.concatenate([rows, over])
    at = np.searchsorted(rows["time_ns"], over["time_ns"])
    new = rows["time_ns"][np.minimum(at, len(rows) - 1)] != over["time_ns"]
    both = np.empty(len(rows) + np.count_nonzero(new), ROW)
    places = at + np.cumsum(new) - new  # behind the new ones before it
    free = np.ones(len(both), bool)
    free[places[new]] = False
    both[free] = rows
    both[places] = over
    return both


def days_of(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """(UTC day since 1970, its rows); cheap for rows of a single day."""
    days = rows["time_ns"] // DAY_NS
    if days[0] == days[-1] and (days == days[0]).all():
        yield int(days[0]), rows
        return
    steps = np.diff(days)
    if (steps < 0).any():
        order = np.argsort(days, kind="stable")
        rows, steps = rows[order], np.diff(days[order])
    for part in np.split(rows, np.flatnonzero(steps) + 1):
        yield int(part["time_ns"][0] // DAY_NS), part


def changed_rows(old: Rows, new: Rows) -> npt.NDArray[np.bool_]:
    """Which of two row arrays of equal length differ in anything but their change number."""
    differs = np.zeros(len(new), bool)
    for name in _COMPARED:
        a, b = old[name], new[name]
        if ROW[name].kind == "f":
            differs |= ~((a == b) | ((a != a) & (b != b)))  # NaN equals NaN here
        else:
            differs |= a != b
        if differs.all():
            break
    return differs


def digest(rows: Rows, name: Callable[[int], str]) -> str:
    """16 hex digits over everything that a row means; equal for equal content on any machine."""
    hashed = hashlib.sha256()
    for field in _DIGESTED:
        hashed.update(np.ascontiguousarray(rows[field]).tobytes())
    numbers, index = np.unique(rows["derivation"], return_inverse=True)
    names = [name(int(number)) for number in numbers]
    order = np.argsort(np.array(names, dtype=object))
    place = np.empty(len(names), "<i4")
    place[order] = np.arange(len(names), dtype="<i4")
    hashed.update("\n".join(names[i] for i in order).encode())
    hashed.update(place[index].tobytes())
    return hashed.hexdigest()[:16]


def pack_rows(rows: Rows) -> bytes:
    """Column after column, deflated; a day of one channel at one minute takes some 20 kB."""
    columns = [np.ascontiguousarray(rows[name]).tobytes() for name in ROW.names or ()]
    return zlib.compress(b"".join(columns), 1)


def unpack_rows(data: bytes, n: int) -> Rows:
    """Raises ValueError where there are not n rows in the order of their times.

    Times that follow each other hardly pack: memory stays some dozen times that of `data`.
    """
    if not 0 <= n <= LARGEST_DAY:
        raise ValueError(f"expected a day of at most {LARGEST_DAY} rows, got {n}")
    unpacking = _Unpacking(data)
    rows = _at_once(unpacking, n) if n <= _ROWS_AT_ONCE else _by_columns(unpacking, n)
    if unpacking.more:
        raise ValueError(f"expected {n} rows, got more")
    return rows


def _at_once(unpacking: "_Unpacking", n: int) -> Rows:
    raw, at = unpacking.take(n * ROW.itemsize), 0
    rows = np.empty(n, ROW)
    for name in ROW.names or ():
        rows[name] = np.frombuffer(raw, ROW[name], n, at)
        at += ROW[name].itemsize * n
    if (rows["time_ns"][1:] <= rows["time_ns"][:-1]).any():
        raise ValueError(_NO_ORDER)
    return rows


def _by_columns(unpacking: "_Unpacking", n: int) -> Rows:
    times = unpacking.times(n)
    rows = np.empty(n, ROW)
    rows["time_ns"] = times
    for name in (ROW.names or ())[1:]:
        rows[name] = np.frombuffer(unpacking.take(n * ROW[name].itemsize), ROW[name])
    return rows


class _Unpacking:
    """What was deflated, as much of it at a time as is asked for."""

    def __init__(self, data: bytes) -> None:
        self._inflating, self._left = zlib.decompressobj(), data

    def take(self, size: int) -> bytes:
        """Raises ValueError where there are fewer bytes, zlib.error for what is damaged."""
        if not size:
            return b""  # for zlib 0 is no bound
        found = self._inflating.decompress(self._left, size)
        self._left = self._inflating.unconsumed_tail
        if len(found) != size:
            raise ValueError(f"expected {size} bytes more of rows, got {len(found)}")
        return found

    def times(self, n: int) -> Int:
        parts, last = [], -(2**63)
        for begin in range(0, n, _TIMES_AT_ONCE):
            part = np.frombuffer(self.take(8 * min(_TIMES_AT_ONCE, n - begin)), "<i8")
            if part[0] < last or (part[1:] <= part[:-1]).any() or (begin and part[0] == last):
                raise ValueError(_NO_ORDER)
            parts.append(part)
            last = int(part[-1])
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    @property
    def more(self) -> bool:
        return not self._inflating.eof and bool(self._inflating.decompress(self._left, 1))
