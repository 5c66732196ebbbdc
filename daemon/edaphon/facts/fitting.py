"""Whether the units fit all along a chain: output, factory curve, calibrations, channel."""

from collections.abc import Iterator

from edaphon.facts.case import Case, Found
from edaphon.facts.model import Calibration, ChannelFact, Deployment, Fact
from edaphon.toml_input import did_you_mean, expected_only
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.units import check_unit, conversion
from edaphon_drivers.sheets import Output

__all__ = ["fitting_complaints"]


def fitting_complaints(case: Case) -> Iterator[Found]:
    """At most one for each new fact, at the fact of the chain that was written last."""
    shown: set[str] = set()
    for deployment in case.after.deployments:
        channel = case.after.channels.get(deployment.channel)
        output = (case.sources or {}).get(deployment.source, {}).get(deployment.output)
        if channel is None or output is None or not _sound(channel):
            continue
        if deployment.factory not in {None, *(factory.name for factory in output.factory)}:
            continue
        for fact, key, came, right in _chain(case, deployment, channel, output):
            if case.is_new(fact) and fact.id not in shown:
                shown.add(fact.id)
                yield fact, key, came, right


def _sound(channel: ChannelFact) -> bool:
    """False for a channel that was complained of already."""
    if channel.quantity not in QUANTITIES:
        return False
    try:
        check_unit(channel.unit, channel.quantity)
    except CalibrationError:
        return False
    return True


def _chain(
    case: Case, deployment: Deployment, channel: ChannelFact, output: Output
) -> Iterator[Found]:
    """Walks every way a number can take: factory curve or sensor step, then channel step."""
    mine = [c for c in case.after.calibrations if c.curve in curve_names()]
    sensor = [c for c in mine if _of_sensor(c, deployment) and c.overlaps(deployment)]
    own = [c for c in mine if c.channel == channel.id and c.overlaps(deployment)]
    if problem := _too_long(sensor, own):
        fact = next((f for f in reversed([*sensor, *own]) if case.is_new(f)), deployment)
        yield fact, "step" if isinstance(fact, Calibration) else "channel", problem, "at most three"
    for step in [*sensor, *own]:
        yield from _twice(case, step, output, deployment)
        yield from _beside(case, step, deployment)
    factory = next((f for f in output.factory if f.name == deployment.factory), None)
    reported = (output.unit, output.quantity)
    ends = [(factory.unit, factory.quantity)] if factory is not None else []
    if sensor:
        found, after = _through(case, deployment, channel, [reported], sensor)
        yield from found
        ends += after
    elif factory is None:
        ends = [reported]
    if not own:
        yield from _reaches(case, channel, ends, *sensor[-1:], deployment)
        return
    found, after = _through(case, deployment, channel, ends, own)
    yield from found
    last = max(step.place for step in own)
    steps = [step for step in own if step.place == last]
    for end, step in zip(after, steps, strict=True):
        yield from _reaches(case, channel, [end], step)


def _through(
    case: Case,
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
                found += _into(case, step, unit, deployment)
        ends = [_out_of(step, ends[0][0], channel.quantity) for step in here]
    return found, ends


def _too_long(sensor: list[Calibration], own: list[Calibration]) -> str:
    steps = {(False, c.place) for c in sensor} | {(True, c.place) for c in own}
    return f"is one of {len(steps)} steps" if len(steps) > 3 else ""


def _of_sensor(step: Calibration, deployment: Deployment) -> bool:
    mine = (deployment.sensor, deployment.output)
    return step.sensor is not None and (step.sensor, step.output) == mine


def _into(case: Case, step: Calibration, unit: str, deployment: Deployment) -> Iterator[Found]:
    """The unit that comes must convert to the one that goes in."""
    wanted = step.from_unit or find_curve(step.curve).from_unit or unit
    key = "from_unit" if step.from_unit else "curve"
    try:
        conversion(unit, wanted)
    except CalibrationError as error:
        if case.is_new(step):
            came = f'"{getattr(step, key)}" can\'t take the {unit} of {deployment.source}'
            yield step, key, came, expected_only(error)
        else:
            came = f'"{deployment.output}" in {unit} does not fit calibration {step.id}'
            yield deployment, "output", came, expected_only(error)


def _beside(case: Case, step: Calibration, deployment: Deployment) -> Iterator[Found]:
    """What a step takes beside its number is there, and in a unit that the curve can take."""
    wanted = find_curve(step.curve).second
    if step.second is None or wanted is None or step.by_calendar:
        return
    if step.second.channel is not None:
        found = case.after.channels.get(step.second.channel)
        unit, name = found.unit if found is not None else None, step.second.channel
    else:
        outputs = (case.sources or {}).get(deployment.source, {})
        output = outputs.get(step.second.output or "")
        unit, name = output.unit if output is not None else None, step.second.output or ""
        if output is None:
            came = f'"{name}" is no output of {deployment.source}'
            yield *_blamed(case, step, deployment), came, did_you_mean(name, outputs)
    if unit is None:
        return
    try:
        conversion(unit, wanted.unit)
    except CalibrationError as error:
        came = f'"{name}" is in {unit}'
        yield *_blamed(case, step, deployment), came, expected_only(error)


def _blamed(case: Case, step: Calibration, deployment: Deployment) -> tuple[Fact, str]:
    """The one that was written last, and its key."""
    return (step, "second") if case.is_new(step) else (deployment, "output")


def _twice(
    case: Case, step: Calibration, output: Output, deployment: Deployment
) -> Iterator[Found]:
    """Nothing is corrected for what the instrument has corrected inside."""
    twice = [what for what in find_curve(step.curve).compensates if what in output.compensated]
    if not twice:
        return
    words = f"{output.name} of {deployment.source} is compensated for {' and '.join(twice)} inside"
    if case.is_new(step):
        yield step, "curve", f'"{step.curve}" would do so again', f"another curve: {words}"
    else:
        came = f"{words}, and calibration {step.id} would do so again"
        yield deployment, "output", came, "another output, or a calibration without it"


def _out_of(step: Calibration, came: str, quantity: str) -> tuple[str, str]:
    """Unit and quantity that a step gives."""
    known = find_curve(step.curve)
    unit = step.to_unit or known.to_unit or step.from_unit or known.from_unit or came
    return unit, known.quantity or quantity


def _reaches(
    case: Case, channel: ChannelFact, ends: list[tuple[str, str]], *facts: Fact
) -> Iterator[Found]:
    """The last unit must convert to the channel's, and be of its quantity."""
    fact = next((f for f in facts if case.is_new(f)), channel)
    for unit, quantity in ends:
        if quantity != channel.quantity:
            came = f"gives {quantity}, channel {channel.id} is {channel.quantity}"
            yield fact, _last_key(fact), came, "a factory curve, a calibration or another channel"
            continue
        try:
            conversion(unit, channel.unit)
        except CalibrationError as error:
            came = f"gives {unit}, channel {channel.id} is in {channel.unit}"
            yield fact, _last_key(fact), came, expected_only(error)


def _last_key(fact: Fact) -> str:
    if isinstance(fact, Calibration):
        return "to_unit" if fact.to_unit else "curve"
    return "output" if isinstance(fact, Deployment) else "quantity"
