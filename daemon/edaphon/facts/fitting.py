"""Whether the units fit all along a chain: output, factory curve, calibrations, channel."""

from collections.abc import Iterator

from edaphon.facts.knowledge import Found, NewFacts, unless_known
from edaphon.facts.model import (
    Calibration,
    ChannelFact,
    Deployment,
    Fact,
    FactoryCurve,
    FieldCheck,
    OfSubject,
)
from edaphon.toml_input.lines import did_you_mean, refusal
from edaphon.toml_input.values import is_hash
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.prepare import prepare_step
from edaphon_calibration.units import canonical, check_unit, conversion
from edaphon_drivers.sheets import Output


def fitting_errors(new: NewFacts) -> Iterator[Found]:
    """At most one for each new fact, at the fact of the chain that was written last."""
    shown: set[str] = set()
    for deployment in new.after.deployments:
        channel = new.after.channels.get(deployment.channel)
        output = (new.sources or {}).get(deployment.source, {}).get(deployment.output)
        if channel is None or output is None or not _sound(channel):
            continue
        if deployment.factory not in {None, *(factory.name for factory in output.factory)}:
            continue
        for fact, key, came, right in _chain(new, deployment, channel, output):
            if new.is_new(fact) and fact.id not in shown:
                shown.add(fact.id)
                yield fact, key, came, right


def _sound(channel: ChannelFact) -> bool:
    """False for a channel that was complained of already."""
    known = channel.quantity in QUANTITIES
    return known and not refusal(check_unit, channel.unit, channel.quantity)


def _chain(
    new: NewFacts, deployment: Deployment, channel: ChannelFact, output: Output
) -> Iterator[Found]:
    """Walks every way a number can take: factory curve or sensor step, then channel step."""
    known = [c for c in new.after.calibrations_of(deployment) if c.curve in curve_names()]
    mine = [c for c in known if c.overlaps(deployment)]
    sensor = [c for c in mine if c.channel is None]
    own = [c for c in mine if c.channel is not None]
    if problem := _too_long(sensor, own):
        fact = next((f for f in reversed([*sensor, *own]) if new.is_new(f)), deployment)
        yield fact, "step" if isinstance(fact, Calibration) else "channel", problem, "at most three"
    for step in [*sensor, *own]:
        yield from _twice(new, step, output, deployment)
        yield from _second_input(new, step, deployment)
    factory = next((f for f in output.factory if f.name == deployment.factory), None)
    reported = (output.unit, output.quantity)
    ends = [(factory.unit, factory.quantity)] if factory is not None else []
    if sensor:
        found, after = _through(new, deployment, channel, [reported], sensor)
        yield from found
        ends += after
    elif factory is None:
        ends = [reported]
    if not own:
        yield from _reaches(new, channel, ends, *sensor[-1:], deployment)
        return
    found, after = _through(new, deployment, channel, ends, own)
    yield from found
    last = max(step.place for step in own)
    steps = [step for step in own if step.place == last]
    for end, step in zip(after, steps, strict=True):
        yield from _reaches(new, channel, [end], step)


def _through(
    new: NewFacts,
    deployment: Deployment,
    channel: ChannelFact,
    ends: list[tuple[str, str]],
    steps: list[Calibration],
) -> tuple[list[Found], list[tuple[str, str]]]:
    """(what does not fit, unit and quantity after the last place): one step of each place."""
    found: list[Found] = []
    for place in sorted({step.place for step in steps}):
        here = [step for step in steps if step.place == place]
        for step in here:
            for unit, _ in ends:
                found += _into(new, step, unit, deployment)
        ends = [_out_of(step, ends[0][0], channel.quantity) for step in here]
    return found, ends


def _too_long(sensor: list[Calibration], own: list[Calibration]) -> str:
    steps = {(False, c.place) for c in sensor} | {(True, c.place) for c in own}
    return f"is one of {len(steps)} steps" if len(steps) > 3 else ""


def _into(new: NewFacts, step: Calibration, unit: str, deployment: Deployment) -> Iterator[Found]:
    """The unit that comes must convert to the one that goes in."""
    wanted = step.from_unit or find_curve(step.curve).from_unit or unit
    key = "from_unit" if step.from_unit else "curve"
    problem = refusal(conversion, unit, wanted)
    if problem and new.is_new(step):
        came = f'"{getattr(step, key)}" can\'t take the {unit} of {deployment.source}'
        yield step, key, came, problem
    elif problem:
        came = f'"{deployment.output}" in {unit} does not fit calibration {step.id}'
        yield deployment, "output", came, problem


def _second_input(new: NewFacts, step: Calibration, deployment: Deployment) -> Iterator[Found]:
    """The second input of a step is there, in a unit that the curve can take."""
    wanted = find_curve(step.curve).second
    if step.second is None or wanted is None or step.by_calendar:
        return
    if step.second.channel is not None:
        found = new.after.channels.get(step.second.channel)
        unit, name = found.unit if found is not None else None, step.second.channel
    else:
        outputs = (new.sources or {}).get(deployment.source, {})
        output = outputs.get(step.second.output or "")
        unit, name = output.unit if output is not None else None, step.second.output or ""
        if output is None:
            came = f'"{name}" is no output of {deployment.source}'
            yield *_blamed(new, step, deployment), came, did_you_mean(name, outputs)
    if unit is not None and (problem := refusal(conversion, unit, wanted.unit)):
        yield *_blamed(new, step, deployment), f'"{name}" is in {unit}', problem


def _blamed(new: NewFacts, step: Calibration, deployment: Deployment) -> tuple[Fact, str]:
    """The one that was written last, and its key."""
    return (step, "second") if new.is_new(step) else (deployment, "output")


def _twice(
    new: NewFacts, step: Calibration, output: Output, deployment: Deployment
) -> Iterator[Found]:
    """Nothing is corrected for what the instrument has corrected inside."""
    twice = [what for what in find_curve(step.curve).compensates if what in output.compensated]
    if not twice:
        return
    words = f"{output.name} of {deployment.source} is compensated for {' and '.join(twice)} inside"
    if new.is_new(step):
        yield step, "curve", f'"{step.curve}" would compensate it again', f"another curve: {words}"
    else:
        came = f"{words}, and calibration {step.id} would compensate it again"
        yield deployment, "output", came, "another output, or a calibration without it"


def _out_of(step: Calibration, came: str, quantity: str) -> tuple[str, str]:
    """Unit and quantity that a step gives."""
    known = find_curve(step.curve)
    unit = step.to_unit or known.to_unit or step.from_unit or known.from_unit or came
    return unit, known.quantity or quantity


def _reaches(
    new: NewFacts, channel: ChannelFact, ends: list[tuple[str, str]], *facts: Fact
) -> Iterator[Found]:
    """The last unit must convert to the channel's, and be of its quantity."""
    fact = next((f for f in facts if new.is_new(f)), channel)
    for unit, quantity in ends:
        if quantity != channel.quantity:
            came = f"gives {quantity}, channel {channel.id} is {channel.quantity}"
            yield fact, _last_key(fact), came, "a factory curve, a calibration or another channel"
        elif problem := refusal(conversion, unit, channel.unit):
            came = f"gives {unit}, channel {channel.id} is in {channel.unit}"
            yield fact, _last_key(fact), came, problem


def _last_key(fact: Fact) -> str:
    if isinstance(fact, Calibration):
        return "to_unit" if fact.to_unit else "curve"
    return "output" if isinstance(fact, Deployment) else "quantity"


def own_errors(new: NewFacts) -> Iterator[Found]:
    """What is wrong with a fact whatever else is known."""
    for fact in _on_subjects(new):
        for name, reported in (fact.evidence or {}).items():
            if not is_hash(reported):
                right = f"the SHA-256 of the file, as `sha256sum {name}` shows it"
                yield fact, "evidence", f'"{name}" has no hash yet', right
    for calibration in new.new(Calibration):
        yield from _drift(calibration)
    for check in new.new(FieldCheck):
        yield from _unit(new, check)
    for factory in new.new(FactoryCurve):
        yield from _factory(new, factory)


def naming_errors(new: NewFacts) -> Iterator[Found]:
    """What names something that is not there, or that it does not fit."""
    for fact in _on_subjects(new):
        yield from _subject(new, fact)
    for calibration in new.new(Calibration):
        if calibration.drifts_from is not None:
            yield from _pair(new, calibration, calibration.drifts_from)


def _drift(calibration: Calibration) -> Iterator[Found]:
    """What grows with time has a begin; a pair says itself how far it drifted."""
    if not calibration.drift_per_year:
        return
    came = f"{calibration.drift_per_year:g}"
    if calibration.drifts_from is not None:
        yield calibration, "drift_per_year", f"{came} with drifts_from", "one of the two"
    elif calibration.from_ns is None:
        yield calibration, "drift_per_year", f"{came} without from", "`from`: when it was made"


def _on_subjects(new: NewFacts) -> Iterator[Calibration | FieldCheck]:
    yield from new.new(Calibration)
    yield from new.new(FieldCheck)


def _subject(new: NewFacts, fact: OfSubject) -> Iterator[Found]:
    sensor = new.after.sensors.get(fact.sensor or "")
    if sensor is not None and sensor.model in new.sheets:
        outputs = new.sheets[sensor.model].outputs
        yield from unless_known(fact, "output", fact.output, outputs, f"output of a {sensor.model}")


def _pair(new: NewFacts, later: Calibration, name: str) -> Iterator[Found]:
    """Both speak of the same number, in the same unit."""
    known = {
        id: fact
        for id, facts in new.after.ever.items()
        if isinstance(fact := facts[-1], Calibration) and id != later.id
    }
    if name == later.id:
        yield later, "drifts_from", f'"{name}" is this one itself', "the one made before it"
        return
    yield from unless_known(later, "drifts_from", name, known, "calibration")
    if name == later.supersedes:
        came = f'"{name}" is superseded by this one'
        yield later, "drifts_from", came, "leave out `supersedes`: both of a pair are valid"
    elif name in known:
        yield from _one_number(later, known[name])


def _one_number(later: Calibration, first: Calibration) -> Iterator[Found]:
    key = "drifts_from"
    if first.subject != later.subject:
        came = f'"{first.id}" is for {" ".join(first.subject)}'
        yield later, key, came, f"one for {' '.join(later.subject)}"
    elif first.place != later.place:
        right = f"one of step {later.place}"
        yield later, key, f'"{first.id}" is step {first.place}', right
    elif first.drifts_from is not None:
        came = f'"{first.id}" drifts from "{first.drifts_from}" itself'
        yield later, key, came, "one that is valid at one moment, without drifts_from"
    elif first.by_calendar or later.by_calendar:
        came = f'"{(first if first.by_calendar else later).curve}" depends on the calendar itself'
        yield later, key, came, "two curves of one moment each"
    elif first.second != later.second:
        yield later, key, f'"{first.id}" takes another second input', "the same `second`"
    elif _gives(first) != _gives(later):
        unit = _gives(first) or "the unit of its input"
        came = f'"{first.id}" gives {unit}, this one {_gives(later) or "the unit of its input"}'
        yield later, key, came, "two that give the same unit, stated by to_unit"


def _gives(step: Calibration) -> str:
    """The unit after it, "" where it is that of what comes."""
    known = find_curve(step.curve) if step.curve in curve_names() else None
    own = (known.to_unit, known.from_unit) if known is not None else (None, None)
    unit = step.to_unit or own[0] or step.from_unit or own[1] or ""
    is_unit = unit and not refusal(canonical, unit)  # else it is reported at its own place
    return canonical(unit) if is_unit else unit


def _unit(new: NewFacts, check: FieldCheck) -> Iterator[Found]:
    """It is one, and converts to the channel's."""
    if check.unit is None:
        return
    channel = new.after.channels.get(check.channel or "")
    if problem := refusal(canonical, check.unit):
        yield check, "unit", f'"{check.unit}" is no unit', problem
    elif channel is not None and (problem := refusal(conversion, check.unit, channel.unit)):
        came = f'"{check.unit}", but channel {channel.id} is in {channel.unit}'
        yield check, "unit", came, problem


def _factory(new: NewFacts, fact: FactoryCurve) -> Iterator[Found]:
    yield from _of_a_sheet(new, fact)
    yield from _in_force_once(new, fact)
    if fact.curve not in curve_names():
        yield from unless_known(fact, "curve", fact.curve, curve_names(), "curve")
        return
    if problem := refusal(prepare_step, find_curve(fact.curve), fact.parameters):
        yield fact, "parameters", "do not fit the curve", problem
    if fact.quantity not in QUANTITIES:
        yield from unless_known(fact, "quantity", fact.quantity, QUANTITIES, "quantity")
    elif problem := refusal(check_unit, fact.unit, fact.quantity):
        yield fact, "unit", f'"{fact.unit}" does not fit', problem


def _of_a_sheet(new: NewFacts, fact: FactoryCurve) -> Iterator[Found]:
    """One that supersedes may be of an output that a later sheet has no more."""
    earlier = _superseded(new, fact)
    if earlier is not None:
        if earlier.key != fact.key:
            came = f'"{earlier.id}" is of {" ".join(earlier.key)}'
            yield fact, "supersedes", came, "an earlier one of the same model, output and name"
        return
    yield from unless_known(fact, "model", fact.model, new.sheets.names(), "model sheet")
    if fact.model not in new.sheets:
        return
    outputs = new.sheets[fact.model].outputs
    yield from unless_known(fact, "output", fact.output, outputs, f"output of a {fact.model}")
    if fact.output in outputs:
        names = [factory.name for factory in outputs[fact.output].factory]
        yield from unless_known(fact, "name", fact.name, names, "factory curve")


def _superseded(new: NewFacts, fact: Fact) -> FactoryCurve | None:
    earlier = new.after.ever.get(fact.supersedes or "", ())
    return next((f for f in earlier if isinstance(f, FactoryCurve)), None)


def _in_force_once(new: NewFacts, fact: FactoryCurve) -> Iterator[Found]:
    for other in new.after.current(FactoryCurve):
        if other is fact:
            return  # a later one is to blame itself
        if other.key == fact.key:
            came = f'{" ".join(fact.key)} is kept in "{other.id}"'
            yield fact, "name", came, f'supersedes = "{other.id}"'
