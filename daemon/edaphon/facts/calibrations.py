"""The facts that say how far numbers can be trusted: calibrations, checks, makers' curves."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, model_validator

from edaphon.facts.model import Deployment, Fact, Period
from edaphon.toml_input.values import Duration, Hash, Id, Instant, RelativeFile, Table, wrong
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_drivers.sheets import Factory

_RISING = "[low, high], two numbers with the lower one first, such as [0.05, 0.45]"


def _two(given: object) -> object:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise wrong(_RISING)
    return given


def _rising(given: tuple[float, float]) -> tuple[float, float]:
    if not given[0] < given[1]:
        raise wrong(_RISING)
    return given


Domain = Annotated[tuple[FiniteFloat, FiniteFloat], BeforeValidator(_two), AfterValidator(_rising)]


class SecondInput(Table):
    """Where a two-input curve gets its second number from."""

    output: Id | None = None
    channel: Id | None = None
    max_age_ns: Duration | None = Field(default=None, alias="max_age")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.output is None) == (self.channel is None):
            raise wrong("either `output` of the same record, or `channel` with `max_age`")
        if (self.channel is None) != (self.max_age_ns is None):
            raise wrong('`max_age` together with `channel`, such as max_age = "30min"')
        return self


class OfSubject(Period):
    """A fact about a channel, or about one output of a sensor."""

    channel: Id | None = None
    sensor: Id | None = None
    output: Id | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        by_sensor = self.sensor is not None and self.output is not None
        if (self.channel is not None) == by_sensor or (self.sensor is None) != (
            self.output is None
        ):
            raise wrong("either `channel`, or `sensor` together with `output`")
        return self

    @property
    def subject(self) -> tuple[str, ...]:
        """The channel, or the sensor and its output."""
        return tuple(part for part in (self.channel, self.sensor, self.output) if part is not None)

    def is_for(self, deployment: Deployment) -> bool:
        """Whether it concerns the values of a deployment: its channel, or its sensor's output."""
        return self.concerns(deployment.channel, deployment.sensor, deployment.output)

    def concerns(self, channel: str, sensor: str | None, output: str) -> bool:
        if self.channel is not None:
            return self.channel == channel
        return (self.sensor, self.output) == (sensor, output)


class Calibration(OfSubject):
    table: ClassVar[str] = "calibration"

    step: int | None = Field(default=None, ge=1, le=3)
    curve: str
    second: SecondInput | None = None
    parameters: Mapping[str, float] = Field(default_factory=dict)
    covariance: tuple[tuple[float, ...], ...] = ()
    from_unit: str | None = None
    to_unit: str | None = None
    domain: Domain | None = None
    expires_ns: Instant | None = Field(default=None, alias="expires")
    drift_per_year: float = Field(default=0.0, ge=0)
    operator: str = ""
    method: str = ""
    reference: str = ""
    certificate: str = ""
    evidence: Mapping[RelativeFile, Hash] | None = None
    drifts_from: Id | None = None

    @model_validator(mode="after")
    def _both_ends(self) -> Self:
        if self.drifts_from is not None and (self.from_ns is None or self.to_ns is None):
            raise wrong("`from` and `to` with `drifts_from`: the time over which it drifted")
        return self

    @property
    def place(self) -> int:
        """Its number among the steps of its subject."""
        return self.step or 1

    @property
    def by_calendar(self) -> bool:
        """Whether its curve takes how much of the calibration's own time has passed."""
        second = find_curve(self.curve).second if self.curve in curve_names() else None
        return second is not None and second.quantity == "calibration_progress"


class FieldCheck(OfSubject):
    """An instrument compared with a reference in the field; it corrects nothing.

    One of state "as found" speaks for the values before the visit, and its `to` is the visit; one
    of state "as left" speaks for those after it, and its `from` is the visit.
    """

    table: ClassVar[str] = "check"

    state: Literal["as found", "as left"]
    reading: FiniteFloat
    reference_value: FiniteFloat
    u_reference: FiniteFloat = Field(gt=0)
    unit: str | None = None
    operator: str = ""
    method: str = ""
    reference: str = ""
    certificate: str = ""
    evidence: Mapping[RelativeFile, Hash] | None = None

    @model_validator(mode="after")
    def _dated(self) -> Self:
        if self.state == "as found" and self.to_ns is None:
            raise wrong('`to` with state = "as found": the time of the visit')
        if self.state == "as left" and self.from_ns is None:
            raise wrong('`from` with state = "as left": the time of the visit')
        return self

    @model_validator(mode="after")
    def _in_a_unit(self) -> Self:
        if self.sensor is not None and self.unit is None:
            raise wrong("`unit` with `sensor`: the unit of the three numbers")
        return self

    @property
    def deviation(self) -> float:
        """Reading minus reference [unit]."""
        return self.reading - self.reference_value

    @property
    def visit_ns(self) -> int:
        """When the comparison was made."""
        found = self.to_ns if self.state == "as found" else self.from_ns
        assert found is not None  # noqa: S101  it could not be written without
        return found


class FactoryCurve(Fact):
    """A maker's curve as it was when it was first used: a later model sheet does not change it."""

    table: ClassVar[str] = "factory"

    model: str = Field(min_length=1)
    output: str = Field(min_length=1)
    name: str = Field(min_length=1)
    curve: str
    parameters: Mapping[str, float] = Field(default_factory=dict)
    quantity: str
    unit: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is the curve of: model, output, name."""
        return self.model, self.output, self.name

    def as_on_a_sheet(self) -> Factory:
        return Factory(self.name, self.curve, self.quantity, self.unit, self.parameters)


def open_steps(
    calibrations: Iterable[Calibration], time_ns: int, maker: bool
) -> Iterator[list[Calibration]]:
    """The calibrations of each step that has some, and none that covers the time.

    Where the `maker`'s curve counts, it replaces all steps of the sensor.
    """
    steps: dict[tuple[bool, int], list[Calibration]] = {}
    for calibration in calibrations:
        if calibration.channel is not None or not maker:
            step = calibration.channel is not None, calibration.place
            steps.setdefault(step, []).append(calibration)
    for _, own in sorted(steps.items()):
        if not any(calibration.covers(time_ns) for calibration in own):
            yield own
