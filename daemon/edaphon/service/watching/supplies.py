"""Measured supplies: which voltage feeds what, and what the instruments on it need."""

from collections.abc import Iterable, Mapping

from edaphon.alerts.model import Node
from edaphon.config import Configuration, HeardSource, ScheduledSource
from edaphon.facts import Knowledge
from edaphon.facts.model import ChannelFact, Deployment
from edaphon_drivers.sheets import Sheets

__all__ = ["VOLTAGES", "least_v", "measured_supplies", "sheets_least_v"]

VOLTAGES = ("battery_voltage", "supply_voltage")
_LEAST_FIRST = {"min": 0, "mean": 1, "instant": 1}

# (highest voltage of the last days from, to, least that is needed) [V]. A lead battery of 12 V is
# charged at up to 14.4 V and below 10.8 V a logger works no longer (Campbell Scientific CR10X
# operator's manual, 19.4.3.1); probes that hang on it as a whole are in doubt below 11 V. One of
# 24 V is two of these. A lithium cell of 3.6 V feeds a Dragino SE0X-LB from 2.5 V on (its user
# manual, 1.3). Of any other supply nobody has said what it feeds needs.
_FAMILIES = ((10.8, 16.0, 11.0), (21.6, 32.0, 22.0), (3.3, 3.75, 2.5))


def measured_supplies(
    config: Configuration, knowledge: Knowledge, deployments: Mapping[str, Deployment]
) -> dict[str, str]:
    """The channel that measures the supply of a transport: "bus NAME", or a source's path.

    A device over radio or with a topic of its own measures its own battery; what is measured on a
    line or in a file feeds all that comes by it.
    """
    kinds = {source.path: source for source in config.sources}
    found: dict[str, list[tuple[int, int, str]]] = {}
    for id, deployment in deployments.items():
        fact = knowledge.channels[id]
        if fact.quantity in VOLTAGES:
            source = kinds[deployment.source]
            transport = source.path
            if isinstance(source, ScheduledSource | HeardSource):
                transport = f"bus {source.bus}"
            order = VOLTAGES.index(fact.quantity), _LEAST_FIRST.get(fact.statistic, 2), id
            found.setdefault(transport, []).append(order)
    return {transport: min(own)[2] for transport, own in found.items()}


def least_v(fact: ChannelFact, highest_v: float, sheets_v: Iterable[float] = ()) -> float | None:
    """What the instruments need [V]: as its checks say, else by them and the kind of battery.

    `highest_v` is of the last days: what a battery is shows while it is full. `sheets_v` are what
    the model sheets of what hangs on it say: with a regulator between them the kind of battery
    decides, and what is above a full battery comes from elsewhere.
    """
    limits = fact.limits().get("range", {})
    given = max(limits.get("suspect_lowest", 0.0), limits.get("fail_lowest", 0.0))
    if given > 0:
        return given
    families = (least for lo, hi, least in _FAMILIES if lo <= highest_v <= hi)
    return max([*families, *(v for v in sheets_v if v < highest_v)], default=None)


def sheets_least_v(supply: str, nodes: Mapping[str, Node], sheets: Sheets) -> list[float]:
    """What the model sheets of all that hangs on a supply say of the least voltage [V]."""
    models = {node.model for node in nodes.values() if node.model and _hangs(node, supply, nodes)}
    known = [sheets[model].supply_least_v for model in sorted(models) if model in sheets]
    return [least for least in known if least]


def _hangs(node: Node, on: str, nodes: Mapping[str, Node]) -> bool:
    above: Node | None = node
    while above is not None and above.id != on:
        above = nodes.get(above.parent)
    return above is not None
