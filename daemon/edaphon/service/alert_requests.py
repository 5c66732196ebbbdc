"""What the daemon answers about its alerts: incidents, acknowledgements, test messages."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edaphon.alerts.book import Book
from edaphon.alerts.due import waiting
from edaphon.alerts.look import unheard
from edaphon.alerts.notifier import Sender, UnknownIncident
from edaphon.journal.journal import JournalClosed
from edaphon.service.problems import incident_rows
from edaphon.service.watching.alerting import Writer, tried
from edaphon.service.watching.pauses import plot_nodes
from edaphon.storage.client import DaemonRefuses

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["answer"]


def answer(service: "Service", request: Mapping[str, Any]) -> dict[str, Any]:
    match request["do"]:
        case "ack":
            return _acknowledged(service, request)
        case "test":
            return {"sent": _tested(service, str(request["receiver"]))}
        case "unheard":
            return {"unheard": _unheard(service, str(request["plot"]))}
    return _listed(service)


def _listed(service: "Service") -> dict[str, Any]:
    alerts = service.alerts
    now_ns = service.keeper.now_ns()
    return {
        "known": alerts.kept.ready,
        "incidents": incident_rows(service),
        "undelivered": alerts.undelivered(now_ns),
        "receivers": [
            _receiver(name, one, alerts.book, now_ns) for name, one in alerts.senders.items()
        ],
    }


def _receiver(name: str, one: Sender, book: Book, now_ns: int) -> dict[str, Any]:
    found = {"name": name, "refuses": one.refuses, "delayed": one.delayed, "hangs": one.hangs}
    waits, until_ns = waiting(book, one.rules, now_ns)
    return found | {"waiting": waits, "waiting_until_ns": until_ns}


def _acknowledged(service: "Service", request: Mapping[str, Any]) -> dict[str, Any]:
    number, now_ns = int(request["number"]), service.keeper.now_ns()
    until_ns = now_ns + int(request["for_ns"])
    try:
        service.alerts.acknowledge(
            number,
            now_ns,
            until_ns,
            str(request["who"]),
            str(request["why"]),
            str(request.get("account", "")),
        )
    except UnknownIncident:
        numbers = ", ".join(str(one.number) for one in service.alerts.book.open) or "none"
        raise DaemonRefuses(
            f"expected the number of an open incident ({numbers}), got {number}"
        ) from None
    except JournalClosed:
        raise DaemonRefuses("the service stops now; ask again when it runs") from None
    return {"until_ns": until_ns}


def _unheard(service: "Service", plot: str) -> list[dict[str, Any]]:
    """What of a plot does not speak yet, by the last look."""
    situation = service.alerts.situation
    if situation is None:
        raise DaemonRefuses("the service starts just now; ask again in a minute")
    nodes = situation.nodes
    return [
        {"node": one.node, "label": f"{nodes[one.node].kind} {nodes[one.node].label}"}
        | {"last_ns": one.last_ns}
        for one in unheard(situation, plot_nodes(nodes, plot))
    ]


def _tested(service: "Service", receiver: str) -> list[dict[str, str]]:
    """What became of a test message, for each receiver that is meant."""
    found: list[dict[str, str]] = []
    for notify in service.config.notify:
        if receiver in {"", notify.name}:
            message = Writer(service.config, notify.language).trial(service.keeper.now_ns())
            sender = service.alerts.senders[notify.name]
            found.append(tried(notify.name, sender.send, message))
    return found
