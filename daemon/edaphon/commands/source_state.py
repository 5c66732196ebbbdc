"""Whether a source speaks as it should: ok, late, silent, held until the clock is known, never."""

from dataclasses import dataclass

__all__ = ["CHUNK_NS", "Heard", "source_state"]

LATE_INTERVALS, SILENT_INTERVALS = 2, 4
USUAL_INTERVAL_NS = 3_600_000_000_000
CHUNK_NS = 12_000_000_000  # a stream is journalled in chunks of 10 s, and then derived


@dataclass(frozen=True, slots=True)
class Heard:
    """When a source spoke last, on clocks [ns] that go on alike.

    `collects_ns` is how long what it says may be on its way, `held` whether it waits for the clock.
    """

    last_ns: int | None
    now_ns: int
    interval_ns: int | None
    collects_ns: int = 0
    held: bool = False


def source_state(heard: Heard) -> str:
    if heard.last_ns is None:
        return "never"
    age_ns = heard.now_ns - heard.last_ns - heard.collects_ns
    intervals = age_ns / (heard.interval_ns or USUAL_INTERVAL_NS)
    if intervals > SILENT_INTERVALS:
        return "silent"
    if intervals > LATE_INTERVALS:
        return "late"
    return "held" if heard.held else "ok"
