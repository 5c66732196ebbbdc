"""The kinds of fact as frozen types. Their TOML and JSON forms are frozen by golden files."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from edaphon.model import Channel
from edaphon.toml_input.values import Depth, Duration, Id, Instant, Table, wrong
from edaphon_calibration.soil import PARTICLE_DENSITY, PARTICLE_DENSITY_ORGANIC
from edaphon_calibration.units import canonical


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
