"""Whether what trust rests on is there: pairs of calibrations, checks, makers' curves, evidence."""

from collections.abc import Iterator

from edaphon.facts.calibrations import OfSubject
from edaphon.facts.case import Case, Found, unless_known
from edaphon.facts.model import Calibration, Fact, FactoryCurve, FieldCheck
from edaphon.toml_input import expected_only
from edaphon.toml_input.values import is_hash
from edaphon_calibration.chain import prepare_step
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.units import canonical, check_unit, conversion

__all__ = ["naming_complaints", "own_complaints"]


def own_complaints(case: Case) -> Iterator[Found]:
    """What is wrong with a fact whatever else is known."""
    for fact in _on_subjects(case):
        for name, reported in (fact.evidence or {}).items():
            if not is_hash(reported):
                right = f"the SHA-256 of the file, as `sha256sum {name}` tells it"
                yield fact, "evidence", f'"{name}" has no hash yet', right
    for calibration in case.new(Calibration):
        yield from _drift(calibration)
    for check in case.new(FieldCheck):
        yield from _unit(case, check)
    for factory in case.new(FactoryCurve):
        yield from _factory(case, factory)


def naming_complaints(case: Case) -> Iterator[Found]:
    """What names something that is not there, or that it does not fit."""
    for fact in _on_subjects(case):
        yield from _subject(case, fact)
    for calibration in case.new(Calibration):
        if calibration.drifts_from is not None:
            yield from _pair(case, calibration, calibration.drifts_from)


def _drift(calibration: Calibration) -> Iterator[Found]:
    """What grows with time has a begin; a pair says itself how far it drifted."""
    if not calibration.drift_per_year:
        return
    came = f"{calibration.drift_per_year:g}"
    if calibration.drifts_from is not None:
        yield calibration, "drift_per_year", f"{came} with drifts_from", "one of the two"
    elif calibration.from_ns is None:
        yield calibration, "drift_per_year", f"{came} without from", "`from`: when it was made"


def _on_subjects(case: Case) -> Iterator[Calibration | FieldCheck]:
    yield from case.new(Calibration)
    yield from case.new(FieldCheck)


def _subject(case: Case, fact: OfSubject) -> Iterator[Found]:
    yield from unless_known(fact, "channel", fact.channel, case.after.channels, "channel")
    yield from unless_known(fact, "sensor", fact.sensor, case.after.sensors, "sensor")
    sensor = case.after.sensors.get(fact.sensor or "")
    if sensor is not None and sensor.model in case.sheets:
        outputs = case.sheets[sensor.model].outputs
        yield from unless_known(fact, "output", fact.output, outputs, f"output of a {sensor.model}")


def _pair(case: Case, later: Calibration, name: str) -> Iterator[Found]:
    """Both speak of the same number, in the same unit."""
    known = {
        id: fact
        for id, facts in case.after.ever.items()
        if isinstance(fact := facts[-1], Calibration) and id != later.id
    }
    if name == later.id:
        yield later, "drifts_from", f'"{name}" is this one itself', "the one made before it"
        return
    yield from unless_known(later, "drifts_from", name, known, "calibration")
    if name == later.supersedes:
        came = f'"{name}" is superseded by this one'
        yield later, "drifts_from", came, "leave out `supersedes`: both of a pair stand"
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
        yield later, key, came, "one that holds for one moment, without drifts_from"
    elif first.by_calendar or later.by_calendar:
        came = f'"{(first if first.by_calendar else later).curve}" goes by the calendar itself'
        yield later, key, came, "two curves of one moment each"
    elif first.second != later.second:
        yield later, key, f'"{first.id}" takes another number beside', "the same `second`"
    elif _gives(first) != _gives(later):
        unit = _gives(first) or "the unit of what comes"
        came = f'"{first.id}" gives {unit}, this one {_gives(later) or "the unit of what comes"}'
        yield later, key, came, "two that give the same unit, stated by to_unit"


def _gives(step: Calibration) -> str:
    """The unit after it, "" where it is that of what comes."""
    known = find_curve(step.curve) if step.curve in curve_names() else None
    own = (known.to_unit, known.from_unit) if known is not None else (None, None)
    unit = step.to_unit or own[0] or step.from_unit or own[1] or ""
    try:
        return canonical(unit) if unit else ""
    except CalibrationError:  # complained of where it stands
        return unit


def _unit(case: Case, check: FieldCheck) -> Iterator[Found]:
    """It is one, and converts to the channel's."""
    if check.unit is None:
        return
    try:
        canonical(check.unit)
    except CalibrationError as error:
        yield check, "unit", f'"{check.unit}" is no unit', expected_only(error)
        return
    channel = case.after.channels.get(check.channel or "")
    if channel is None:
        return
    try:
        conversion(check.unit, channel.unit)
    except CalibrationError as error:
        came = f'"{check.unit}", but channel {channel.id} is in {channel.unit}'
        yield check, "unit", came, expected_only(error)


def _factory(case: Case, fact: FactoryCurve) -> Iterator[Found]:
    yield from _of_a_sheet(case, fact)
    yield from _in_force_once(case, fact)
    if fact.curve not in curve_names():
        yield from unless_known(fact, "curve", fact.curve, curve_names(), "curve")
        return
    try:
        prepare_step(find_curve(fact.curve), fact.parameters)
    except CalibrationError as error:
        yield fact, "parameters", "do not fit the curve", expected_only(error)
    if fact.quantity not in QUANTITIES:
        yield from unless_known(fact, "quantity", fact.quantity, QUANTITIES, "quantity")
        return
    try:
        check_unit(fact.unit, fact.quantity)
    except CalibrationError as error:
        yield fact, "unit", f'"{fact.unit}" does not fit', expected_only(error)


def _of_a_sheet(case: Case, fact: FactoryCurve) -> Iterator[Found]:
    """One that supersedes may be of an output that a later sheet has no more."""
    earlier = _superseded(case, fact)
    if earlier is not None:
        if earlier.key != fact.key:
            came = f'"{earlier.id}" is of {" ".join(earlier.key)}'
            yield fact, "supersedes", came, "an earlier one of the same model, output and name"
        return
    yield from unless_known(fact, "model", fact.model, case.sheets.names(), "model sheet")
    if fact.model not in case.sheets:
        return
    outputs = case.sheets[fact.model].outputs
    yield from unless_known(fact, "output", fact.output, outputs, f"output of a {fact.model}")
    if fact.output in outputs:
        names = [factory.name for factory in outputs[fact.output].factory]
        yield from unless_known(fact, "name", fact.name, names, "factory curve")


def _superseded(case: Case, fact: Fact) -> FactoryCurve | None:
    earlier = case.after.ever.get(fact.supersedes or "", ())
    return next((f for f in earlier if isinstance(f, FactoryCurve)), None)


def _in_force_once(case: Case, fact: FactoryCurve) -> Iterator[Found]:
    for other in case.after.current(FactoryCurve):
        if other is fact:
            return  # a later one is to blame itself
        if other.key == fact.key:
            came = f'{" ".join(fact.key)} is kept in "{other.id}"'
            yield fact, "name", came, f'supersedes = "{other.id}"'
