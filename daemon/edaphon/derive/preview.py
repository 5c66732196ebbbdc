"""What would become of the values if more were known: nothing is written, nothing in force."""

from collections.abc import Mapping
from collections.abc import Sequence as Several
from pathlib import Path

from edaphon.derive.chains import ALWAYS, Range
from edaphon.derive.compare import Comparison, Sketch
from edaphon.derive.decode import Sources
from edaphon.derive.plan import changed_ranges, plan_of
from edaphon.derive.projection import Projection, derived_by
from edaphon.facts import Knowledge
from edaphon.journal import JournalReader
from edaphon.series import DAY_NS, Series

__all__ = ["previewed"]


def previewed(
    journal: JournalReader,
    series: Series,
    knowledge: Knowledge,
    sources: Sources,
    scratch: Path,
    ranges: Mapping[str, Several[Range]] | None = None,
) -> dict[str, Comparison]:
    """By channel, how much the rows of the series differ from what this knowledge makes of them.

    Without `ranges`, where it makes anything else of them; a channel without rows there is left
    out. `scratch` is a path at which no file is.
    """
    plan = plan_of(knowledge, sources)
    if ranges is None:
        ranges = changed_ranges(derived_by(series).extents, plan.extents)
    another = Projection(journal, series, plan, sources, scratch)
    found: dict[str, Comparison] = {}
    for channel, part in another.parts(ranges):
        if channel not in found:
            found[channel] = Comparison(Sketch(*_reach(series, channel, ranges[channel])))
        found[channel].add(part)
    return {channel: one for channel, one in found.items() if one.rows}


def _reach(series: Series, channel: str, ranges: Several[Range]) -> Range:
    """From when to when there are rows that may change."""
    start = max(min(a for a, _ in ranges), ALWAYS[0])
    end = min(max(b for _, b in ranges), ALWAYS[1])
    days = series.days(channel, start, end)
    if not days:
        return 0, DAY_NS
    return max(start, days[0] * DAY_NS), min(end, (days[-1] + 1) * DAY_NS)
