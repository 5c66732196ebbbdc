"""How a value came through its chain: each step, why a chain leads to none, checks in the field."""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import orjson

from edaphon.clock import instant_text
from edaphon.derive.calibrate import SecondInputSource
from edaphon.derive.segments import says_of
from edaphon.explain import explanation as shown
from edaphon.explain.trace import Again, Case, History, Row, after_step, number, row_at
from edaphon.facts import (
    Calibration,
    Deployment,
    Fact,
    FactoryCurve,
    FieldCheck,
    Knowledge,
    Period,
    Revocation,
    from_payload,
)
from edaphon.facts.model import open_steps
from edaphon.model import EntryId
from edaphon.people import person
from edaphon.toml_input.values import duration_text
from edaphon_calibration.chain import Step
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.units import canonical
from edaphon_drivers.sheets import Factory, Output

Source = Calibration | Factory


def entered_by(history: History, fact: Fact) -> shown.EnteredBy | None:
    """Who entered a fact, when it became known, and the file that it came from."""
    known = next((k for k in history.knowledge.entered if k.fact is fact), None)
    entry = dict(history.meanings).get(known.sequence) if known else None
    if known is None or entry is None:
        return None
    own = from_payload(entry.payload)
    since = instant_text(entry.received_ns)
    return shown.EnteredBy(own.who, own.account, since, own.file, own.sha256, str(known.sequence))


def _evidence_of(history: History, fact: Calibration | FieldCheck) -> shown.RestsOn:
    return shown.RestsOn(
        fact.certificate,
        fact.reference,
        fact.operator,
        fact.method,
        dict(fact.evidence or {}),
        entered_by(history, fact),
    )


def span_of(period: Period) -> shown.ShownSpan:
    return shown.ShownSpan(_instant(period.from_ns), _instant(period.to_ns))


def _instant(time_ns: int | None) -> str | None:
    return None if time_ns is None else instant_text(time_ns)


def _subject_of(fact: Calibration | FieldCheck) -> str:
    if fact.channel is not None:
        return f"channel {fact.channel}"
    return f"sensor {fact.sensor}, output {fact.output}"


def steps_of(case: Case) -> Iterator[shown.ShownStep]:
    """One for each step, in order; nothing where the channel has no chain then."""
    again = case.again
    if again is None or not again.segment.chain.known:
        return
    output = _output(case)
    unit, rows = output.unit, 0
    chain = again.segment.chain
    sources = _sources(case, again, output)
    for n, (side, source) in enumerate(zip(chain.second_input, sources, strict=True)):
        step = _step(case, again, n, source, unit, rows)
        rows += 3 * (side is not None)
        yield step
        unit = step.own.unit_out


def _step(case: Case, again: Again, n: int, source: Source, unit: str, row: int) -> shown.ShownStep:
    """The nth step; `row` is that of its second input in what the chain was handed."""
    chain = again.segment.chain
    step, side = chain.steps[n], chain.second_input[n]
    after = after_step(chain, again.seen, n + 1)
    second = None if side is None else _second(case, again, step, side, row)
    progress = _progress(again, n)
    own = _one(case, again, n, step, source, unit)
    earlier = _earlier(case, again, n, unit)
    shares = progress.share if progress and step.curve.second else None
    beyond = tuple(_beyond(own, earlier, second.value if second else shares))
    return shown.ShownStep(
        own,
        number(float(after.value[0])),
        number(float(after.u_random[0])),
        number(float(after.u_systematic[0])),
        second,
        progress,
        earlier,
        beyond,
        outside=bool(beyond),
    )


def _one(case: Case, again: Again, n: int, step: Step, source: Source, unit: str) -> shown.Alone:
    into, gives = _units(step, source, unit)
    before = after_step(again.segment.chain, again.seen, n)
    return shown.Alone(
        _origin(case, source),
        _used(step, source),
        into,
        gives,
        number(float(step.conversion.apply(before.value)[0])),
        number(_alone(again, n, step)),
    )


def _alone(again: Again, n: int, step: Step) -> float:
    """The value behind the nth step if no other calibration counted there."""
    chain = again.segment.chain
    if step.before is None and step is chain.steps[n]:
        return float(after_step(chain, again.seen, n + 1).value[0])
    calendar = (*chain.calendar[:n], None)
    part = replace(chain, steps=(*chain.steps[:n], replace(step, before=None)), calendar=calendar)
    return float(after_step(part, again.seen, n + 1).value[0])


def _progress(again: Again, n: int) -> shown.PairProgress | None:
    span = again.segment.chain.calendar[n]
    if span is None:
        return None
    begin, end = span
    share = (again.row.time_ns - begin) / (end - begin)
    return shown.PairProgress(share, instant_text(begin), instant_text(end))


def _earlier(case: Case, again: Again, n: int, unit: str) -> shown.Alone | None:
    """Of a pair, the calibration before deployment: what it says of itself and of this number."""
    step = again.segment.chain.steps[n].before
    source = _sources(case, again, _output(case))[n]
    if step is None or isinstance(source, Factory):
        return None
    earlier = case.history.knowledge.standing(source.drifts_from or "")
    assert isinstance(earlier, Calibration)  # noqa: S101  the step was made of it
    return _one(case, again, n, step, earlier, unit)


def _beyond(own: shown.Alone, earlier: shown.Alone | None, second: float | None) -> Iterator[str]:
    """What lies outside of where each calibration of a step holds."""
    for one in (earlier, own):
        if one is None or one.input is None or _within(one.input, one.used.domain):
            continue
        used = one.used
        whose = f"calibration {one.origin.id}" if used.own_domain else f"the curve {used.curve}"
        what = f"{one.input:.6g} {one.unit_in} is outside the domain of {whose}"
        yield f"{what}, {_range(used.domain)}"
    domain = own.used.second_domain
    if second is not None and domain is not None and not _within(second, domain):
        what = f"the second input {second:.6g} is outside the domain of the curve"
        yield f"{what} {own.used.curve}, {_range(domain)}"


def _within(x: float, domain: shown.Domain) -> bool:
    lowest, highest = domain
    return (lowest is None or lowest <= x) and (highest is None or x <= highest)


def _range(domain: shown.Domain) -> str:
    lowest, highest = domain
    if highest is None:
        return f"{lowest:g} and more"
    return f"{highest:g} and less" if lowest is None else f"{lowest:g} to {highest:g}"


def _output(case: Case) -> Output:
    d = case.deployment
    assert d is not None  # noqa: S101  a chain is that of a deployment
    return case.history.sources.outputs[d.source][d.output]


def _sources(case: Case, again: Again, output: Output) -> list[Source]:
    """What each step was made of: the same choice that the plan made, by its derivation."""
    known = {c.id: c for c in case.history.knowledge.calibrations}
    basis = _basis(case, again)
    chosen: list[Source] = [known[one["id"]] for one in basis["calibrations"]]
    if not basis["factory"]:
        return chosen
    pinned = _pinned(case, output)
    maker = pinned.as_on_a_sheet() if pinned is not None else _on_the_sheet(case, output)
    return [maker, *chosen] if maker is not None else chosen


def _pinned(case: Case, output: Output) -> FactoryCurve | None:
    """The fact that keeps the maker's curve as it was when it was first used."""
    d = case.deployment
    if d is None or d.factory is None or output.meaning:
        return None
    model = case.history.sources.models.get(d.source, "")
    return case.history.knowledge.factory(model, output.name, d.factory)


def _on_the_sheet(case: Case, output: Output) -> Factory | None:
    d = case.deployment
    return next((f for f in output.factory if d is not None and f.name == d.factory), None)


def _units(step: Step, source: Source, unit: str) -> tuple[str, str]:
    """(the unit that goes into the curve, the unit that comes out)."""
    if isinstance(source, Factory):
        return step.curve.from_unit or unit, source.unit
    into = source.from_unit or step.curve.from_unit or unit
    return into, source.to_unit or step.curve.to_unit or into


def _used(step: Step, source: Source) -> shown.UsedCurve:
    names = step.curve.spelled(source.parameters)
    return shown.UsedCurve(
        step.curve.name,
        step.curve.about,
        step.curve.reference,
        dict(zip(names, step.parameters.tolist(), strict=True)),
        None if step.covariance is None else step.covariance.tolist(),
        step.model,
        step.drift_per_year,
        _domain(step.domain or step.curve.domain),
        step.domain is not None,
        _domain(step.curve.second.domain) if step.curve.second else None,
    )


def _domain(bounds: tuple[float, float]) -> shown.Domain:
    lowest, highest = (x if np.isfinite(x) else None for x in bounds)
    return lowest, highest


def _origin(case: Case, source: Source) -> shown.FactoryOrigin | shown.CalibrationOrigin:
    if isinstance(source, Factory):
        return shown.FactoryOrigin("factory", source.name, _pin(case))
    return shown.CalibrationOrigin(
        "sensor" if source.channel is None else "channel",
        source.id,
        source.place,
        span_of(source),
        _instant(source.expires_ns),
        _evidence_of(case.history, source),
    )


def _pin(case: Case) -> shown.PinnedCurve | None:
    output = _output(case)
    pinned, sheet = _pinned(case, output), _on_the_sheet(case, output)
    if pinned is None:
        return None
    kept, says = (None if f is None else _of_maker(f) for f in (pinned.as_on_a_sheet(), sheet))
    entered = entered_by(case.history, pinned)
    return shown.PinnedCurve(pinned.id, pinned.model, entered, says == kept, says)


def _of_maker(factory: Factory) -> shown.MakerCurve:
    """A curve that is not there any more has the parameters of the sheet only."""
    parameters = dict(factory.parameters)
    if factory.curve in curve_names():
        own = find_curve(factory.curve)
        numbers = own.parameter_vector(factory.parameters).tolist()
        parameters = dict(zip(own.spelled(factory.parameters), numbers, strict=True))
    return shown.MakerCurve(factory.curve, parameters, factory.quantity, canonical(factory.unit))


def _second(
    case: Case, again: Again, step: Step, side: SecondInputSource, row: int
) -> shown.SecondValue:
    value, u_random, u_systematic = again.seen.second_input[row : row + 3, again.seen.at].tolist()
    return shown.SecondValue(
        number(value),
        number(u_random),
        number(u_systematic),
        step.curve.second.unit if step.curve.second else "",
        _of_output(case, side) if side.output else _of_channel(case, again.row, side, value),
    )


def _of_output(case: Case, side: SecondInputSource) -> shown.OfOutput:
    reading = case.second_reading(side.output)
    return shown.OfOutput(
        side.output, shown.Number(reading.number, reading.unit) if reading else None
    )


def _of_channel(case: Case, row: Row, side: SecondInputSource, value: float) -> shown.OfChannel:
    """The observation of the other channel that was taken: the latest placed before, and equal."""
    begin, end = row.time_ns - side.max_age_ns, row.time_ns + side.max_age_ns + 1
    runs = [run for run in case.series.read(side.channel, begin, end) if run.rank == 0]
    rows = [row_at(run, index) for run in runs for index in range(len(run))]
    own = [r for r in rows if float(side.conversion.apply(np.array([r.value]))[0]) == value]
    taken = max(own, key=lambda r: (r.sequence <= row.sequence, r.sequence), default=None)
    max_age = duration_text(side.max_age_ns)
    if taken is None:
        return shown.OfChannel(side.channel, max_age, None)
    row_taken = shown.TakenRow(
        str(EntryId.of(taken.sequence)),
        instant_text(taken.time_ns),
        (row.time_ns - taken.time_ns) / 1e9,
        taken.flag,
        taken.value,
        case.history.plan.channels[side.channel].unit,
    )
    return shown.OfChannel(side.channel, max_age, row_taken)


def why_no_chain(case: Case) -> str:
    """Why the chain leads to no value then; "" where it leads to one."""
    again, deployment = case.again, case.deployment
    if again is None:
        return "not known, as deriving again gives no observation"
    if again.segment.chain.known or deployment is None:
        return ""
    if again.segment.chain.problem:
        return "; ".join([again.segment.chain.problem, *_taken_back(case, again)])
    uncovered = list(_uncovered(case, again, deployment))
    return "; ".join(uncovered) or "no factory curve or calibration leads to the channel's quantity"


def _basis(case: Case, again: Again) -> dict[str, Any]:
    """What the derivation was made of."""
    basis: dict[str, Any] = orjson.loads(case.history.plan.texts[again.segment.derivation])
    return basis


def _uncovered(case: Case, again: Again, deployment: Deployment) -> Iterator[str]:
    """A sentence for each step that has calibrations, and none of that time."""
    mine = case.history.knowledge.calibrations_of(deployment)
    maker = bool(_basis(case, again)["factory"])
    for own in open_steps(mine, again.row.time_ns, maker):
        none = f"no calibration of step {own[0].place} of {_subject_of(own[0])} covers this time"
        yield "; ".join([none, *_around(own, again.row.time_ns)])


def _around(calibrations: list[Calibration], time_ns: int) -> Iterator[str]:
    """The one that ended last before a time, and the one that begins first after it."""
    ended = [(c.to_ns, c.id) for c in calibrations if c.to_ns is not None and c.to_ns <= time_ns]
    to_come = [
        (c.from_ns, c.id) for c in calibrations if c.from_ns is not None and c.from_ns > time_ns
    ]
    if ended:
        end_ns, id = max(ended)
        yield f"{'the one before' if to_come else 'the last'} ended {instant_text(end_ns)} ({id})"
    if to_come:
        begin_ns, id = min(to_come)
        yield f"the {'next' if ended else 'first'} begins {instant_text(begin_ns)} ({id})"


def _taken_back(case: Case, again: Again) -> Iterator[str]:
    """Who took back what a calibration of that time drifts from, and why."""
    knowledge = case.history.knowledge
    chosen = {one["id"] for one in _basis(case, again)["calibrations"]}
    for calibration in (c for c in knowledge.calibrations if c.id in chosen):
        earlier = calibration.drifts_from
        if earlier is None or knowledge.standing(earlier) is not None:
            continue
        names = {earlier, *_followers(knowledge, earlier)}
        for revocation in knowledge.current(Revocation):
            if revocation.of in names:
                entered = entered_by(case.history, revocation)
                by = ""
                if entered:
                    who = person(entered.who, entered.account)
                    by = f" by {who} at {entered.known_since}"
                yield f"{revocation.of} was taken back{by} ({revocation.id}): {revocation.why}"


def _followers(knowledge: Knowledge, id: str) -> Iterator[str]:
    """Those that supersede it, one after the other."""
    for known in knowledge.entered:
        if known.fact.supersedes == id and known.fact.id != id:
            id = known.fact.id
            yield id


def field_checks_of(case: Case) -> Iterator[shown.ShownFieldCheck]:
    """Each check in the field that counts for the value, in the order of their use."""
    again, deployment = case.again, case.deployment
    if again is None or deployment is None or again.row.value != again.row.value:
        return
    own = case.history.knowledge.field_checks_of(deployment)
    checks = {check.id: check for check in own}
    for n, (id, *_) in enumerate(_basis(case, again).get("field checks", [])):
        yield _field_check(case, checks[id], _compared(case, again, n))
    unit = _unit(case)
    for check in own:
        if check.covers(again.row.time_ns) and not says_of(check, unit):
            outcome = shown.LeftOut("left out", f"{check.unit} is not {unit}")
            yield _field_check(case, check, outcome)


def _unit(case: Case) -> str:
    return case.history.plan.channels[case.found.channel].unit


def _field_check(
    case: Case, check: FieldCheck, outcome: shown.Compared | shown.LeftOut
) -> shown.ShownFieldCheck:
    return shown.ShownFieldCheck(
        check.id,
        _subject_of(check),
        check.state,
        instant_text(check.visit_ns),
        span_of(check),
        check.reading,
        check.reference_value,
        check.u_reference,
        check.unit or _unit(case),
        _evidence_of(case.history, check),
        outcome,
    )


def _compared(case: Case, again: Again, n: int) -> shown.Compared:
    deviation, u_reference = again.segment.chain.deviations[n]
    before, after = _u_systematic(again, n), _u_systematic(again, n + 1)
    limit = 2.0 * sqrt(before * before + u_reference * u_reference)
    result = "confirmed" if after == before else "widened"
    return shown.Compared(deviation, limit, before, after, _unit(case), result)


def _u_systematic(again: Again, n: int) -> float:
    """Behind the first n checks."""
    seen = again.seen
    part = replace(again.segment.chain, deviations=again.segment.chain.deviations[:n])
    row = np.array([seen.at])
    return float(
        part.apply(seen.raw[row], seen.time_ns[row], seen.second_input[:, row]).u_systematic[0]
    )
