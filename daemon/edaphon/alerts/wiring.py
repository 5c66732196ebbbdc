"""What hangs on what: the tree of nodes as the texts of messages ask it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from edaphon.alerts.model import Node, NodeKind
from edaphon_drivers.sheets import Sheet, Sheets, UnknownModel

__all__ = ["Wiring"]

_DEEPEST = 16  # a tree whose parents go in a circle ends
_OWN_BUS = {"w1", "i2c"}  # buses without an adapter: their protocol knows better steps
_OWN_SUPPLY = {"lorawan", "message"}  # devices with a battery inside


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

    def below(self, failing: Collection[str]) -> Iterator[Node]:
        """The nodes that are one of these, or hang on one of these."""
        for node in self.nodes.values():
            if any(one.id in failing for one in self.up(node.id)):
                yield node

    def lowest(self, failing: Collection[str]) -> frozenset[str]:
        """Those of the failing nodes below which nothing else fails: the others fail for them."""
        above = {up.id for one in failing for up in self.up(one) if up.id != one}
        return frozenset(failing) - above

    def channels(self, failing: Collection[str]) -> list[Node]:
        """The channels that hang on one of these nodes, by plot, quantity and depth."""
        found = [node for node in self.below(failing) if node.kind is NodeKind.CHANNEL]
        return sorted(found, key=lambda c: (c.plot, c.quantity, _depth(c.depth_cm), c.name))

    def source(self, cause: str) -> Node | None:
        """The source that a person may ask by hand: that of the cause, or the only one on it."""
        for node in self.up(cause):
            if node.kind is NodeKind.SOURCE:
                return node
        found = [node for node in self.below({cause}) if node.kind is NodeKind.SOURCE]
        return found[0] if len(found) == 1 else None

    def variants(self, cause: str) -> tuple[str, ...]:
        """By what a text may differ: the kind of the cause and the protocol, the better first."""
        node = self.nodes.get(cause)
        kind = node.kind.value if node else cause.partition(" ")[0]
        engine = next(map(_protocol, self._sheets(cause)), "")
        if not engine and any(up.kind is NodeKind.BROKER for up in self.up(cause)):
            engine = "message"
        if node and "tcp://" in node.label:
            return (kind, "tcp", engine)
        if engine == "heard":
            return (kind, engine, "ascii")
        inside = kind == NodeKind.SUPPLY.value and engine in _OWN_SUPPLY
        return (engine, kind) if inside or engine in _OWN_BUS else (kind, engine)

    def label(self, node: Node) -> str:
        """Its label, with the maker's name of the model instead of the name of its sheet."""
        try:
            title = self.sheets[node.model].title if node.model else ""
        except UnknownModel:
            return node.label
        return node.label.replace(f"({node.model})", f"({title.partition(':')[0]})")

    def sheet_facts(self, cause: str) -> dict[str, str | float]:
        """What the makers' manuals say of the instruments, by the names that texts use."""
        sheets = self._sheets(cause)
        wires = sheets[0].wires if len(sheets) == 1 else {}
        facts: dict[str, str | float] = {f"{wire}_wire": colour for wire, colour in wires.items()}
        least_v = max((sheet.supply_least_v for sheet in sheets), default=0.0)
        return facts | ({"least_v": least_v} if least_v else {})

    def _sheets(self, cause: str) -> list[Sheet]:
        """That of the cause or of what it hangs on; of a bus those of all instruments on it."""
        own = [node.model for node in self.up(cause) if node.model][:1]
        models = own or [node.model for node in self.below({cause}) if node.model]
        found = []
        for model in dict.fromkeys(models):
            try:
                found.append(self.sheets[model])
            except UnknownModel:
                continue
        return found


def _protocol(sheet: Sheet) -> str:
    """The engine of a sheet, "heard" for an ASCII instrument that talks by itself."""
    return "heard" if sheet.frame.get("heard") else sheet.engine


def _depth(text: str) -> tuple[float, str]:
    """A sort key: 5 before 15 before 100, and what is no number last."""
    try:
        return float(text.partition("-")[0] or "inf"), text
    except ValueError:
        return float("inf"), text
