"""Whether the units fit all along a chain: output, factory curve, calibrations, channel."""

from collections.abc import Iterator

from edaphon.facts.case import Case, Found
from edaphon.facts.model import Calibration, ChannelFact, Deployment, Fact
from edaphon.written import expected_only
from edaphon_calibration.curves import curve, curve_names
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.units import check_unit, conversion
from edaphon_drivers.sheets import Output

__all__ = ["fitting_complaints"]


def fitting_complaints(case: Case) -> Iterator[Found]:
    """At most one for each new fact, at the fact of the chain that was written last."""
    told: set[str] = set()
    for deployment in case.after.deployments:
        channel = case.after.channels.get(deployment.channel)
        output = (case.sources or {}).get(deployment.source, {}).get(deployment.output)
        if channel is None or output is None or not _sound(channel):
            continue
        if deployment.factory not in {None, *(factory.name for factory in output.factory)}:
            continue
        for fact, key, came, right in _chain(case, deployment, channel, output):
            if case.is_new(fact) and fact.id not in told:
                told.add(fact.id)
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
    factory = next((f for f in output.factory if f.name == deployment.factory), None)
    first = [(output.unit, output.quantity)] if not sensor else []
    if factory is not None:
        first = [(factory.unit, factory.quantity)]
    for step in [*sensor, *own]:
        yield from _twice(case, step, output, deployment)
    for step in sensor:
        yield from _into(case, step, output.unit, deployment)
        first.append(_out_of(step, output.unit, channel.quantity))
    for step in own:
        for unit, _ in first:
            yield from _into(case, step, unit, deployment)
        yield from _reaches(case, channel, [_out_of(step, first[0][0], channel.quantity)], step)
    if not own:
        yield from _reaches(case, channel, first, *sensor[-1:], deployment)


def _of_sensor(step: Calibration, deployment: Deployment) -> bool:
    mine = (deployment.sensor, deployment.output)
    return step.sensor is not None and (step.sensor, step.output) == mine


def _into(case: Case, step: Calibration, unit: str, deployment: Deployment) -> Iterator[Found]:
    """The unit that comes must convert to the one that goes in."""
    wanted = step.from_unit or curve(step.curve).from_unit or unit
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


def _twice(
    case: Case, step: Calibration, output: Output, deployment: Deployment
) -> Iterator[Found]:
    """Nothing is corrected for what the instrument has corrected inside."""
    twice = [what for what in curve(step.curve).compensates if what in output.compensated]
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
    known = curve(step.curve)
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
