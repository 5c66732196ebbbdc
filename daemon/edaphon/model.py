"""Data that travel between the rooms of the service: entry numbers, channels, observations."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "ALONE",
    "DEMOTED",
    "DEMOTED_RANKS",
    "Channel",
    "Float",
    "Int",
    "Observations",
    "EntryId",
    "Small",
    "demoted_rank",
]

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]
Small = npt.NDArray[np.int8]

ALONE = 16  # added to a doubt: the reading came late and was judged without its neighbours
DEMOTED = 32  # added to a doubt: any other reading of the same time stands over this one
DEMOTED_RANKS = 64  # ranks from here on are of demoted readings
_LOWEST_RANK = 127


def demoted_rank(rank: int) -> int:
    """The rank of a reading over which every other one of its time stands."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """A run of observations of one channel under one derivation, columns of equal length.

    Times are UTC ns. A missing number is NaN. `sequence` holds EntryId.number of each record.
    `raw` is in the instrument's unit, `value` and both uncertainties in the channel's unit. `doubt`
    is the flag that the record itself earned, whatever became of its number, plus ALONE, DEMOTED.

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
    doubt: Small
    sequence: Int
    rank: int = 0  # 0 for the primary deployment, then by order of entry; the lower stands
    ordinal: Int | None = None

    def __len__(self) -> int:
        return len(self.time_ns)
