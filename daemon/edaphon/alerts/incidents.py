"""The book of incidents: what each event makes of it, and which events a look at the station adds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edaphon.alerts.message import Occasion
from edaphon.alerts.model import Condition, Event, Incident
from edaphon.alerts.situation import Situation

__all__ = ["Book", "Sent", "acknowledged", "replayed", "step"]


class Sent(NamedTuple):
    """The last message of an incident to one receiver; `state` is the incident's at that time."""

    occasion: Occasion
    state: int
    time_ns: int
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Book:
    """Incidents that are open or were closed lately, and what was sent of them.

    `sent` is by receiver and number; `times_ns` are by receiver the messages of the last day.
    """

    incidents: Mapping[int, Incident] = field(default_factory=dict)
    sent: Mapping[str, Mapping[int, Sent]] = field(default_factory=dict)
    times_ns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    last_number: int = 0

    @property
    def open(self) -> tuple[Incident, ...]:
        return tuple(one for one in self.incidents.values() if not one.resolved_ns)

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions of all open incidents, where a start of the service begins to look."""
        return tuple(part for one in self.open for part in one.parts)

    def to_json(self) -> dict[str, Any]:
        """For the state file."""
        return {}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "Book":
        return cls()


def step(book: Book, situation: Situation, found: tuple[Condition, ...]) -> list[Event]:
    """What is to be journalled now; the book after it is `replayed` of each of them in turn."""
    return []


def replayed(book: Book, event: Event) -> Book:
    """The book after an event; an event that it does not know changes nothing."""
    return book


def acknowledged(number: int, now_ns: int, until_ns: int, by: str, why: str) -> Event:
    """A person knows of it: nothing is repeated or escalated until then, unless it gets worse."""
    table = {"until_ns": until_ns, "by": by, "why": why}
    return Event("acknowledged", number, now_ns, table)
