"""The worker that brings every observation to one sink, through any state of its server.

The feeding side implements Feed; Delivery asks it for a batch, brings the batch to the sink,
keeps what the server refuses for good in SetAside, and only then calls `delivered`. So a batch
may be brought twice and is never skipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from edaphon.nouns import Channel, Int, Observations

__all__ = ["Batch", "Feed", "SetAside", "Withdrawal"]


class Withdrawal(NamedTuple):
    """Observations that vanished or lost a number and must leave the sink."""

    channel: Channel
    times_ns: Int


@dataclass(frozen=True, slots=True)
class Batch:
    """What waits for a sink; the withdrawals happen before the observations are written.

    `upto` is the feed's own token for the place after this batch; the worker only hands it back.
    """

    observations: Sequence[Observations]
    withdrawals: Sequence[Withdrawal]
    upto: Any


class Feed(Protocol):
    """Where a sink's batches come from; called by the worker's thread alone."""

    def next_batch(self, limit: int) -> Batch | None:
        """What follows the last delivered place, at most `limit` observations; None: nothing waits.

        Until `delivered` is called the same place is read again; the batch may have grown.
        """
        ...

    def delivered(self, upto: Any) -> None:
        """Everything up to this place is in the sink or set aside: keep the cursor."""
        ...


class SetAside(Protocol):
    """Points that a sink refused for good; durable when `add` returns."""

    def add(
        self, sink: str, channel: str, time_ns: int, sequence: int, words: str, tries: int
    ) -> None: ...

    def clear(self, sink: str, channel: str, time_ns: int) -> None: ...

    def keys(self, sink: str) -> set[tuple[str, int]]:
        """(channel, time) of every point of this sink that is set aside."""
        ...
