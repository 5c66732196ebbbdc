"""What travels between the rooms of the service: entry ids, channels, readings, observations."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from edaphon.clock import FAR_NS

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]
Small = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]

# Added to a source flag:
ALONE = 16  # the reading came late and was judged without its neighbours
DEMOTED = 32  # any other reading of the same time comes before this one
DEMOTED_RANKS = 64  # ranks from here on are of demoted readings
_LOWEST_RANK = 127
_EVERY = slice(None)
_Column = np.ndarray

Range = tuple[int, int]  # from, to [UTC ns)
ALWAYS: Range = (-FAR_NS, FAR_NS)


def demoted_rank(rank: int) -> int:
    """The rank of a reading that comes behind every other one of its time."""
    return min(_LOWEST_RANK, rank + DEMOTED_RANKS)


class EntryId(NamedTuple):
    """The place of an entry in its journal: number of the file, number within it (from 1)."""

    file: int
    n: int

    @property
    def number(self) -> int:
        """One integer that sorts like the pair; what a column of sequences holds."""
        return self.file << 32 | self.n

    @classmethod
    def of(cls, number: int) -> "EntryId":
        return cls(number >> 32, number & 0xFFFFFFFF)

    def __str__(self) -> str:
        return f"{self.file}.{self.n}"


@dataclass(frozen=True, slots=True)
class Channel:
    """One long-term series at a site; it outlives sensors and loggers.

    `unit` is pint's spelling of the unit of `value`; `depth_cm` is the nominal label, "" if none.
    """

    id: str
    quantity: str
    unit: str
    site: str
    plot: str = ""
    profile: str = ""
    depth_cm: str = ""
    statistic: str = "instant"
    replicate: int = 1


class Columns:
    """Rows as columns of equal length; `take` and `concat` keep every column that a class has.

    A field that holds an array is a column, and its last axis counts the rows.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def take(self, rows: slice | Mask | Int) -> Self:
        """Some of the rows, by a slice, a mask or their places."""
        if isinstance(rows, slice) and rows == _EVERY:
            return self
        own = [
            x if not isinstance(x, _Column) else x[rows] if x.ndim == 1 else x[:, rows]
            for x in _getter(self.__match_args__)(self)
        ]
        return type(self)(*own)

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, in their order; what is no column is as in the first."""
        if len(parts) == 1:
            return parts[0]
        fields = zip(*map(_getter(cls.__match_args__), parts), strict=True)
        return cls(*[np.concatenate(x, -1) if isinstance(x[0], _Column) else x[0] for x in fields])


@cache
def _getter(names: tuple[str, ...]) -> "attrgetter[tuple[Any, ...]]":
    return attrgetter(*names)


@dataclass(frozen=True, slots=True, eq=False)
class Readings(Columns):
    """Readings of one output that wait for their values, in the order they came.

    `second_input` has three rows for each second input of the chain: value, u_random, u_systematic.
    """

    time_ns: Int
    start_ns: Int
    raw: Float
    sequence: Int
    source_flag: Small  # what the record itself earned: a wrong serial number, a wrong clock
    second_input: Float

    def __len__(self) -> int:
        return len(self.time_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Observations(Columns):
    """A run of observations of one channel under one derivation.

    Times are UTC ns. A missing number is NaN. `sequence` holds EntryId.number of each record.
    `raw` is in the instrument's unit, `value` and both uncertainties in the channel's unit.
    `source_flag` is the flag that the record itself earned, whatever became of its number, plus
    ALONE, DEMOTED.

    With `ordinal` they are further readings of a record for times of which it gave one before,
    counted from 1: these never stand, so they have no value.
    """

    channel: str
    derivation: str
    time_ns: Int
    start_ns: Int  # begin of the support; equal to time_ns for an instant
    raw: Float
    value: Float
    u_random: Float
    u_systematic: Float
    flag: Small
    source_flag: Small
    sequence: Int
    rank: int = 0  # 0 for the primary deployment, then by order of entry; the lower counts
    ordinal: Int | None = None

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def readings(self) -> Readings:
        """As the instrument gave them, without second inputs."""
        none = np.zeros((0, len(self)))
        return Readings(
            self.time_ns, self.start_ns, self.raw, self.sequence, self.source_flag, none
        )


class FactName(NamedTuple):
    """Of a fact that was entered: its id, and what it puts right or takes back."""

    id: str
    supersedes: str | None = None
    revokes: str | None = None


def in_force(entered: Sequence[FactName]) -> list[int]:
    """Which of these facts are neither superseded nor revoked, by place in order of entry.

    Later facts decide about earlier ones, so one walk from the last to the first does. A revocation
    takes back the latest fact of that id that none has taken back before, so two of them take a
    thing two descriptions back; a superseded fact still supersedes.
    """
    superseded: set[str] = set()
    revoked = Counter[str]()
    found: list[int] = []
    for place in reversed(range(len(entered))):
        fact = entered[place]
        if revoked[fact.id]:
            revoked[fact.id] -= 1
            continue
        is_current = fact.id not in superseded
        if fact.supersedes is not None:
            superseded.add(fact.supersedes)
        if is_current:
            found.append(place)
            if fact.revokes is not None:
                revoked[fact.revokes] += 1
    return found[::-1]
