"""Segments: which calibration, curve and checks hold for one deployment, from when to when."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from edaphon.derive.calibrate import Chain, SecondInputSource, Segment, bounds_of, possible
from edaphon.derive.decode import Outputs
from edaphon.facts import (
    Calibration,
    ChannelFact,
    Deployment,
    FieldCheck,
    Knowledge,
    Mark,
    SecondInput,
)
from edaphon.model import ALWAYS, Range
from edaphon_calibration.chain import SAME, Step
from edaphon_calibration.checks import (
    check_names,
    default_limits,
    find_check,
    known_checks,
    prepare_check,
)
from edaphon_calibration.curves import curve_names, find_curve, known_curves
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import holds_for
from edaphon_calibration.prepare import prepare_step
from edaphon_calibration.uncertainty import FieldCheck as Deviation
from edaphon_calibration.uncertainty import from_limits
from edaphon_calibration.units import canonical, conversion
from edaphon_drivers.sheets import Factory, Output

# Raised whenever the pipeline (decoding, placing, checking) gives other results for the same
# entries and facts; it is part of every derivation.
LINE_VERSION = 4


@dataclass(frozen=True, slots=True)
class PlanInterval:
    """Where a derivation holds for a channel; what two plans are compared by.

    `readings` names what decides which readings these are, before any calibration.
    """

    start_ns: int
    end_ns: int
    derivation: str
    rank: int
    segment: str
    source: str
    output: str
    readings: str


@dataclass(frozen=True, slots=True, eq=False)
class PlannedDeployment:
    """One deployment with what a segment of it needs; `intervals` are those planned before it."""

    deployment: Deployment
    fact: ChannelFact
    output: Output
    rank: int
    level: int
    outputs: Outputs
    intervals: Mapping[str, list[PlanInterval]]
    units: Mapping[str, str]
    model: str = ""
    knowledge: Knowledge = field(default_factory=Knowledge)

    def second_input(self, calibration: Calibration) -> list[PlanInterval]:
        """What decides about the values that a calibration takes from another channel."""
        second = calibration.second
        if second is None or second.channel is None:
            return []
        return [e for e in self.intervals.get(second.channel, ()) if e.rank == 0]

    def before(self, calibration: Calibration) -> Calibration | None:
        """The calibration made before deployment, of a pair; as it was corrected since."""
        found = self.knowledge.standing(calibration.drifts_from or "")
        return found if isinstance(found, Calibration) else None


def chain_of(
    place: PlannedDeployment,
    factory: Factory | None,
    calibrations: list[Calibration],
    checks: list[FieldCheck],
    covered: bool,
) -> Chain:
    """Without a value where it is not `covered`, or a unit, quantity or pair does not fit."""
    fact, output = place.fact, place.output
    unit, quantity = output.unit, output.quantity
    found: list[tuple[Step, int, SecondInputSource | None, Range | None]] = []
    problem = ""
    try:
        if factory is not None:
            step = prepare_step(find_curve(factory.curve), factory.parameters, from_unit=unit)
            found.append((step, ALWAYS[0], None, None))
            unit, quantity = factory.unit, factory.quantity
        for calibration in calibrations:
            step, unit = _pair(place, calibration, unit)
            bounds = bounds_of(calibration)
            by_time = calibration.drifts_from is not None or calibration.by_calendar
            side = _side(place, calibration.second, step)
            found.append((step, bounds[0], side, bounds if by_time else None))
            quantity = step.curve.quantity or fact.quantity
        known = covered and quantity == fact.quantity
        final = conversion(unit, fact.unit) if known else SAME
    except CalibrationError as error:
        problem = str(error)
        found, final, known = [], SAME, False
    steps, since, second_input, calendar = zip(*found, strict=True) if found else 4 * ((),)
    return Chain(
        SAME,
        steps,
        since,
        final,
        from_limits(output.accuracy),
        output.repeatability,
        output.resolution,
        known,
        second_input,
        calendar,
        tuple(_deviation(check, fact.unit) for check in checks) if known else (),
        problem,
    )


def says_of(check: FieldCheck, unit: str) -> bool:
    """Whether what it found converts into that unit; that of a sensor may be of another kind."""
    try:
        conversion(check.unit or unit, unit)
    except CalibrationError:
        return False
    return True


def _deviation(check: FieldCheck, unit: str) -> Deviation:
    """What a check found, in the channel's unit."""
    scale = conversion(check.unit or unit, unit).scale
    return Deviation(check.deviation * scale, check.u_reference * abs(scale))


def _pair(place: PlannedDeployment, calibration: Calibration, unit: str) -> tuple[Step, str]:
    """(the step with the one it drifted from, the unit it gives); raises CalibrationError."""
    step, gives = _step(calibration, unit)
    if calibration.drifts_from is None:
        return step, gives
    earlier = place.before(calibration)
    if earlier is None:
        raise CalibrationError(
            f"calibration {calibration.id} drifts from {calibration.drifts_from}, which is not in "
            "force"
        )
    if problem := _no_pair(earlier, calibration):
        raise CalibrationError(f"calibration {calibration.id} can't drift from {problem}")
    before, also = _step(earlier, unit)
    if canonical(also) != canonical(gives):
        raise CalibrationError(
            f"calibration {calibration.id} gives {gives}, and {earlier.id}, from which it drifts, "
            f"{also}"
        )
    return replace(step, before=before), gives


def _no_pair(earlier: Calibration, later: Calibration) -> str:
    """What it can't drift from and why; "" if it can. A corrected one may be of another kind."""
    if earlier.subject != later.subject or earlier.place != later.place:
        return f"{earlier.id}, which is step {earlier.place} of {' '.join(earlier.subject)}"
    if earlier.drifts_from is not None:
        return f"{earlier.id}, which drifts from {earlier.drifts_from} itself"
    if earlier.by_calendar or later.by_calendar:
        return f"{earlier.id}: a curve of the calendar is no part of a pair"
    if earlier.second != later.second:
        return f"{earlier.id}, which does not take the same second input"
    return ""


def _side(
    place: PlannedDeployment, second: SecondInput | None, step: Step
) -> SecondInputSource | None:
    """Raises UnitError where what is taken does not convert into what the curve takes."""
    wanted = step.curve.second
    if second is None or wanted is None:
        return None
    if second.channel is None:
        found = place.outputs.get(place.deployment.source, {}).get(second.output or "")
        unit = found.unit if found is not None else wanted.unit
        return SecondInputSource(conversion(unit, wanted.unit), output=second.output or "")
    unit = place.units.get(second.channel, wanted.unit)
    line = conversion(unit, wanted.unit)
    return SecondInputSource(line, channel=second.channel, max_age_ns=second.max_age_ns or 0)


def _step(calibration: Calibration, unit: str) -> tuple[Step, str]:
    """(the step, the unit it gives)."""
    step = prepare_step(
        find_curve(calibration.curve),
        calibration.parameters,
        calibration.covariance or None,
        drift_per_year=calibration.drift_per_year,
        domain=calibration.domain,
    )
    into = calibration.from_unit or step.curve.from_unit or unit
    gives = calibration.to_unit or step.curve.to_unit or into
    return replace(step, conversion=conversion(unit, into)), gives


def age_of(calibration: Calibration) -> int:
    return (calibration.second.max_age_ns or 0) if calibration.second else 0


def intervals_of(segment: Segment, source: str, output: str) -> Iterator[PlanInterval]:
    ends = [begin for begin, _ in segment.windows[1:]] + [segment.end_ns]
    for (begin, derivation), end in zip(segment.windows, ends, strict=True):
        yield PlanInterval(
            begin, end, derivation, segment.rank, segment.key, source, output, segment.readings
        )


def levels_of(knowledge: Knowledge) -> dict[str, int]:
    """How many channels are behind each one, of which one takes the other's value."""
    takes: dict[str, set[str]] = {id: set() for id in knowledge.channels}
    for deployment in knowledge.deployments:
        for calibration in knowledge.calibrations:
            second = calibration.second
            if second and second.channel and calibration.is_for(deployment):
                takes.setdefault(deployment.channel, set()).add(second.channel)
    return {id: _depth(id, takes, frozenset()) for id in {*takes, *knowledge.channels}}


def _depth(channel: str, takes: Mapping[str, set[str]], above: frozenset[str]) -> int:
    """0 for one that takes none; a circle, which is refused when it is entered, ends."""
    behind = takes.get(channel, set()) - above - {channel}
    return max((1 + _depth(b, takes, above | {channel}) for b in behind), default=0)


def segments_of(
    knowledge: Knowledge, place: PlannedDeployment, texts: dict[str, str]
) -> Iterator[Segment]:
    deployment, channel = place.deployment, place.fact.id
    start, end = bounds_of(deployment)
    mine = list(knowledge.calibrations_of(deployment))
    reported = knowledge.field_checks_of(deployment)
    checks = [c for c in reported if says_of(c, place.fact.unit)]
    marks = [m for m in knowledge.marks if channel in m.channels]
    own = {t for c in (*mine, *checks) for t in bounds_of(c)}
    others = {
        t for c in mine for e in place.second_input(c) for t in (e.start_ns, e.end_ns + age_of(c))
    }
    bounds = [start, *sorted(t for t in own | others if start < t < end), end]
    for begin, stop in zip(bounds, bounds[1:], strict=False):
        chosen = _chosen(mine, place, begin)
        found = _checked(checks, begin)
        yield _segment(place, chosen, found, marks, (begin, stop), texts)


def missing_parts(knowledge: Knowledge, missing: Mapping[str, str]) -> dict[str, str]:
    """By channel, the part that its values need and no installed package gives.

    `missing` names those of sources, by path. Facts were checked before they were kept, so a curve
    or check that is not known was there once. A channel lacks what it takes values from lacks.
    """
    curves, checks = frozenset(curve_names()), frozenset(check_names())
    found = {d.channel: missing[d.source] for d in knowledge.deployments if d.source in missing}
    for id, fact in knowledge.channels.items():
        for name in fact.checks.keys() - checks:
            found[id] = f"check {name}"
    if not found and all(c.curve in curves for c in knowledge.calibrations):
        return {}
    levels = levels_of(knowledge)
    for deployment in sorted(knowledge.deployments, key=lambda d: levels.get(d.channel, 0)):
        for calibration in knowledge.calibrations_of(deployment):
            second = calibration.second.channel if calibration.second else None
            if calibration.curve not in curves:
                found[deployment.channel] = f"curve {calibration.curve}"
            elif second in found:
                found.setdefault(deployment.channel, found[second])
    return found


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The steps of a moment; not `covered` where a step has calibrations, and none of that time."""

    factory: Factory | None
    calibrations: list[Calibration]
    covered: bool


def _chosen(mine: list[Calibration], place: PlannedDeployment, time_ns: int) -> _Chosen:
    """The steps for the sensor in their order, then those for the channel.

    Of each step the latest entered of those whose validity covers the time. The maker's curve
    counts, for all time, in the place of a sensor's own calibrations where none covers it.
    """
    steps = {(c.channel is not None, c.place) for c in mine}
    chosen: dict[tuple[bool, int], Calibration] = {}
    for calibration in mine:
        if calibration.covers(time_ns):
            chosen[calibration.channel is not None, calibration.place] = calibration
    factory = None
    if not any(not of_channel for of_channel, _ in chosen):
        factory = _factory(place)
    if factory is not None:
        steps = {step for step in steps if step[0]}
    return _Chosen(factory, [chosen[step] for step in sorted(chosen)], steps <= chosen.keys())


def _checked(checks: list[FieldCheck], time_ns: int) -> list[FieldCheck]:
    """Of the sensor and of the channel each, the check entered last of those that cover it."""
    found = {c.channel is not None: c for c in checks if c.covers(time_ns)}
    return [found[of_channel] for of_channel in sorted(found)]


def _segment(
    place: PlannedDeployment,
    chosen: _Chosen,
    checks: list[FieldCheck],
    marks: list[Mark],
    span: Range,
    texts: dict[str, str],
) -> Segment:
    deployment, fact, output, rank = place.deployment, place.fact, place.output, place.rank
    calibrations, factory = chosen.calibrations, chosen.factory
    chain = chain_of(place, factory, calibrations, checks, chosen.covered)
    limits = _limits(fact)
    basis = {
        "line": LINE_VERSION,
        "channel": {"id": fact.id, "quantity": fact.quantity, "unit": fact.unit},
        "source": deployment.source,
        "output": [output.name, output.quantity, output.unit],
        "possible": possible(output.quantity, output.unit)[:2],
        "sensor": deployment.sensor or "",
        "figures": [chain.accuracy, chain.repeatability, chain.resolution],
        "factory": _of_maker(factory) if factory else [],
        "calibrations": [_as_entered(c) for c in calibrations],
        "steps": [[s.curve.name, s.parameters.tolist()] for s in chain.steps],
        "drift since": [
            since for s, since in zip(chain.steps, chain.since_ns, strict=True) if s.drift_per_year
        ],
        "value": chain.known,
        "checks": limits,
    }
    basis |= _further(place, chosen, chain, checks, span)
    derivation = _named(basis, texts)
    over = [m for m in marks if bounds_of(m)[0] < span[1] and span[0] < bounds_of(m)[1]]
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
        checks=tuple(prepare_check(find_check(name), given) for name, given in limits.items()),
        marks=tuple(over),
        windows=tuple(_windows(basis, derivation, over, span, texts)),
        readings=_readings(place),
        expires_ns=min(expiries, default=None),
        level=place.level,
        deployed_ns=bounds_of(deployment)[0],
    )


def _further(
    place: PlannedDeployment, chosen: _Chosen, chain: Chain, checks: list[FieldCheck], span: Range
) -> dict[str, Any]:
    """What only some derivations are made of."""
    basis: dict[str, Any] = {}
    if place.output.meaning:
        basis["meaning"] = place.output.meaning
    if packages := _packages(place.output, chain, _limits(place.fact)):
        basis["packages"] = packages
    if replaced := _replaced(place):
        basis["replaced"] = replaced
    if any(chain.calendar):
        basis["pairs"] = [_earlier(place, c) for c in chosen.calibrations]
        basis["calendar"] = chain.calendar
    if chain.deviations:
        basis["field checks"] = [[c.id, *d] for c, d in zip(checks, chain.deviations, strict=True)]
    if second_input := _second_inputs(place, chosen.calibrations, span):
        basis["beside"] = second_input
    return basis


def _packages(output: Output, chain: Chain, limits: Iterable[str]) -> list[str]:
    """The packages, edaphon apart, whose parts decide about the values."""
    curves, checks = known_curves().packages, known_checks().packages
    steps = [*chain.steps, *(s.before for s in chain.steps if s.before is not None)]
    found = {*output.packages, *(curves.get(s.curve.name, "") for s in steps)}
    return sorted(found.union(checks.get(name, "") for name in limits) - {""})


def _readings(place: PlannedDeployment) -> str:
    """Two segments of equal name have the same numbers as reported, and the same doubts."""
    output, deployment = place.output, place.deployment
    reported = [LINE_VERSION, deployment.source, deployment.sensor or "", place.rank]
    reported += [deployment.from_ns] if deployment.sensor else []
    reported += [output.name, output.quantity, output.unit, output.meaning]
    reported += possible(output.quantity, output.unit)[:2]
    reported += _replaced(place)
    reported += output.packages
    return hashlib.sha256(orjson.dumps(reported)).hexdigest()[:12]


def _replaced(place: PlannedDeployment) -> list[list[Any]]:
    """The files of its source of which a later copy replaces the earlier ones."""
    own, known = place.deployment.source, place.knowledge.replacements.items()
    return sorted([file, copy] for (source, file), copy in known if source == own)


def _second_inputs(
    place: PlannedDeployment, calibrations: list[Calibration], span: Range
) -> list[list[Any]]:
    """The derivations of other channels that the values taken from them may have."""
    return [
        [
            c.id,
            *sorted({e.derivation for e in place.second_input(c) if _reaches(e, span, age_of(c))}),
        ]
        for c in calibrations
        if c.second is not None and c.second.channel is not None
    ]


def _reaches(interval: PlanInterval, span: Range, age_ns: int) -> bool:
    return interval.start_ns < span[1] and span[0] - age_ns < interval.end_ns


def _windows(
    basis: dict[str, Any],
    derivation: str,
    marks: list[Mark],
    span: Range,
    texts: dict[str, str],
) -> Iterator[tuple[int, str]]:
    cuts = {t for m in marks for t in bounds_of(m) if span[0] < t < span[1]}
    for begin in [span[0], *sorted(cuts)]:
        here = [[m.id, m.flag] for m in marks if m.covers(begin)]
        yield begin, _named({**basis, "marks": here}, texts) if here else derivation


def _named(basis: dict[str, Any], texts: dict[str, str]) -> str:
    text = orjson.dumps(basis, option=orjson.OPT_SORT_KEYS).decode()
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    texts[name] = text
    return name


def _as_entered(calibration: Calibration) -> dict[str, Any]:
    return calibration.model_dump(
        mode="json", by_alias=True, exclude={"from_ns", "to_ns"}, exclude_none=True
    )


def _earlier(place: PlannedDeployment, calibration: Calibration) -> dict[str, Any]:
    """What it drifted from."""
    before = place.before(calibration)
    return _as_entered(before) if before is not None else {}


def _factory(place: PlannedDeployment) -> Factory | None:
    """As it was when it was first used; what an owner says of own sheets holds for the past too."""
    deployment, output = place.deployment, place.output
    if deployment.factory is None:
        return None
    pinned = place.knowledge.factory(place.model, output.name, deployment.factory)
    if pinned is not None and not output.meaning:
        return pinned.as_on_a_sheet()
    return next((f for f in output.factory if f.name == deployment.factory), None)


def _of_maker(factory: Factory) -> list[Any]:
    name, curve, given = factory.name, factory.curve, dict(factory.parameters)
    return [name, curve, given, factory.quantity, factory.unit]


def _limits(fact: ChannelFact) -> dict[str, dict[str, float]]:
    """The usual limits, each check replaced where the channel states its own."""
    depth = float(fact.depth_cm) if fact.depth_cm else None
    limits = default_limits(fact.quantity, depth, fact.unit)
    if not holds_for(fact.statistic):
        limits.pop("physics", None)
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
