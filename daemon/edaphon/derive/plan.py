"""The plan: what is known, worked out as segments in which one derivation holds.

A segment is a stretch of one deployment with the same chain of calibrations. Its derivation is the
hash of all that decides about its values, and of nothing else: so a new fact leaves the derivation
of what it does not touch as it was, and two plans tell by their derivations what must be derived
again.
"""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from edaphon.derive.sources import Outputs
from edaphon.facts import Calibration, ChannelFact, Deployment, Knowledge, Mark
from edaphon.nouns import Channel, Float, Int
from edaphon_calibration.chain import Calibrated, Step, apply_chain, prepare_step
from edaphon_calibration.checks import Check, default_limits, prepare
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.uncertainty import from_limits
from edaphon_calibration.units import SAME, Conversion, conversion
from edaphon_drivers.sheets import Factory, Output

__all__ = [
    "ALWAYS",
    "LINE_VERSION",
    "Chain",
    "Extent",
    "Plan",
    "Range",
    "Segment",
    "changed_ranges",
    "whole_segments",
]

# Raised whenever the line itself (decoding, placing, checking) gives other results for the same
# entries and facts; it is part of every derivation.
LINE_VERSION = 1

ALWAYS = (-(2**62), 2**62)
LOWEST_RANK = 127
YEAR_NS = 31_556_952 * 10**9
Range = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """From the reported number to the channel's unit; no steps and `known` False: no value."""

    conversion: Conversion
    steps: tuple[Step, ...] = ()
    since_ns: tuple[int, ...] = ()  # begin of validity of each step, for its drift
    final: Conversion = SAME
    accuracy: float = 0.0  # standard uncertainty, in the unit of the raw number
    repeatability: float = 0.0
    resolution: float = 0.0
    known: bool = True

    def apply(self, raw: Float, time_ns: Int) -> Calibrated:
        if not self.known:
            nothing = np.full(len(raw), np.nan)
            return Calibrated(nothing, nothing, nothing, np.zeros(len(raw), bool))
        ages: list[Float | float] = [
            np.maximum(time_ns - since, 0) / YEAR_NS if step.drift_per_year else 0.0
            for step, since in zip(self.steps, self.since_ns, strict=True)
        ]
        figures = (self.accuracy, self.repeatability, self.resolution)
        return apply_chain(raw, self.conversion, self.steps, *figures, self.final, ages)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One derivation of one channel from start to end; `windows` cut it where marks lie on it."""

    key: str
    channel: str
    derivation: str
    start_ns: int
    end_ns: int
    rank: int
    sensor: str
    chain: Chain
    checks: tuple[Check, ...]
    marks: tuple[Mark, ...]
    windows: tuple[tuple[int, str], ...]  # (begin, derivation), sorted
    expires_ns: int | None

    @property
    def looks_back(self) -> int:
        return max((check.meta.looks_back for check in self.checks), default=0)

    @property
    def looks_ahead(self) -> int:
        return max((check.meta.looks_ahead for check in self.checks), default=0)

    def derivation_at(self, time_ns: int) -> str:
        index = bisect_right(self.windows, time_ns, key=lambda window: window[0]) - 1
        return self.windows[max(index, 0)][1]


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a derivation holds for a channel; what two plans are compared by."""

    start_ns: int
    end_ns: int
    derivation: str
    rank: int
    segment: str
    source: str
    output: str


Routes = Mapping[str, Mapping[str, tuple[Segment, ...]]]


@dataclass(frozen=True)
class Plan:
    """Segments by source path and output, and what each derivation's hash was made of."""

    routes: Routes = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    extents: Mapping[str, tuple[Extent, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, knowledge: Knowledge, outputs: Outputs, site: str) -> "Plan":
        routes: dict[str, dict[str, tuple[Segment, ...]]] = {}
        texts: dict[str, str] = {}
        extents: dict[str, list[Extent]] = {id: [] for id in knowledge.channels}
        seconds: Counter[str] = Counter()  # further opinions of a channel, in order of entry
        for deployment in knowledge.deployments:
            output = outputs.get(deployment.source, {}).get(deployment.output)
            fact = knowledge.channels.get(deployment.channel)
            if output is None or fact is None:
                continue  # facts are checked before they are kept; a source may be gone since
            seconds[fact.id] += not deployment.primary
            rank = 0 if deployment.primary else min(seconds[fact.id], LOWEST_RANK)
            segments = tuple(_segments(knowledge, deployment, fact, output, rank, texts))
            fed = routes.setdefault(deployment.source, {})
            fed[output.name] = (*fed.get(output.name, ()), *segments)
            for segment in segments:
                extents[fact.id].extend(_extents(segment, deployment.source, output.name))
        channels = {id: knowledge.channel(id, site) for id in knowledge.channels}
        return cls(
            routes,
            channels,
            texts,
            {id: tuple(found) for id, found in extents.items()},
        )

    def only(self, ranges: Mapping[str, list[Range]]) -> "Plan":
        """The segments that lie in these ranges of these channels; none may lie across an end."""

        def inside(s: Segment) -> bool:
            return any(a <= s.start_ns and s.end_ns <= b for a, b in ranges.get(s.channel, ()))

        routes = {}
        for path, outputs in self.routes.items():
            kept = {name: tuple(filter(inside, own)) for name, own in outputs.items()}
            if any(kept.values()):
                routes[path] = kept
        return replace(self, routes=routes)

    def segments(self) -> Iterator[Segment]:
        for outputs in self.routes.values():
            for segments in outputs.values():
                yield from segments


def whole_segments(
    ranges: Mapping[str, list[Range]], *plans: Mapping[str, tuple[Extent, ...]]
) -> dict[str, list[Range]]:
    """The ranges widened until every segment they touch lies within, as a check may look back.

    Readings of one segment are judged against each other, wherever it was cut.
    """
    return {
        channel: _widened(own, [e for extents in plans for e in extents.get(channel, ())])
        for channel, own in ranges.items()
    }


def _widened(ranges: list[Range], extents: list[Extent]) -> list[Range]:
    touched = {
        e.segment
        for e in extents
        if any(e.start_ns < end and start < e.end_ns for start, end in ranges)
    }
    parts = [(e.start_ns, e.end_ns) for e in extents if e.segment in touched]
    wider = list(_joined(_overlapping(sorted({*ranges, *parts}))))
    return wider if wider == ranges else _widened(wider, extents)


def _overlapping(ranges: list[Range]) -> Iterator[Range]:
    """Sorted ranges with the overlaps cut off, so that those in one another's reach touch."""
    reach = ALWAYS[0] - 1
    for start, end in ranges:
        if end > reach:
            yield max(start, reach), end
            reach = end


def changed_ranges(
    before: Mapping[str, tuple[Extent, ...]], after: Mapping[str, tuple[Extent, ...]]
) -> dict[str, list[Range]]:
    """Per channel, where another derivation holds than before, or another source feeds it."""
    found = {}
    for channel in before.keys() | after.keys():
        old, new = before.get(channel, ()), after.get(channel, ())
        if old != new and (ranges := list(_joined(_differing(old, new)))):
            found[channel] = ranges
    return found


def _differing(old: Iterable[Extent], new: Iterable[Extent]) -> Iterator[Range]:
    bounds = sorted({t for e in (*old, *new) for t in (e.start_ns, e.end_ns)})
    for start, end in zip(bounds, bounds[1:], strict=False):
        if _holding(old, start) != _holding(new, start):
            yield start, end


def _holding(extents: Iterable[Extent], time_ns: int) -> set[tuple[object, ...]]:
    return {
        (e.derivation, e.rank, e.source, e.output, e.segment)
        for e in extents
        if e.start_ns <= time_ns < e.end_ns
    }


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    last: Range | None = None
    for start, end in ranges:
        if last is not None and last[1] == start:
            last = (last[0], end)
            continue
        if last is not None:
            yield last
        last = (start, end)
    if last is not None:
        yield last


def _extents(segment: Segment, source: str, output: str) -> Iterator[Extent]:
    ends = [begin for begin, _ in segment.windows[1:]] + [segment.end_ns]
    for (begin, derivation), end in zip(segment.windows, ends, strict=True):
        yield Extent(begin, end, derivation, segment.rank, segment.key, source, output)


def _segments(
    knowledge: Knowledge,
    deployment: Deployment,
    fact: ChannelFact,
    output: Output,
    rank: int,
    texts: dict[str, str],
) -> Iterator[Segment]:
    start, end = _bounds(deployment)
    mine = [c for c in knowledge.calibrations if _concerns(c, deployment)]
    marks = [m for m in knowledge.marks if fact.id in m.channels]
    cuts = {t for c in mine for t in _bounds(c) if start < t < end}
    bounds = [start, *sorted(cuts), end]
    for begin, stop in zip(bounds, bounds[1:], strict=False):
        chosen = _chosen(mine, deployment, begin)
        yield _segment(deployment, fact, output, rank, chosen, marks, (begin, stop), texts)


def _concerns(calibration: Calibration, deployment: Deployment) -> bool:
    if calibration.channel is not None:
        return calibration.channel == deployment.channel
    own = (deployment.sensor, deployment.output)
    return (calibration.sensor, calibration.output) == own


def _chosen(mine: list[Calibration], deployment: Deployment, time_ns: int) -> list[Calibration]:
    """At most one step for the sensor, then one for the channel: the latest entered of each."""
    sensor = [c for c in mine if c.channel is None and c.covers(time_ns)]
    channel = [c for c in mine if c.channel is not None and c.covers(time_ns)]
    return [*sensor[-1:], *channel[-1:]]


def _segment(
    deployment: Deployment,
    fact: ChannelFact,
    output: Output,
    rank: int,
    calibrations: list[Calibration],
    marks: list[Mark],
    span: Range,
    texts: dict[str, str],
) -> Segment:
    by_sensor = any(c.channel is None for c in calibrations)
    factory = None if by_sensor else _factory(deployment, output)
    chain = _chain(fact, output, factory, calibrations)
    limits = _limits(fact)
    basis = {
        "line": LINE_VERSION,
        "channel": {"id": fact.id, "quantity": fact.quantity, "unit": fact.unit},
        "source": deployment.source,
        "output": [output.name, output.quantity, output.unit],
        "sensor": deployment.sensor or "",
        "figures": [chain.accuracy, chain.repeatability, chain.resolution],
        "factory": [factory.name, factory.curve, dict(factory.parameters)] if factory else [],
        "calibrations": [_told(c) for c in calibrations],
        "steps": [[s.curve.name, s.parameters.tolist()] for s in chain.steps],
        "drift since": [
            since for s, since in zip(chain.steps, chain.since_ns, strict=True) if s.drift_per_year
        ],
        "value": chain.known,
        "checks": limits,
    }
    if output.meaning:
        basis["meaning"] = output.meaning
    derivation = _named(basis, texts)
    over = [m for m in marks if _bounds(m)[0] < span[1] and span[0] < _bounds(m)[1]]
    expiries = [c.expires_ns for c in calibrations if c.expires_ns is not None]
    return Segment(
        key=f"{fact.id}|{derivation}|{rank}|{span[0]}",
        channel=fact.id,
        derivation=derivation,
        start_ns=span[0],
        end_ns=span[1],
        rank=rank,
        sensor=deployment.sensor or "",
        chain=chain,
        checks=tuple(prepare(name, given) for name, given in limits.items()),
        marks=tuple(over),
        windows=tuple(_windows(basis, derivation, over, span, texts)),
        expires_ns=min(expiries, default=None),
    )


def _windows(
    basis: dict[str, Any],
    derivation: str,
    marks: list[Mark],
    span: Range,
    texts: dict[str, str],
) -> Iterator[tuple[int, str]]:
    cuts = {t for m in marks for t in _bounds(m) if span[0] < t < span[1]}
    for begin in [span[0], *sorted(cuts)]:
        here = [[m.id, m.flag] for m in marks if m.covers(begin)]
        yield begin, _named({**basis, "marks": here}, texts) if here else derivation


def _named(basis: dict[str, Any], texts: dict[str, str]) -> str:
    text = orjson.dumps(basis, option=orjson.OPT_SORT_KEYS).decode()
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    texts[name] = text
    return name


def _told(calibration: Calibration) -> dict[str, Any]:
    return calibration.model_dump(mode="json", by_alias=True, exclude={"from_ns", "to_ns"})


def _factory(deployment: Deployment, output: Output) -> Factory | None:
    return next((f for f in output.factory if f.name == deployment.factory), None)


def _chain(
    fact: ChannelFact, output: Output, factory: Factory | None, calibrations: list[Calibration]
) -> Chain:
    unit, quantity = output.unit, output.quantity
    steps: list[Step] = []
    since: list[int] = []
    try:
        if factory is not None:
            steps.append(prepare_step(factory.curve, factory.parameters, from_unit=unit))
            since.append(ALWAYS[0])
            unit, quantity = factory.unit, factory.quantity
        for calibration in calibrations:
            step, unit = _step(calibration, unit)
            steps.append(step)
            since.append(_bounds(calibration)[0])
            quantity = step.curve.quantity or fact.quantity
        known = quantity == fact.quantity
        final = conversion(unit, fact.unit) if known else SAME
    except CalibrationError:
        steps, since, final, known = [], [], SAME, False
    return Chain(
        SAME,
        tuple(steps),
        tuple(since),
        final,
        from_limits(output.accuracy),
        output.repeatability,
        output.resolution,
        known,
    )


def _step(calibration: Calibration, unit: str) -> tuple[Step, str]:
    """(the step, the unit it gives)."""
    step = prepare_step(
        calibration.curve,
        calibration.parameters,
        calibration.covariance or None,
        drift_per_year=calibration.drift_per_year,
    )
    into = calibration.from_unit or step.curve.from_unit or unit
    gives = calibration.to_unit or step.curve.to_unit or into
    return replace(step, conversion=conversion(unit, into)), gives


def _limits(fact: ChannelFact) -> dict[str, dict[str, float]]:
    """The usual limits, each check replaced where the channel states its own."""
    depth = float(fact.depth_cm) if fact.depth_cm else None
    limits = default_limits(fact.quantity, depth, fact.unit)
    for check, own in fact.checks.items():
        limits[check] = dict(_flat(own))
    return {check: given for check, given in sorted(limits.items()) if given}


def _flat(own: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, given in own.items():
        if isinstance(given, list | tuple):
            yield f"{name}_lowest", float(given[0])
            yield f"{name}_highest", float(given[1])
        else:
            yield name, float(given)


def _bounds(period: Calibration | Deployment | Mark) -> Range:
    start = period.from_ns if period.from_ns is not None else ALWAYS[0]
    return start, period.to_ns if period.to_ns is not None else ALWAYS[1]
