"""What goes out to a person, in the receiver's language, and what a way of sending may answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from edaphon.alerts.model import Severity
from edaphon.printer import visible, visible_lines

__all__ = ["Later", "Message", "Occasion", "Receiver", "Refused"]


class Occasion(StrEnum):
    OPENED = "opened"
    REPEATED = "repeated"  # not acknowledged for a day
    CHANGED = "changed"  # it grew or became worse
    RESOLVED = "resolved"
    SUMMARY = "summary"  # what came and went while nothing could be sent, or beyond the rate
    WELL = "well"  # the weekly "all is well"
    TEST = "test"
    VISIT_ENDED = "visit-ended"  # and not all at the plot speaks


@dataclass(frozen=True, slots=True)
class Message:
    """`short` is at most two lines and 160 characters of the GSM 03.38 alphabet.

    `title` is one line for subjects. `number` is that of the incident, 0 where it is about none.
    No character of the texts acts on a terminal, a mail or a chat, or hides there.
    """

    occasion: Occasion
    number: int
    severity: Severity
    title: str
    short: str
    text: str
    time_ns: int

    def __post_init__(self) -> None:
        shown = {"title": visible(" ".join(self.title.split()))}
        shown |= {name: visible_lines(getattr(self, name)) for name in ("short", "text")}
        for name, text in shown.items():
            object.__setattr__(self, name, text)


class Later(Exception):
    """It did not go out; the same message may later. `retry_after_s` where the server says so."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        self.why, self.retry_after_s = why, retry_after_s
        super().__init__(why)


class Refused(Exception):
    """The server will never take this message as it is: a wrong password, address or token."""


class Receiver(Protocol):
    """One way to one person or group. No secret stands in what it raises."""

    def send(self, message: Message) -> None:
        """Returns when the server has taken it, within 30 s as a whole. Raises Later, Refused."""
        ...

    def close(self) -> None: ...
