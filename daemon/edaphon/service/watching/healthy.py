"""A station on which all is well, by configuration and facts alone: where rehearsals begin."""

from edaphon.alerts.look import ChannelState, SinkState, Situation, SourceState, SupplyState
from edaphon.alerts.model import NodeKind
from edaphon.config import Configuration, LorawanSource
from edaphon.facts import Knowledge
from edaphon.service.watching.sources import interval_of
from edaphon.service.watching.supplies import least_v, sheets_least_v
from edaphon.service.watching.tree import deployed, node_id, tree

__all__ = ["healthy"]

USUAL_INTERVAL_NS = 600 * 10**9
FULL_V = 12.6  # of a lead battery, where nobody has measured it


def healthy(config: Configuration, knowledge: Knowledge, now_ns: int) -> Situation:
    """Every source spoke just now, every channel has a number, every battery is full."""
    nodes = tree(config, knowledge, now_ns)
    deployments = deployed(config, knowledge, now_ns)
    intervals = {s.path: interval_of(s) or USUAL_INTERVAL_NS for s in config.sources}
    supplies = [
        node.name
        for node in nodes.values()
        if node.kind is NodeKind.SUPPLY and node.name in deployments
    ]
    return Situation(
        now_ns=now_ns,
        mono_ns=now_ns,
        nodes=nodes,
        sources=tuple(
            SourceState(
                node_id(NodeKind.SOURCE, source.path),
                now_ns,
                0,
                intervals[source.path],
                numbered=isinstance(source, LorawanSource),
            )
            for source in config.sources
        ),
        channels=tuple(
            ChannelState(node_id(NodeKind.CHANNEL, id), now_ns, intervals[one.source])
            for id, one in deployments.items()
        ),
        supplies=tuple(
            SupplyState(
                node_id(NodeKind.SUPPLY, id),
                now_ns,
                FULL_V,
                least_v(
                    knowledge.channels[id],
                    FULL_V,
                    sheets_least_v(node_id(NodeKind.SUPPLY, id), nodes, config.sheets),
                ),
            )
            for id in supplies
        ),
        sinks=tuple(
            SinkState(node_id(NodeKind.SINK, sink.name), True, False, "", now_ns, 0, None, 0)
            for sink in config.sinks
        ),
    )
