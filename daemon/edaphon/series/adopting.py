"""Taking over rows of another series: which of the old ones stay, and what differs then."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edaphon.model import Int
from edaphon.series.conflicts import among, replaced, within
from edaphon.series.reader import Part
from edaphon.series.rows import Rows

__all__ = ["Adopted", "Adoption", "Combined"]

Ranges = Sequence[tuple[int, int]]


class Adopted(NamedTuple):
    """What adopting changed: rows that differ now, and the readings that were held there before.

    `kept` rows stay though nothing was derived of their entries: these can't be read.
    """

    differing: int
    before: int
    kept: int = 0


class Combined(NamedTuple):
    """The rows of a part of a day now, whether any differ, and the times that went [UTC ns]."""

    rows: Rows
    differ: bool
    gone: Int
    counts: Adopted


class Adoption(NamedTuple):
    """Times [UTC ns) that are taken over, entries that can't be read (from and to the number of
    their sequence), times at which the channel is fed still, and the number of the change."""

    ranges: Ranges
    unreadable: Ranges
    fed: Ranges
    number: int

    def wanted(self, taken: Rows, part: Part) -> Rows:
        """Of the rows of the other series those that are taken over into a part."""
        inside = within(taken["time_ns"], self.ranges)
        return taken[inside & within(taken["time_ns"], [(part.from_ns, part.until_ns)])]

    def combined(self, old: Rows, taken: Rows) -> Combined:
        here = within(old["time_ns"], self.ranges)
        stays = here & among(old["sequence"], self.unreadable) & within(old["time_ns"], self.fed)
        stays &= ~np.isin(old["time_ns"], taken["time_ns"])
        new = np.concatenate([old[~here | stays], taken])
        new = new[np.argsort(new["time_ns"], kind="stable")]
        rows, differs, gone = replaced(old, new, self.number)
        differing = int(differs.sum()) + len(gone)
        counts = Adopted(differing, int(here.sum()), int(stays.sum()))
        return Combined(rows, bool(differing), gone, counts)
