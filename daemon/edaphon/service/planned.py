"""What is planned now, for status and page: visits that go on, and of what no data are expected."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edaphon.alerts.look import Situation, above, paused_nodes
from edaphon.service.watching.look import utc_now_ns
from edaphon.service.watching.pauses import pauses

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["Planned", "planned_now", "visit_rows"]

KINDS = "removal", "pause", "visit"


@dataclass(frozen=True, slots=True)
class Planned:
    """By what is known at this moment; the next look of the alerts may come half a minute later."""

    situation: Situation

    def kind(self, node: str) -> str:
        """Why no data are expected of a node: "removal", "pause" or "visit"; "" where they are."""
        if not self.situation.pauses:
            return ""
        needed = set(above(self.situation, node))
        kinds = (kind for kind in KINDS if needed & paused_nodes(self.situation, kind))
        return next(kinds, "")


def planned_now(service: "Service") -> Planned:
    now_ns, nodes = utc_now_ns(service), service.alerts.nodes
    found = pauses(service.deriver.knowledge, nodes, now_ns)
    return Planned(Situation(now_ns, 0, nodes, pauses=found))


def visit_rows(service: "Service") -> list[dict[str, Any]]:
    """The visits that go on, the one that ends first at the head."""
    now_ns = utc_now_ns(service)
    going = [one for one in service.deriver.knowledge.visits if one.covers(now_ns)]
    return [
        {"plot": one.plot, "who": one.who, "why": one.why, "end_ns": one.to_ns, "fact": one.id}
        for one in sorted(going, key=lambda one: (one.to_ns, one.plot))
    ]
