"""Of what nothing is expected now, or less: visits, declared pauses, and what was taken away."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial

from edaphon.alerts.look import PauseNow, Situation, above
from edaphon.alerts.model import Node, NodeKind
from edaphon.clock import DAY_NS
from edaphon.facts import Deployment, Knowledge, Pause
from edaphon.service.watching.tree import node_id

__all__ = ["FOREVER_NS", "pauses", "plot_nodes", "slowed"]

FOREVER_NS = 2**63 - 1
ENDED_NS = 120 * DAY_NS  # longer ago no end matters: no interval is so long
AT_A_PLOT = frozenset(
    {
        NodeKind.SUPPLY,
        NodeKind.BUS,
        NodeKind.BRANCH,
        NodeKind.SOURCE,
        NodeKind.SENSOR,
        NodeKind.CHANNEL,
    }
)


def pauses(knowledge: Knowledge, nodes: Mapping[str, Node], now_ns: int) -> tuple[PauseNow, ...]:
    """Visits, pauses and removals that go on, or ended lately: data count as missed since then.

    A pause with an interval of its own is here once it has ended; until then see `slowed`.
    """
    found = (*_declared(knowledge, nodes, now_ns), *_removals(knowledge, nodes, now_ns))
    return tuple(one for one in found if one.nodes and _matters(one.start_ns, one.end_ns, now_ns))


def _matters(start_ns: int, end_ns: int, now_ns: int) -> bool:
    return start_ns <= now_ns < end_ns + ENDED_NS


def _declared(knowledge: Knowledge, nodes: Mapping[str, Node], now_ns: int) -> Iterator[PauseNow]:
    at_plot = cache(partial(plot_nodes, nodes))
    for visit in knowledge.visits:
        if _matters(visit.from_ns, visit.to_ns, now_ns):
            yield PauseNow(at_plot(visit.plot), visit.from_ns, visit.to_ns, "visit", visit.id)
    for pause in knowledge.pauses:
        is_over = pause.to_ns <= now_ns
        if _matters(pause.from_ns, pause.to_ns, now_ns) and (is_over or not pause.interval_ns):
            yield PauseNow(_subject(pause, at_plot), pause.from_ns, pause.to_ns, "pause", pause.id)


def _subject(pause: Pause, at_plot: Callable[[str], frozenset[str]]) -> frozenset[str]:
    if pause.plot is not None:
        return at_plot(pause.plot)
    return frozenset(node_id(NodeKind.SOURCE, path) for path in pause.sources)


def plot_nodes(nodes: Mapping[str, Node], plot: str) -> frozenset[str]:
    """The nodes at a plot: its channels, and what gives data to no channel of another plot."""
    tree = Situation(0, 0, nodes)
    here, elsewhere = set[str](), set[str]()
    for node in nodes.values():
        if node.kind is NodeKind.CHANNEL:
            (here if node.plot == plot else elsewhere).update(above(tree, node.id))
    return frozenset(id for id in here - elsewhere if id in nodes and nodes[id].kind in AT_A_PLOT)


def _removals(knowledge: Knowledge, nodes: Mapping[str, Node], now_ns: int) -> Iterator[PauseNow]:
    """Where deployments name a source and none covers now, a person took its instrument away.

    A source that no deployment ever named is expected: its records are kept all the same.
    """
    by_source: dict[str, list[Deployment]] = {}
    for deployment in knowledge.deployments:
        by_source.setdefault(deployment.source, []).append(deployment)
    for path, deployments in by_source.items():
        node = node_id(NodeKind.SOURCE, path)
        if node in nodes:
            yield _away(node, deployments, now_ns)


def _away(node: str, deployments: Iterable[Deployment], now_ns: int) -> PauseNow:
    """From the last end to the next begin: it may have passed, and may have no begin or end."""
    begins = {one: one.from_ns if one.from_ns is not None else -FOREVER_NS for one in deployments}
    here = [one for one in begins if one.covers(now_ns)]
    if here:
        first = min(here, key=lambda one: begins[one])
        return PauseNow(frozenset({node}), -FOREVER_NS, begins[first], "removal", first.id)
    ended = [one for one in begins if one.to_ns is not None and one.to_ns <= now_ns]
    last = max(ended, key=lambda one: one.to_ns or 0, default=None)
    start_ns = last.to_ns if last is not None and last.to_ns is not None else -FOREVER_NS
    end_ns = min((begin for begin in begins.values() if begin > now_ns), default=FOREVER_NS)
    fact = last.id if last is not None else min(begins, key=lambda one: begins[one]).id
    return PauseNow(frozenset({node}), start_ns, end_ns, "removal", fact)


def slowed(situation: Situation, knowledge: Knowledge) -> Situation:
    """With the longer intervals that are expected while declared pauses go on."""
    longer: dict[str, int] = {}
    for pause in knowledge.pauses:
        if pause.interval_ns is not None and pause.covers(situation.now_ns):
            for node in _subject(pause, partial(plot_nodes, situation.nodes)):
                longer[node] = max(pause.interval_ns, longer.get(node, 0))
    if not longer:
        return situation

    def interval(node: str, usual_ns: int | None) -> int | None:
        found = max((longer.get(up, 0) for up in above(situation, node)), default=0)
        return max(usual_ns, found) if usual_ns is not None else None

    return replace(
        situation,
        sources=tuple(
            replace(one, interval_ns=interval(one.node, one.interval_ns))
            for one in situation.sources
        ),
        channels=tuple(
            replace(one, interval_ns=interval(one.node, one.interval_ns))
            for one in situation.channels
        ),
    )
