"""What hangs on what: the tree of nodes as the texts of messages ask it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from edaphon.alerts.model import Node, NodeKind
from edaphon_drivers.sheets import Sheet, Sheets, UnknownModel

__all__ = ["Wiring"]

_DEEPEST = 16  # a tree whose parents go in a circle ends
_OWN_BUS = {"w1", "i2c"}  # buses without an adapter: their protocol knows better steps
_MODEL_FIRST = {NodeKind.SOURCE, NodeKind.SENSOR, NodeKind.CHANNEL}


@dataclass(frozen=True, slots=True)
class Wiring:
    nodes: Mapping[str, Node]
    sheets: Sheets

    def up(self, node: str) -> Iterator[Node]:
        """The node and what it needs, up to the logger."""
        for _ in range(_DEEPEST):
            found = self.nodes.get(node)
            if found is None:
                return
            yield found
            node = found.parent

    def channels(self, failing: Collection[str]) -> list[Node]:
        """The channels that hang on one of these nodes, by plot, quantity and depth."""
        below = [
            node
            for node in self.nodes.values()
            if node.kind is NodeKind.CHANNEL
            and any(one.id in failing for one in self.up(node.id))
        ]
        return sorted(below, key=lambda c: (c.plot, c.quantity, _depth(c.depth_cm), c.name))

    def source(self, cause: str, members: Collection[str]) -> Node | None:
        """The one source that a person may ask by hand: that of the cause, or its only one."""
        for node in self.up(cause):
            if node.kind is NodeKind.SOURCE:
                return node
        return None

    def variants(self, cause: str, members: Collection[str]) -> tuple[str, ...]:
        """By what a text may differ: the kind of the cause and the protocol, the better first."""
        node = self.nodes.get(cause)
        kind = node.kind.value if node else cause.partition(" ")[0]
        sheet = self._sheet(cause, members)
        engine = sheet.engine if sheet else ""
        if not engine and any(up.kind is NodeKind.BROKER for up in self.up(cause)):
            engine = "message"
        if node and "tcp://" in node.label:
            return (kind, "tcp", engine)
        return (engine, kind) if engine in _OWN_BUS else (kind, engine)

    def sheet_facts(self, cause: str, members: Collection[str]) -> dict[str, str | float]:
        """What the maker's manual says of the instrument, by the names that texts use."""
        sheet = self._sheet(cause, members)
        if sheet is None:
            return {}
        facts: dict[str, str | float] = {
            f"{wire}_wire": colour for wire, colour in sheet.wires.items()
        }
        if sheet.supply_least_v:
            facts["least_v"] = sheet.supply_least_v
        return facts

    def _sheet(self, cause: str, members: Collection[str]) -> Sheet | None:
        """Of the cause or what it hangs on; of a bus that of the first instrument on it."""
        below = [node for member in members for node in self.up(member)]
        for node in (*self.up(cause), *below):
            if node.model:
                try:
                    return self.sheets[node.model]
                except UnknownModel:
                    continue
        return None


def _depth(text: str) -> tuple[float, str]:
    """A sort key: 5 before 15 before 100, and what is no number last."""
    try:
        return float(text.partition("-")[0] or "inf"), text
    except ValueError:
        return float("inf"), text
