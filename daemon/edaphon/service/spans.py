"""What a request means of the series: so many rows at most, and only channels that there are."""

from collections.abc import Collection

from edaphon.model import ALWAYS, Observations, Range
from edaphon.series import Series
from edaphon.storage.client import DaemonRefuses
from edaphon_calibration.errors import suggestion

__all__ = ["ranges_from", "runs_within"]

MOST_ROWS = 250_000  # in one answer, some 40 MB of JSON


def runs_within(series: Series, channel: str, start_ns: int, end_ns: int) -> list[Observations]:
    """Observations with start_ns <= time < end_ns; raises DaemonRefuses for too many of them."""
    runs: list[Observations] = []
    n = 0
    for run in series.runs(channel, start_ns, end_ns):
        n += len(run)
        if n > MOST_ROWS:
            raise DaemonRefuses(
                f"expected at most {MOST_ROWS} values in one request, there are more; ask for a"
                " shorter time, or use `edaphon query`"
            )
        runs.append(run)
    return runs


def ranges_from(
    known: Collection[str], channels: list[str], since_ns: int
) -> dict[str, list[Range]]:
    """Each of these channels from that time on; raises DaemonRefuses for one that is not known."""
    for id in channels:
        if id not in known:
            raise DaemonRefuses(
                f"expected the id of a channel, got {id[:80]!r}{suggestion(id[:80], known)}"
            )
    return {id: [(since_ns, ALWAYS[1])] for id in channels} if since_ns < ALWAYS[1] else {}
