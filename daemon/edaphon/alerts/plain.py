"""A message without any text of its kind: for when the texts of an incident can't be filled in."""

from collections.abc import Sequence

from edaphon.alerts.language import MOST_TITLE, shortened
from edaphon.alerts.message import Message, Occasion
from edaphon.alerts.model import Incident, Severity
from edaphon.printer import visible

__all__ = ["plain"]

_SHORT = 160


def plain(incidents: Sequence[Incident], occasion: Occasion, now_ns: int, why: str) -> Message:
    """The facts as they are; `why` the texts failed."""
    lines = [f"{one.what} at {one.cause} (incident {one.number})" for one in incidents]
    title = visible(f"{occasion}: {', '.join(lines) or 'no incident'}")
    details = [
        f"{one.number}: {one.severity}, {len(one.members)} nodes: {', '.join(one.members)}"
        for one in incidents
    ]
    details.append(f"(the texts of this message failed: {why})")
    worst = min((one.severity for one in incidents), key=list(Severity).index, default=None)
    return Message(
        occasion=occasion,
        number=incidents[0].number if len(incidents) == 1 else 0,
        severity=worst or Severity.COSMETIC,
        title=shortened(title, MOST_TITLE),
        short=title.encode("ascii", "replace").decode()[:_SHORT],
        text="\n".join(
            [title, *map(visible, details), f"(the texts of this message failed: {visible(why)})"]
        )
        + "\n",
        time_ns=now_ns,
    )
