"""Waiting until all is derived again, by the daemon or here when it is off; what then differs."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from edaphon.derive.projection import derived_by
from edaphon.model import Int
from edaphon.printer import overwrite
from edaphon.series import Series
from edaphon.storage.access import Storage
from edaphon.storage.client import DaemonOff
from edaphon.storage.offline import settled_deriver

__all__ = ["Before", "before_now", "differing_since", "follow", "reading", "wait_derived"]

POLL_S = 0.2


class Before(NamedTuple):
    """Up to which change and which record the series was written at a moment."""

    change: int
    last: int


def before_now(storage: Storage) -> Before:
    with contextlib.suppress(DaemonOff):  # what it flushed at its stop is all there is
        storage.ask("flush")
    if not storage.layout.series.exists():
        return Before(0, 0)
    with reading(storage) as series:
        return Before(series.change, derived_by(series).position.number)


def wait_derived(storage: Storage, before: Before) -> int:
    """How many rows became others since then."""
    try:
        follow(storage, storage.ask("recalibrate"))
        storage.ask("flush")
    except DaemonOff:
        _tell(("all that was entered",))
        with settled_deriver(storage):
            pass
    finally:
        _tell(())
    with reading(storage) as series:
        return sum(differing_since(series, before).values())


def differing_since(series: Series, before: Before) -> dict[str, int]:
    """By channel, rows of records of that time that are others now, or are no more."""
    times: dict[str, list[Int]] = {}
    for head in series.changed_heads(before.change):
        runs = series.rows_above(head.channel, head.day, before.change)
        known = [run.time_ns[run.sequence <= before.last] for run in runs]
        times.setdefault(head.channel, []).extend(known)
    for gone in series.withdrawn_above(before.change):
        times.setdefault(gone.channel, []).append(gone.times_ns)
    return {channel: len(np.unique(np.concatenate(own))) for channel, own in times.items() if own}


@contextmanager
def reading(storage: Storage) -> Iterator[Series]:
    series = Series(storage.layout.series, read_only=True)
    try:
        yield series
    finally:
        series.close()


def follow(storage: Storage, answer: dict[str, Any]) -> dict[str, Any]:
    """Until the daemon says that all is derived again: its last answer."""
    while not answer["done"]:
        _tell(answer["pending"])
        time.sleep(POLL_S)
        answer = storage.ask("recalibrate")
    _tell(())
    return answer


def _tell(pending: Sequence[str]) -> None:
    more = f" and {len(pending) - 1} more" if len(pending) > 1 else ""
    words = f"deriving again: {pending[0]}{more}" if pending else ""
    overwrite(words)
