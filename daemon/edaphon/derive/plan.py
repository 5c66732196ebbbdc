"""The plan: what is known, worked out as segments in which one derivation holds.

A segment is a stretch of one deployment with the same chain of calibrations. Its derivation is the
hash of all that decides about its values, and of nothing else: so a new fact leaves the derivation
of what it does not touch as it was, and two plans show by their derivations what must be derived
again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from edaphon.derive.calibrate import Segment
from edaphon.derive.decode import Outputs, Sources
from edaphon.derive.segments import (
    PlanInterval,
    PlannedDeployment,
    intervals_of,
    levels_of,
    missing_parts,
    segments_of,
)
from edaphon.facts import Knowledge, from_payload
from edaphon.journal import Item, JournalReader
from edaphon.journal.fact_log import CHECKPOINT, FACT_KINDS, fact_log_items, trusted
from edaphon.model import ALWAYS, DEMOTED_RANKS, Channel, EntryId, Range
from edaphon.series import Series

LOWEST_RANK = DEMOTED_RANKS - 1
Routes = Mapping[str, Mapping[str, tuple[Segment, ...]]]


@dataclass(frozen=True)
class Plan:
    """Segments by source path and output, and what each derivation's hash was made of."""

    routes: Routes = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, tuple[PlanInterval, ...]] = field(default_factory=dict)
    # By source path and file name: rows of copies before that one are demoted.
    replaced: Mapping[tuple[str, str], int] = field(default_factory=dict)
    # By channel, the part that it needs of a package that is not installed.
    missing: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        knowledge: Knowledge,
        outputs: Outputs,
        site: str,
        models: Mapping[str, str] | None = None,
        missing: Mapping[str, str] | None = None,
    ) -> "Plan":
        """By path, `models` are the names of the sources' sheets, `missing` parts they lack."""
        lacking = missing_parts(knowledge, missing or {})
        routes: dict[str, dict[str, tuple[Segment, ...]]] = {}
        texts: dict[str, str] = {}
        intervals: dict[str, list[PlanInterval]] = {id: [] for id in knowledge.channels}
        seconds: Counter[str] = Counter()  # further opinions of a channel, in order of entry
        levels = levels_of(knowledge)
        for deployment in sorted(knowledge.deployments, key=lambda d: levels.get(d.channel, 0)):
            output = outputs.get(deployment.source, {}).get(deployment.output)
            fact = knowledge.channels.get(deployment.channel)
            if output is None or fact is None or fact.id in lacking:
                continue  # facts are checked before they are kept; a source may be gone since
            seconds[fact.id] += not deployment.primary
            rank = 0 if deployment.primary else min(seconds[fact.id], LOWEST_RANK)
            level = levels[fact.id]
            model = (models or {}).get(deployment.source, "")
            place = PlannedDeployment(
                deployment, fact, output, rank, level, outputs, intervals, model, knowledge
            )
            segments = tuple(segments_of(knowledge, place, texts))
            fed = routes.setdefault(deployment.source, {})
            fed[output.name] = (*fed.get(output.name, ()), *segments)
            for segment in segments:
                intervals[fact.id].extend(intervals_of(segment, deployment.source, output.name))
        channels = {id: knowledge.channel(id, site) for id in knowledge.channels}
        return cls(
            routes,
            channels,
            texts,
            {id: tuple(found) for id, found in intervals.items()},
            knowledge.replacements,
            lacking,
        )

    def only(self, ranges: Mapping[str, list[Range]]) -> "Plan":
        """The segments that lie in these ranges of these channels; none may lie across an end.

        The channels whose values they take as second inputs are there as a whole.
        """

        second_input = self._second_input_channels(ranges)

        def inside(s: Segment) -> bool:
            own = any(a <= s.start_ns and s.end_ns <= b for a, b in ranges.get(s.channel, ()))
            return own or s.channel in second_input

        routes = {}
        for path, outputs in self.routes.items():
            kept = {name: tuple(filter(inside, own)) for name, own in outputs.items()}
            if any(kept.values()):
                routes[path] = kept
        return replace(self, routes=routes)

    def _second_input_channels(self, channels: Iterable[str]) -> set[str]:
        """The channels whose values these channels take, and those that these take."""
        found: set[str] = set()
        new = set(channels)
        while new:
            taken = {
                side.channel
                for segment in self.segments()
                if segment.channel in new
                for side in segment.chain.sides
                if side.channel
            }
            new = taken - found
            found |= new
        return found

    def segments(self) -> Iterator[Segment]:
        for outputs in self.routes.values():
            for segments in outputs.values():
                yield from segments


def plan_of(knowledge: Knowledge, sources: Sources) -> Plan:
    return Plan.of(knowledge, sources.outputs, sources.site, sources.models, sources.missing)


def whole_segments(
    ranges: Mapping[str, list[Range]], *plans: Mapping[str, tuple[PlanInterval, ...]]
) -> dict[str, list[Range]]:
    """The ranges widened until every segment they touch lies within, as a check may look back.

    Readings of one segment are judged against each other, wherever it was cut.
    """
    return {
        channel: _widened(own, [e for intervals in plans for e in intervals.get(channel, ())])
        for channel, own in ranges.items()
    }


def _widened(ranges: list[Range], intervals: list[PlanInterval]) -> list[Range]:
    touched = {
        e.segment
        for e in intervals
        if any(e.start_ns < end and start < e.end_ns for start, end in ranges)
    }
    parts = [(e.start_ns, e.end_ns) for e in intervals if e.segment in touched]
    wider = _joined(sorted({*ranges, *parts}))
    return wider if wider == ranges else _widened(wider, intervals)


def changed_ranges(
    before: Mapping[str, tuple[PlanInterval, ...]], after: Mapping[str, tuple[PlanInterval, ...]]
) -> dict[str, list[Range]]:
    """Per channel, where another derivation holds than before, or another source feeds it."""
    found = {}
    for channel in before.keys() | after.keys():
        old, new = before.get(channel, ()), after.get(channel, ())
        if old != new and (ranges := _joined(_differing(old, new))):
            found[channel] = ranges
    return found


def _differing(old: Iterable[PlanInterval], new: Iterable[PlanInterval]) -> Iterator[Range]:
    bounds = sorted({t for e in (*old, *new) for t in (e.start_ns, e.end_ns)})
    for start, end in zip(bounds, bounds[1:], strict=False):
        if _holding(old, start) != _holding(new, start):
            yield start, end


def _holding(intervals: Iterable[PlanInterval], time_ns: int) -> set[tuple[object, ...]]:
    return {
        (e.derivation, e.rank, e.source, e.output, e.segment, e.readings)
        for e in intervals
        if e.start_ns <= time_ns < e.end_ns
    }


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """Ranges in the order of their begin, with those in one that touch or overlap."""
    found: list[Range] = []
    for start, end in ranges:
        if found and start <= found[-1][1]:
            start, last = found.pop()
            end = max(last, end)
        found.append((start, end))
    return found


def intervals_to_json(
    intervals: Mapping[str, tuple[PlanInterval, ...]],
) -> dict[str, list[list[Any]]]:
    return {channel: [list(e) for e in own] for channel, own in intervals.items()}


def intervals_of_json(table: Mapping[str, list[list[Any]]]) -> dict[str, tuple[PlanInterval, ...]]:
    return {channel: tuple(PlanInterval(*row) for row in rows) for channel, rows in table.items()}


def ranges_of_json(table: Mapping[str, list[list[int]]]) -> dict[str, list[Range]]:
    """Those within the bounds of time; an earlier version wrote others, and could not end them."""
    found = {
        channel: [(a, b) for a, b in ranges if ALWAYS[0] <= a < b <= ALWAYS[1]]
        for channel, ranges in table.items()
    }
    return {channel: ranges for channel, ranges in found.items() if ranges}


@dataclass(frozen=True)
class LostFacts:
    """`kept` are the intervals that hold, by channel; `all` where nothing shows which channels."""

    places: frozenset[EntryId] = frozenset()
    kept: Mapping[str, tuple[PlanInterval, ...]] | None = None
    all: bool = False

    @classmethod
    def of(
        cls, places: frozenset[EntryId], table: Mapping[str, Any] | None, plan: Plan
    ) -> "LostFacts":
        """`table` is the checkpoint, `plan` what is known up to it without those places."""
        if not places:
            return cls()
        if table is None:
            return cls(places, {}, all=True)
        before = intervals_of_json(table["extents"])
        return cls(places, {c: before.get(c, ()) for c in changed_ranges(before, plan.intervals)})

    def holds(self, channel: str) -> bool:
        return self.all or channel in (self.kept or {})

    def settled_by(self, plan: Plan) -> list[str]:
        """The channels whose kept intervals the plan gives again."""
        kept = self.kept or {}
        return [channel for channel, own in kept.items() if plan.intervals.get(channel, ()) == own]

    def without(self, channels: list[str]) -> "LostFacts":
        kept = {c: own for c, own in (self.kept or {}).items() if c not in channels}
        return replace(self, kept=kept) if kept or self.all else LostFacts()

    def limited(self, plan: Plan) -> Plan:
        """The plan without the channels that wait; these keep what they have."""
        if not self.places:
            return plan
        routes = {
            path: {
                name: tuple(s for s in own if not self.holds(s.channel))
                for name, own in outputs.items()
            }
            for path, outputs in plan.routes.items()
        }
        intervals = {} if self.all else {**plan.intervals, **(self.kept or {})}
        return replace(plan, routes=routes, intervals=intervals)


def missing_text(missing: Mapping[str, str], packages: Mapping[str, str]) -> list[str]:
    """What channels wait for, for a person; `packages` are those that gave the parts."""
    parts: dict[str, list[str]] = {}
    for channel, part in sorted(missing.items()):
        parts.setdefault(part, []).append(channel)
    return [
        f"the {part} of {packages.get(part, 'its package')} is not installed, or can't be used."
        f" Values of {', '.join(channels)} stay as they are and no new ones are derived: install"
        f" {packages.get(part, 'the package')} again and restart the service"
        for part, channels in parts.items()
    ]


def lost_facts_text(lost: LostFacts) -> list[str]:
    """What is lost and what waits for a person; nothing where all can be read."""
    if not lost.places:
        return []
    places = ", ".join(map(str, sorted(lost.places)))
    act = "enter it again (`edaphon apply`) or go on without it: `edaphon salvage --acknowledge`"
    if lost.all:
        act = "enter it again (`edaphon apply`) if you can, then `edaphon salvage --acknowledge`"
    which = "all channels" if lost.all else ", ".join(sorted(lost.kept or {})) or "no channel"
    return [
        f"journal: what was entered at {places} (a fact, a calibration or a configuration) can't be"
        f" read, nor its copy. Values of {which} stay as they are and no new ones are derived:"
        f" {act}"
    ]


def read_fact_log(journal: JournalReader, series: Series | None) -> tuple[Item, ...]:
    """Facts and configurations in the order of entry; damaged rows are passed over."""
    table = checkpoint_in(journal, series) if series is not None else None
    return tuple(fact_log_items(journal, table))


def checkpoint_in(journal: JournalReader, series: Series) -> dict[str, Any] | None:
    """The place to go on from; None without one, and for one of another journal."""
    return trusted(journal, orjson.loads(series.checkpoint(CHECKPOINT) or b"null"))


def knowledge_of(reported: Iterable[Item]) -> Knowledge:
    knowledge = Knowledge()
    for sequence, entry in reported:
        if entry.kind in FACT_KINDS:
            knowledge = knowledge.learn(sequence, from_payload(entry.payload).fact)
    return knowledge


def known_facts(journal: JournalReader, series: Series | None = None) -> Knowledge:
    """Everything that was ever entered in the journal; `edaphon verify` reports damaged rows."""
    return knowledge_of(read_fact_log(journal, series))
