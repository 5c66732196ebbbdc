"""How one deployment's numbers become values: the chain of steps, and what each takes beside."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edaphon.derive.decode import Outputs
from edaphon.facts import (
    Calibration,
    ChannelFact,
    Deployment,
    FieldCheck,
    Knowledge,
    Period,
    SecondInput,
)
from edaphon.model import Float, Int
from edaphon_calibration.chain import Calibrated, Step, apply_chain, prepare_step
from edaphon_calibration.chain import SecondInput as SecondInputs
from edaphon_calibration.curves import find_curve
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.uncertainty import FieldCheck as Deviation
from edaphon_calibration.uncertainty import from_limits, widened
from edaphon_calibration.units import SAME, Conversion, canonical, conversion
from edaphon_drivers.sheets import Factory, Output

__all__ = [
    "ALWAYS",
    "Beside",
    "Chain",
    "Extent",
    "Place",
    "Range",
    "age_of",
    "bounds_of",
    "chain_of",
    "says_of",
]

ALWAYS = (-(2**62), 2**62)
YEAR_NS = 31_556_952 * 10**9
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Beside:
    """Where a step's second input comes from: an output of the record, or a channel's value.

    `conversion` turns the output's or the channel's unit into what the curve takes.
    """

    conversion: Conversion
    output: str = ""
    channel: str = ""
    max_age_ns: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """From the reported number to the channel's unit; no steps and `known` False: no value.

    `beside` says for each step where its second input comes from, None for a step without one;
    `calendar` from when to when a step goes from one calibration to another. `deviations` are what
    checks in the field found [unit of the channel].
    """

    conversion: Conversion
    steps: tuple[Step, ...] = ()
    since_ns: tuple[int, ...] = ()  # begin of validity of each step, for its drift
    final: Conversion = SAME
    accuracy: float = 0.0  # standard uncertainty, in the unit of the raw number
    repeatability: float = 0.0
    resolution: float = 0.0
    known: bool = True
    second_input: tuple[Beside | None, ...] = ()
    calendar: tuple[Range | None, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    problem: str = ""  # what of the steps does not fit together, where there is no value

    @property
    def sides(self) -> tuple[Beside, ...]:
        """The second inputs in the order of the steps that take one."""
        return tuple(side for side in self.second_input if side is not None)

    def apply(self, raw: Float, time_ns: Int, second_input: Float) -> Calibrated:
        """`beside` holds for each of `sides` three rows: value, u_random, u_systematic."""
        if not self.known:
            nothing = np.full(len(raw), np.nan)
            return Calibrated(nothing, nothing, nothing, np.zeros(len(raw), bool))
        ages: list[Float | float] = [
            np.maximum(time_ns - since, 0) / YEAR_NS if step.drift_per_year else 0.0
            for step, since in zip(self.steps, self.since_ns, strict=True)
        ]
        figures = (self.accuracy, self.repeatability, self.resolution)
        spans = self.calendar or (None,) * len(self.steps)
        passed = [None if span is None else _passed(time_ns, span) for span in spans]
        seconds = self._seconds(second_input, passed)
        found = apply_chain(
            raw, self.conversion, self.steps, *figures, self.final, ages, seconds, passed
        )
        u_systematic = found.u_systematic
        for deviation in self.deviations:
            u_systematic = widened(u_systematic, deviation)
        return found._replace(u_systematic=u_systematic)

    def _seconds(
        self, second_input: Float, passed: list[Float | None]
    ) -> list[SecondInputs | None]:
        rows = iter(range(0, len(second_input), 3))
        found: list[SecondInputs | None] = []
        for step, side, share in zip(self.steps, self.second_input, passed, strict=True):
            if side is not None:
                at = next(rows)
                found.append(SecondInputs(*second_input[at : at + 3]))
            elif share is not None and step.before is None:
                found.append(SecondInputs(share))
            else:
                found.append(None)
        return found


def _passed(time_ns: Int, span: Range) -> Float:
    """How much of a stretch of time has passed: 0 at its begin, 1 at its end."""
    return (time_ns - span[0]) / float(span[1] - span[0])


@dataclass(frozen=True, slots=True)
class Extent:
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
class Place:
    """One deployment with what a segment of it needs; `extents` are those planned before it."""

    deployment: Deployment
    fact: ChannelFact
    output: Output
    rank: int
    level: int
    outputs: Outputs
    extents: Mapping[str, list[Extent]]
    units: Mapping[str, str]
    model: str = ""
    knowledge: Knowledge = field(default_factory=Knowledge)

    def second_input(self, calibration: Calibration) -> list[Extent]:
        """What decides about the values that a calibration takes from another channel."""
        second = calibration.second
        if second is None or second.channel is None:
            return []
        return [e for e in self.extents.get(second.channel, ()) if e.rank == 0]

    def before(self, calibration: Calibration) -> Calibration | None:
        """The calibration made before deployment, of a pair; as it was put right since."""
        found = self.knowledge.standing(calibration.drifts_from or "")
        return found if isinstance(found, Calibration) else None


def chain_of(
    place: Place,
    factory: Factory | None,
    calibrations: list[Calibration],
    checks: list[FieldCheck],
    covered: bool,
) -> Chain:
    """Without a value where it is not `covered`, or a unit, quantity or pair does not fit."""
    fact, output = place.fact, place.output
    unit, quantity = output.unit, output.quantity
    steps: list[Step] = []
    since: list[int] = []
    second_input: list[Beside | None] = []
    calendar: list[Range | None] = []
    problem = ""
    try:
        if factory is not None:
            steps.append(
                prepare_step(find_curve(factory.curve), factory.parameters, from_unit=unit)
            )
            since.append(ALWAYS[0])
            second_input.append(None)
            calendar.append(None)
            unit, quantity = factory.unit, factory.quantity
        for calibration in calibrations:
            step, unit = _pair(place, calibration, unit)
            steps.append(step)
            since.append(bounds_of(calibration)[0])
            second_input.append(_side(place, calibration.second, step))
            by_time = calibration.drifts_from is not None or calibration.by_calendar
            calendar.append(bounds_of(calibration) if by_time else None)
            quantity = step.curve.quantity or fact.quantity
        known = covered and quantity == fact.quantity
        final = conversion(unit, fact.unit) if known else SAME
    except CalibrationError as error:
        problem = str(error)
        steps, since, second_input, calendar, final, known = [], [], [], [], SAME, False
    return Chain(
        SAME,
        tuple(steps),
        tuple(since),
        final,
        from_limits(output.accuracy),
        output.repeatability,
        output.resolution,
        known,
        tuple(second_input),
        tuple(calendar),
        tuple(_deviation(check, fact.unit) for check in checks) if known else (),
        problem,
    )


def says_of(check: FieldCheck, unit: str) -> bool:
    """Whether what it found can be told in that unit; that of a sensor may be of another kind."""
    try:
        conversion(check.unit or unit, unit)
    except CalibrationError:
        return False
    return True


def _deviation(check: FieldCheck, unit: str) -> Deviation:
    """What a check found, in the channel's unit."""
    scale = conversion(check.unit or unit, unit).scale
    return Deviation(check.deviation * scale, check.u_reference * abs(scale))


def _pair(place: Place, calibration: Calibration, unit: str) -> tuple[Step, str]:
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
    """The one that it can't drift from and why; "" if it can. One put right may be another kind."""
    if earlier.subject != later.subject or earlier.place != later.place:
        return f"{earlier.id}, which is step {earlier.place} of {' '.join(earlier.subject)}"
    if earlier.drifts_from is not None:
        return f"{earlier.id}, which drifts from {earlier.drifts_from} itself"
    if earlier.by_calendar or later.by_calendar:
        return f"{earlier.id}: a curve of the calendar is no part of a pair"
    if earlier.second != later.second:
        return f"{earlier.id}, which does not take the same second input"
    return ""


def _side(place: Place, second: SecondInput | None, step: Step) -> Beside | None:
    """Raises UnitError where what is taken does not convert into what the curve takes."""
    wanted = step.curve.second
    if second is None or wanted is None:
        return None
    if second.channel is None:
        found = place.outputs.get(place.deployment.source, {}).get(second.output or "")
        unit = found.unit if found is not None else wanted.unit
        return Beside(conversion(unit, wanted.unit), output=second.output or "")
    unit = place.units.get(second.channel, wanted.unit)
    line = conversion(unit, wanted.unit)
    return Beside(line, channel=second.channel, max_age_ns=second.max_age_ns or 0)


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


def bounds_of(period: Period) -> Range:
    start = period.from_ns if period.from_ns is not None else ALWAYS[0]
    return start, period.to_ns if period.to_ns is not None else ALWAYS[1]
