"""The kinds of fact as frozen types. Their TOML and JSON forms are frozen by golden files."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)

from edaphon.model import Channel
from edaphon.toml_input.values import Depth, Duration, Hash, Id, Instant, RelativeFile, Table, wrong
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.soil import PARTICLE_DENSITY, PARTICLE_DENSITY_ORGANIC
from edaphon_calibration.units import canonical
from edaphon_drivers.sheets import Factory


class Fact(Table):
    """What every kind has: a name, and the earlier fact that it corrects, if any.

    A thing (`renewed`) keeps its name: a later fact about it supersedes its own id, and `frozen`
    keys may not change. Any other fact has a name that is used once.
    """

    table: ClassVar[str] = ""
    renewed: ClassVar[bool] = False
    frozen: ClassVar[tuple[str, ...]] = ()

    id: Id
    supersedes: Id | None = None


class Period(Fact):
    """A fact that is true from an instant (inclusive) to another (exclusive); open if not given."""

    from_ns: Instant | None = Field(default=None, alias="from")
    to_ns: Instant | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ns is not None and self.to_ns is not None and self.from_ns >= self.to_ns:
            same = self.from_ns == self.to_ns
            raise wrong(f"`to` is {'the same time as' if same else 'earlier than'} `from`")
        return self

    def covers(self, time_ns: int) -> bool:
        begun = self.from_ns is None or self.from_ns <= time_ns
        return begun and (self.to_ns is None or time_ns < self.to_ns)

    def overlaps(self, other: "Period") -> bool:
        return _before(self.from_ns, other.to_ns) and _before(other.from_ns, self.to_ns)


def _before(start_ns: int | None, end_ns: int | None) -> bool:
    return start_ns is None or end_ns is None or start_ns < end_ns


class Plot(Period):
    table: ClassVar[str] = "plot"
    renewed: ClassVar[bool] = True

    treatment: str = ""
    block: str = ""


class Profile(Fact):
    table: ClassVar[str] = "profile"
    renewed: ClassVar[bool] = True
    frozen: ClassVar[tuple[str, ...]] = ("plot",)

    plot: Id
    soil: str = ""


class Horizon(Period):
    """A layer of the soil of a profile; the quality tests take its limits from here."""

    table: ClassVar[str] = "horizon"

    profile: Id
    top_cm: float = Field(ge=0)
    bottom_cm: float = Field(gt=0)
    porosity: float | None = Field(default=None, gt=0, le=1)
    organic: bool = False
    bulk_density: float | None = Field(default=None, gt=0, le=2.7)
    field_capacity: float | None = Field(default=None, gt=0, le=1)
    wilting_point: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _downwards(self) -> Self:
        if self.top_cm >= self.bottom_cm:
            raise wrong("`bottom_cm` is below `top_cm`")
        known = [self.wilting_point, self.field_capacity, self.porosity]
        given = [number for number in known if number is not None]
        if given != sorted(given):
            raise wrong("wilting_point <= field_capacity <= porosity")
        return self

    @property
    def pores(self) -> float | None:
        """Porosity [m3/m3] as stated, or by bulk density and the density of the solids."""
        if self.porosity is not None or self.bulk_density is None:
            return self.porosity
        solids = PARTICLE_DENSITY_ORGANIC if self.organic else PARTICLE_DENSITY
        return 1 - self.bulk_density / solids if self.bulk_density < solids else None


class Sensor(Fact):
    table: ClassVar[str] = "sensor"
    renewed: ClassVar[bool] = True
    frozen: ClassVar[tuple[str, ...]] = ("model",)

    id: Id
    model: str
    firmware: str = ""
    on: Id | None = None


class ChannelFact(Fact):
    """One long-term series; its quantity, unit, place and statistic never change."""

    table: ClassVar[str] = "channel"
    renewed: ClassVar[bool] = True
    frozen: ClassVar[tuple[str, ...]] = (
        "quantity", "unit", "plot", "profile", "depth_cm", "statistic", "interval_ns", "replicate",
    )  # fmt: skip

    id: Id
    quantity: str
    unit: str
    plot: Id | None = None
    profile: Id | None = None
    depth_cm: Depth | None = None
    statistic: Literal["instant", "mean", "min", "max", "sd", "sum", "count"] = "instant"
    interval_ns: Duration | None = Field(default=None, alias="interval")
    replicate: int = Field(default=1, ge=1)
    checks: Mapping[str, Mapping[str, float | tuple[float, float]]] = Field(default_factory=dict)

    def limits(self) -> dict[str, dict[str, float]]:
        """By check, with `fail = [lo, hi]` as fail_lowest and fail_highest."""
        return {check: dict(_flat(given)) for check, given in self.checks.items()}

    def channel(self, site: str, plot: str = "") -> Channel:
        """As the other rooms know it; `plot` is that of the profile when none is named here."""
        return Channel(
            id=self.id,
            quantity=self.quantity,
            unit=canonical(self.unit),
            site=site,
            plot=self.plot or plot,
            profile=self.profile or "",
            depth_cm=self.depth_cm or "",
            statistic=self.statistic,
            replicate=self.replicate,
        )


def _flat(limits: Mapping[str, float | tuple[float, float]]) -> Iterator[tuple[str, float]]:
    for name, limit in limits.items():
        if isinstance(limit, tuple):
            yield f"{name}_lowest", limit[0]
            yield f"{name}_highest", limit[1]
        else:
            yield name, limit


class Deployment(Period):
    table: ClassVar[str] = "deployment"

    channel: Id
    source: str = Field(min_length=1)
    output: Id
    sensor: Id | None = None
    factory: str | None = None
    primary: bool = True


class Mark(Period):
    table: ClassVar[str] = "mark"

    channels: tuple[Id, ...] = Field(min_length=1)
    cause: str = Field(min_length=1)
    flag: Literal[3, 4, 9]
    who: str = Field(min_length=1)


class _Ending(Period):
    """A period with a begin and an end: what nobody ends by hand ends by itself."""

    from_ns: Instant = Field(alias="from")
    to_ns: Instant = Field(alias="to")


class Visit(_Ending):
    """People work at a plot: its values are suspect meanwhile, and nobody is alerted."""

    table: ClassVar[str] = "visit"

    plot: Id
    who: str = Field(min_length=1)
    why: str = ""

    def mark(self, channels: tuple[str, ...]) -> Mark:
        """The mark on the values of the plot's channels."""
        cause = f"visit of {self.who}" + (f": {self.why}" if self.why else "")
        return Mark.model_construct(
            id=self.id,
            from_ns=self.from_ns,
            to_ns=self.to_ns,
            channels=channels,
            cause=cause,
            flag=3,
            who=self.who,
        )


class Pause(_Ending):
    """A planned silence: nothing is expected, or values at a longer interval; marks no values."""

    table: ClassVar[str] = "pause"

    sources: tuple[str, ...] = ()
    plot: Id | None = None
    interval_ns: Duration | None = Field(default=None, alias="interval")
    who: str = ""
    why: str = ""

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if bool(self.sources) == (self.plot is not None):
            raise wrong("exactly one of `sources` and `plot`")
        return self


class Replacement(Fact):
    """A person corrected a copy of a followed file: it replaces the earlier copies."""

    table: ClassVar[str] = "replacement"

    source: str = Field(min_length=1)
    file: str = Field(min_length=1)
    copy_number: int = Field(alias="copy", ge=2, le=0xFFFFFFFF)
    why: str = ""
    who: str = ""


class Revocation(Fact):
    """Takes a fact back as though never entered; what that one superseded counts again."""

    model_config = ConfigDict(json_schema_extra={"required": ["of", "why"]})  # id is made of `of`
    table: ClassVar[str] = "revocation"

    of: Id
    why: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _own_id(cls, row: Any) -> Any:
        if isinstance(row, dict) and "id" not in row and isinstance(row.get("of"), str):
            return {"id": f"revocation-of-{row['of']}"[:64], **row}
        return row


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
    """Of each step without one at that time its calibrations; `maker`: not the sensor's."""
    steps: dict[tuple[bool, int], list[Calibration]] = {}
    for calibration in calibrations:
        if calibration.channel is not None or not maker:
            step = calibration.channel is not None, calibration.place
            steps.setdefault(step, []).append(calibration)
    for _, own in sorted(steps.items()):
        if not any(calibration.covers(time_ns) for calibration in own):
            yield own
