"""A plot in memory, for the quality tests: facts as a person enters them, and rows of channels."""

from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np
from tests.conformance.zoo_files import Play

from edaphon.doubts import Doubt, doubts_of
from edaphon.facts import ChannelFact, Fact, Horizon, Knowledge, Mark, Pause, Profile, Visit
from edaphon.facts import Plot as PlotFact
from edaphon.model import EntryId, Int, Observations
from edaphon.quality import QualityReport, ReadRows, quality_of
from edaphon_calibration.quality.rules import usual_rules, usual_rules_with

_SECOND_NS = 1_000_000_000
_CURTAIN = 0.5  # degC around 0: no rule can tell a stuck thermometer there


class Plot:
    """All channels lie in one profile and are read at the same times."""

    def __init__(self, time_ns: Int, facts: Sequence[Fact] = ()) -> None:
        self.time_ns = time_ns
        self.columns: dict[str, np.ndarray] = {}
        self._facts: list[Fact] = [PlotFact(id="p"), Profile(id="pit", plot="p"), *facts]

    def add(
        self, id: str, quantity: str, unit: str, depth: float | None, cells: Sequence[str]
    ) -> None:
        """`cells` are the texts of a file; "" is missing."""
        own = {"profile": "pit", "depth_cm": f"{depth:g}"} if depth is not None else {"plot": "p"}
        replicate = 1 + sum(id.rstrip("ab") == other.rstrip("ab") for other in self.columns)
        fact = {"id": id, "quantity": quantity, "unit": unit, "replicate": replicate, **own}
        self._facts.append(ChannelFact.model_validate(fact))
        self.columns[id] = np.array([float(cell) if cell else np.nan for cell in cells])

    def doubts(
        self, end_ns: int, stops: bool = False, before: Set[str] = frozenset()
    ) -> Mapping[str, Doubt]:
        """What is doubtful of the day before, by the rows until then."""
        knowledge, read = self._knowledge(), self._until(end_ns)
        return doubts_of(knowledge, read, end_ns, lambda: stops, before) or {}

    def report(self, id: str, rules: str = "") -> QualityReport:
        chosen = usual_rules_with(rules) if rules else usual_rules()
        return quality_of(self._knowledge(), id, -(2**62), 2**62, self._read, chosen)

    def _knowledge(self) -> Knowledge:
        knowledge = Knowledge()
        for n, fact in enumerate(self._facts, 1):
            knowledge = knowledge.learn(EntryId(1, n), fact)
        return knowledge

    def _until(self, end_ns: int) -> ReadRows:
        return lambda id, start, end: self._read(id, start, min(end, end_ns))

    def _read(self, id: str, start_ns: int, end_ns: int) -> Iterator[Observations]:
        inside = (self.time_ns >= start_ns) & (self.time_ns < end_ns)
        value = self.columns[id][inside]
        time_ns = self.time_ns[inside]
        flag = np.where(np.isnan(value), 9, 1).astype(np.int8)
        none = np.full(len(value), np.nan)
        source = np.zeros(len(value), np.int8)
        yield Observations(
            id, "d", time_ns, time_ns, value, value, none, none, flag, source, time_ns
        )


def plot_of_zoo(play: Play) -> tuple[Plot, dict[str, np.ndarray]]:
    """The plot of a play, and which cells of each channel are bad and look so."""
    rows = sorted(play.rows)
    time_ns = np.array(rows, np.int64) * play.site.interval_ns
    facts: list[Fact] = [
        Horizon(id="layer", profile="pit", top_cm=0, bottom_cm=100, **play.site.soil)
    ]
    for n, (first, last, what) in enumerate(play.pauses):
        span = {"from": _instant(first, play), "to": _instant(last + 1, play)}
        if "visit" in what:
            facts.append(Visit.model_validate({"id": f"v{n}", "plot": "p", "who": "w", **span}))
        elif "irrig" in what:
            channels = [c for c in play.site.channels if c.startswith(("vwc", "ec"))]
            mark = {"id": f"m{n}", "cause": "irrigation", "flag": 3, "who": "w", **span}
            facts.append(Mark.model_validate({**mark, "channels": channels}))
        else:
            facts.append(Pause.model_validate({"id": f"p{n}", "plot": "p", **span}))
    plot, bad = Plot(time_ns, facts), {}
    for id in play.site.channels:
        about = play.site.columns[id]
        cells = [play.rows[row].get(id, "") for row in rows]
        plot.add(id, about["quantity"], about["unit"], about.get("depth_cm"), cells)
        bad[id] = np.array([(row, id) in play.cells for row in rows])
        if play.fault is not None and play.fault.number == "F03":
            bad[id] &= ~(np.abs(plot.columns[id]) < _CURTAIN)
        if play.fault is not None and play.fault.number == "F09":
            bad[id] &= about["quantity"] != "bulk_electrical_conductivity"
    return plot, bad


def _instant(row: int, play: Play) -> str:
    seconds = row * play.site.interval_ns // _SECOND_NS
    return f"{np.datetime64(seconds, 's')}Z"
