"""The account of the lines of a piece while it is read, cut into slices of bounded size."""

from dataclasses import dataclass, field

from edaphon_drivers.files.lines import Context, LineCounts, RefusedLine, Slice
from edaphon_drivers.readings import Reading

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
