"""What is wrong at one moment: each kind of condition is one small function of a situation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edaphon.alerts.model import Condition, What
from edaphon.alerts.situation import Situation

__all__ = ["Found", "conditions"]

Key = tuple[str, What]


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a situation found: `standing` is wrong now; the rest waits for its hold.

    `suspected` and `mending` are the monotonic times [ns] at which something began to be wrong, or
    to be right again. A start of the service begins with `Found.of(book.parts)`.
    """

    standing: tuple[Condition, ...] = ()
    suspected: Mapping[Key, int] = field(default_factory=dict)
    mending: Mapping[Key, int] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: tuple[Condition, ...]) -> "Found":
        return cls(standing=parts)


def conditions(situation: Situation, before: Found) -> Found:
    """Look at a situation; `before` is what the last look found."""
    return Found()
