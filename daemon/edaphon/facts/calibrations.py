"""The facts that say how far numbers can be trusted: calibrations, checks, makers' curves."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, model_validator

from edaphon.facts.model import Deployment, Fact, Period
from edaphon.toml_input.values import Duration, Hash, Id, Instant, RelativeFile, Table, wrong
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_drivers.sheets import Factory

__all__ = ["Calibration", "FactoryCurve", "FieldCheck", "OfSubject", "SecondInput"]


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
Operator = Annotated[str, Field(description="who made it", examples=["K. Berg"])]
Method = Annotated[str, Field(description="how", examples=["gravimetric, 5 cores"])]
Reference = Annotated[
    str, Field(description="against what standard", examples=["oven 105 C, balance 12"])
]
Certificate = Annotated[
    str, Field(description="number or file name of the certificate", examples=["PTB-2026-0815.pdf"])
]
Evidence = Annotated[
    Mapping[RelativeFile, Hash] | None,
    Field(
        description="files in the folder of this one, with their SHA-256",
        examples=[
            '{ "PTB-2026-0815.pdf" = '
            '"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }'
        ],
    ),
]


class SecondInput(Table):
    """Where a two-input curve gets its second number from."""

    output: Id | None = Field(
        default=None,
        description="an output of the same record, as it was reported",
        examples=["soil_temperature"],
    )
    channel: Id | None = Field(
        default=None,
        description="or the latest value of another channel",
        examples=["P1-temp-5"],
    )
    max_age_ns: Duration | None = Field(
        default=None,
        alias="max_age",
        description="with channel: how old that value may be",
        examples=["30min"],
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.output is None) == (self.channel is None):
            raise wrong("either `output` of the same record, or `channel` with `max_age`")
        if (self.channel is None) != (self.max_age_ns is None):
            raise wrong('`max_age` together with `channel`, such as max_age = "30min"')
        return self


class OfSubject(Period):
    """A fact about a channel, or about one output of a sensor."""

    channel: Id | None = Field(
        default=None, description="the channel it is for (soil or site step)", examples=["P1-vwc-5"]
    )
    sensor: Id | None = Field(
        default=None,
        description="or the serial number it is for (sensor step)",
        examples=["T12-00041873"],
    )
    output: Id | None = Field(
        default=None,
        description="with sensor: the output it is for",
        examples=["calibrated_counts"],
    )

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

    step: int | None = Field(
        default=None,
        ge=1,
        le=3,
        description="place among the steps of its sensor, or of its channel; 1 if not given",
        examples=[2],
    )
    curve: str = Field(description="name of a curve", examples=["linear"])
    second: SecondInput | None = Field(
        default=None,
        description="second input of a curve of two inputs",
        examples=['{ channel = "P1-temp-5", max_age = "30min" }'],
    )
    parameters: Mapping[str, float] = Field(
        default_factory=dict,
        description="numbers of the curve, by name",
        examples=["{ slope = 1.02, offset = -0.01 }"],
    )
    covariance: tuple[tuple[float, ...], ...] = Field(
        default=(),
        description="covariance of the parameters, in the curve's order",
        examples=["[[1e-6, 0.0], [0.0, 4e-6]]"],
    )
    from_unit: str | None = Field(
        default=None, description="unit that goes in, if not the curve's own", examples=["1"]
    )
    to_unit: str | None = Field(
        default=None, description="unit that comes out, if not the curve's own", examples=["m3/m3"]
    )
    domain: Domain | None = Field(
        default=None,
        description="where it holds, in the unit that goes into the curve; beyond is extrapolated",
        examples=["[0.05, 0.45]"],
    )
    expires_ns: Instant | None = Field(
        default=None,
        alias="expires",
        description="later values are suspect",
        examples=["2028-04-01T00:00:00Z"],
    )
    drift_per_year: float = Field(
        default=0.0,
        ge=0,
        description="growth of the uncertainty per year, in to_unit",
        examples=[0.002],
    )
    operator: Operator = ""
    method: Method = ""
    reference: Reference = ""
    certificate: Certificate = ""
    evidence: Evidence = None
    drifts_from: Id | None = Field(
        default=None,
        description="the calibration made before deployment: from `from` to `to` values go evenly "
        "from that one to this one",
        examples=["T12-00041873-2026"],
    )

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

    state: Literal["as found", "as left"] = Field(
        description="before anything was touched (`to` is the visit), or after (`from` is it)",
        examples=["as found"],
    )
    reading: FiniteFloat = Field(
        description="value of the channel, mean of the comparison", examples=[18.42]
    )
    reference_value: FiniteFloat = Field(
        description="value of the reference, mean of the comparison", examples=[18.25]
    )
    u_reference: FiniteFloat = Field(
        gt=0,
        description="standard uncertainty of the reference, its placement included",
        examples=[0.1],
    )
    unit: str | None = Field(
        default=None,
        description="unit of the three numbers; the channel's if not given",
        examples=["degC"],
    )
    operator: Operator = ""
    method: Method = ""
    reference: Reference = ""
    certificate: Certificate = ""
    evidence: Evidence = None

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

    model: str = Field(
        min_length=1, description="name of the model sheet", examples=["meter.teros12"]
    )
    output: str = Field(
        min_length=1, description="name of its output", examples=["water_content_counts"]
    )
    name: str = Field(min_length=1, description="name of the factory curve", examples=["mineral"])
    curve: str = Field(description="name of a curve", examples=["teros12_mineral"])
    parameters: Mapping[str, float] = Field(
        default_factory=dict,
        description="numbers of the curve, by name",
        examples=["{ c0 = -0.6956, c1 = 3.879e-4 }"],
    )
    quantity: str = Field(
        description="what comes out, a name of the nomenclature",
        examples=["volumetric_water_content"],
    )
    unit: str = Field(description="unit that comes out", examples=["m3/m3"])

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
