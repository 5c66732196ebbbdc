"""Which message is due to whom: a function of the book, the receivers and the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import NamedTuple

from edaphon.alerts.incidents import Book
from edaphon.alerts.message import Occasion
from edaphon.alerts.model import Event, Severity

__all__ = ["Due", "ReceiverRules", "due", "refused", "sent"]

HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class ReceiverRules:
    """What one receiver wants. `hours` are the site's, (from, to); what is lost never waits.

    With `after_ns` it gets what nobody acknowledged for so long since it opened.
    """

    name: str
    classes: frozenset[Severity] = frozenset(Severity) - {Severity.COSMETIC}
    hours: tuple[time, time] | None = None
    offset_s: int = 0  # the site's time less UTC
    after_ns: int = 0
    language: str = "en"
    repeat_ns: int = 24 * HOUR_NS
    per_hour: int = 6
    per_day: int = 20


class Due(NamedTuple):
    """A message that is due: of one incident, or a SUMMARY of several.

    `states` are those of the incidents of `numbers`, in their order.
    """

    receiver: str
    numbers: tuple[int, ...]
    states: tuple[int, ...]
    occasion: Occasion


def due(book: Book, receivers: Sequence[ReceiverRules], now_ns: int) -> list[Due]:
    """What is due now, the worst first; each is due until its event `sent` or `refused` came."""
    return []


def sent(message: Due, now_ns: int) -> Event:
    """What the journal keeps of a message that its receiver has taken."""
    return _event("sent", message, now_ns)


def refused(message: Due, now_ns: int, why: str) -> Event:
    """What the journal keeps of a message that its receiver will never take."""
    event = _event("refused", message, now_ns)
    return event._replace(table={**event.table, "why": why})


def _event(did: str, message: Due, now_ns: int) -> Event:
    number = message.numbers[0] if len(message.numbers) == 1 else 0
    table = {
        "receiver": message.receiver,
        "occasion": message.occasion.value,
        "numbers": list(message.numbers),
        "states": list(message.states),
    }
    return Event(did, number, now_ns, table)
