"""What fails together has one cause: conditions are gathered at the node that explains them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edaphon.alerts.model import Condition, Incident, Severity, What
from edaphon.alerts.situation import Situation

__all__ = ["Cause", "causes", "group"]


@dataclass(frozen=True, slots=True)
class Cause:
    """A node, what is wrong with it, the nodes that fail with it, and the conditions gathered."""

    node: str
    what: What
    severity: Severity
    since_ns: int
    members: tuple[str, ...]
    parts: tuple[Condition, ...]
    numbers: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.node, group(self.what)


def group(what: What) -> str:
    """Two things wrong with one node are one incident if they have the same group."""
    return "data"


def causes(
    situation: Situation, found: tuple[Condition, ...], open_: tuple[Incident, ...] = ()
) -> tuple[Cause, ...]:
    """The causes of what was found; an open incident of a supply takes in what fails below it."""
    return ()
