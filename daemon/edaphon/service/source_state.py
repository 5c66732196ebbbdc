"""Whether a source speaks as it should: ok, late, silent, held until the clock is known, never."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edaphon_calibration.flags import Flag

__all__ = ["CHUNK_NS", "Received", "failing_words", "silent_words", "source_state"]

LATE_INTERVALS, SILENT_INTERVALS = 2, 4
USUAL_INTERVAL_NS = 3_600_000_000_000
CHUNK_NS = 12_000_000_000  # a stream is journalled in chunks of 10 s, and then derived


@dataclass(frozen=True, slots=True)
class Received:
    """When a source spoke last, on clocks [ns] that go on alike.

    `collects_ns` is how long what it says may be on its way, `held` whether it waits for the clock,
    `alive_ns` how long the service has listened.
    """

    last_ns: int | None
    now_ns: int
    interval_ns: int | None
    collects_ns: int = 0
    held: bool = False
    alive_ns: int = 0


def source_state(received: Received) -> str:
    if received.last_ns is None:
        age_ns = received.alive_ns - received.collects_ns
        overdue = received.interval_ns and age_ns > SILENT_INTERVALS * received.interval_ns
        return "silent" if overdue else "never"
    age_ns = received.now_ns - received.last_ns - received.collects_ns
    if received.alive_ns:  # what passed while the service was off was not its silence
        age_ns = min(age_ns, received.alive_ns)
    intervals = age_ns / (received.interval_ns or USUAL_INTERVAL_NS)
    if intervals > SILENT_INTERVALS:
        return "silent"
    if intervals > LATE_INTERVALS:
        return "late"
    return "held" if received.held else "ok"


def silent_words(sources: Iterable[Mapping[str, Any]], known: Container[str]) -> Iterator[str]:
    """Sources that are silent, apart from those of which the reason is reported already.

    Of a source without `interval` or `expect` nobody said how often it speaks: it is no problem.
    """
    for source in sources:
        silent = source["state"] == "silent" and source["interval_ns"] is not None
        if silent and source["path"] not in known:
            why = f" ({source['detail']})" if source["detail"] else ""
            yield f"{source['path']}: silent{why}: check power, cable, address and sender"


def failing_words(channels: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Channels whose newest value failed its checks or is no number."""
    what = {Flag.FAIL: "failed its checks", Flag.MISSING: "is missing: the instrument gave none"}
    for channel in channels:
        latest = channel["latest"]
        if latest is not None and latest["flag"] in what:
            words = f"channel {channel['id']}: the newest value {what[latest['flag']]}"
            yield f"{words}; see `edaphon explain {channel['id']}`"
