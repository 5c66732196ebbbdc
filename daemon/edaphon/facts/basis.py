"""What every kind of fact has: a name, what it supersedes, and for many a time of validity."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from edaphon.toml_input.values import Id, Instant, Table, wrong

__all__ = ["Fact", "Period"]


class Fact(Table):
    """What every kind has: a name, and the earlier fact that it puts right, if any.

    A thing (`renewed`) keeps its name: a later fact about it supersedes its own id, and `frozen`
    keys may not change. Any other fact has a name that is used once.
    """

    table: ClassVar[str] = ""
    renewed: ClassVar[bool] = False
    frozen: ClassVar[tuple[str, ...]] = ()

    id: Id = Field(description="unique name of this fact", examples=["teros12-a-2026"])
    supersedes: Id | None = Field(
        default=None,
        description="id of the earlier fact that this one puts right",
        examples=["teros12-a"],
    )


class Period(Fact):
    """A fact that is true from an instant (inclusive) to another (exclusive); open if not given."""

    from_ns: Instant | None = Field(
        default=None,
        alias="from",
        description="true from this time on",
        examples=["2026-04-01T12:00:00Z"],
    )
    to_ns: Instant | None = Field(
        default=None,
        alias="to",
        description="true until just before this time",
        examples=["2027-04-01T12:00:00Z"],
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ns is not None and self.to_ns is not None and self.from_ns >= self.to_ns:
            raise wrong("`from` lies before `to`")
        return self

    def covers(self, time_ns: int) -> bool:
        begun = self.from_ns is None or self.from_ns <= time_ns
        return begun and (self.to_ns is None or time_ns < self.to_ns)

    def overlaps(self, other: "Period") -> bool:
        return _before(self.from_ns, other.to_ns) and _before(other.from_ns, self.to_ns)


def _before(start_ns: int | None, end_ns: int | None) -> bool:
    return start_ns is None or end_ns is None or start_ns < end_ns
