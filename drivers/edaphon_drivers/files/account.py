"""The account of a file's lines: each is a row, a header, blank, or refused with its reason."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edaphon_drivers.readings import Reading

TEXT_BYTES = 80


class RefusedLine(NamedTuple):
    """A line that is no row; `line` is its number in the file, or in the piece of version 1."""

    line: int
    reason: str
    text: bytes  # its first TEXT_BYTES bytes


class LineCounts(NamedTuple):
    """How many lines were what.

    Rows that `only` leaves out are rows. Headers are also comments, lines of names or units above
    the rows, and what an .81x writes between and below its rows. A line of separators is blank.
    """

    rows: int = 0
    headers: int = 0
    blank: int = 0
    refused: int = 0

    @property
    def lines(self) -> int:
        return sum(self)


class Context(NamedTuple):
    """What the lines before decide about the next one; `FIRST` at the start of a file.

    `stamp` is the text of the last row's time and `same` how many rows in a row had it; `local_ns`
    is that time as the file says it, `later` whether it was the second pass of a doubled hour, and
    `year` the year of a file that says none. `width` is how many cells a row has where neither
    names nor sheet say it. `begun_ns` is where elapsed time was 0, or an observation of an .81x
    began, `ended_ns` where that ended [UTC]. `fresh`: no row came yet below the last header, None
    where no line said it.
    """

    stamp: str = ""
    same: int = 0
    local_ns: int | None = None
    later: bool = False
    year: int | None = None
    width: int | None = None
    begun_ns: int | None = None
    ended_ns: int | None = None
    fresh: bool | None = None

    def to_json(self) -> list[Any]:
        return list(self)

    @classmethod
    def of_json(cls, row: list[Any]) -> "Context":
        return cls(*row)


FIRST = Context()


class Slice(NamedTuple):
    """The next lines of a piece: what they say, what they are, and the context of what follows.

    `refused` holds each refused line, so as many as `counts.refused`.
    """

    readings: tuple[Reading, ...]
    counts: LineCounts
    refused: tuple[RefusedLine, ...]
    context: Context


SLICE_READINGS = 4000


@dataclass(slots=True)
class Account:
    """What the lines of the next slice say and are; `context` is that of the line after them."""

    context: Context
    readings: list[Reading] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)
    rows: int = 0
    headers: int = 0
    blank: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.readings) + len(self.refused) >= SLICE_READINGS

    def cut(self) -> Slice:
        """What was collected since the last cut."""
        counts = LineCounts(self.rows, self.headers, self.blank, len(self.refused))
        found = Slice(tuple(self.readings), counts, tuple(self.refused), self.context)
        self.readings, self.refused = [], []
        self.rows = self.headers = self.blank = 0
        return found
