"""The table twin of a line: one row for each hour of the site's day."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edaphon.model import Float, Int, Observations, Small
from edaphon.web.line import in_window
from edaphon.web.numbers import rounded
from edaphon.web.words import flag_sign, time_of_day
from edaphon_calibration.flags import Flag

__all__ = ["Hour", "hours"]

HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Hour:
    begin: str
    lowest: str
    highest: str
    flags: str


def hours(
    runs: Sequence[Observations], start_ns: int, end_ns: int, offset_s: int, decimals: int
) -> tuple[Hour, ...]:
    """Newest first, so the times need no date; hours without an observation are left out."""
    time_ns, value, flag = in_window(runs, start_ns, end_ns)
    hour = (time_ns + offset_s * 10**9) // HOUR_NS
    bounds = [*np.flatnonzero(np.diff(hour, prepend=hour[:1] - 1)), len(hour)]
    parts = [slice(a, b) for a, b in pairwise(bounds)][::-1]
    return tuple(_hour(time_ns[p], value[p], flag[p], offset_s, decimals) for p in parts)


def _hour(time_ns: Int, value: Float, flag: Small, offset_s: int, decimals: int) -> Hour:
    begin_ns = int(time_ns[0]) - (int(time_ns[0]) + offset_s * 10**9) % HOUR_NS
    there = value[np.isfinite(value)]
    low, high = (f(there) for f in (np.min, np.max)) if len(there) else (None, None)
    return Hour(
        time_of_day(begin_ns, offset_s),
        "–" if low is None else rounded(float(low), decimals),
        "–" if high is None else rounded(float(high), decimals),
        _flags(flag),
    )


def _flags(flag: Small) -> str:
    """The one flag of all, or how many have which."""
    found, n = np.unique(flag, return_counts=True)
    if len(found) == 1:
        return flag_sign(int(found[0])).word
    counted = zip(found, n, strict=True)
    return ", ".join(f"{k} {flag_sign(int(f)).word}" for f, k in counted if f != Flag.PASSED)
