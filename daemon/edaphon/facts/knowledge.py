"""What is known of a site as known at a moment: facts in the order in which they were entered."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from edaphon.facts.basis import Fact
from edaphon.facts.calibrations import Calibration, FactoryCurve, FieldCheck
from edaphon.facts.model import (
    ChannelFact,
    Deployment,
    Mark,
    Pause,
    Plot,
    Profile,
    Replacement,
    Revocation,
    Sensor,
    Visit,
)
from edaphon.facts.payload import fact_of
from edaphon.model import Channel, EntryId, FactName, in_force

__all__ = ["Knowledge", "Known"]

Kind = TypeVar("Kind", bound=Fact)


class Known(NamedTuple):
    """A fact and the sequence of the entry that brought it."""

    sequence: EntryId
    fact: Fact


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Immutable; the facts in force are those neither superseded nor revoked.

    All views list facts in the order in which they were entered.
    """

    entered: tuple[Known, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[tuple[EntryId, Mapping[str, Any]]]) -> "Knowledge":
        """From (sequence, the `fact` object of an entry's payload) in any order."""
        known = [Known(sequence, fact_of(table)) for sequence, table in rows]
        return cls(tuple(sorted(known, key=lambda k: k.sequence)))

    def learn(self, sequence: EntryId, fact: Fact) -> "Knowledge":
        """The knowledge with one fact more; its sequence must be later than all."""
        return Knowledge((*self.entered, Known(sequence, fact)))

    def as_known_at(self, sequence: EntryId) -> "Knowledge":
        """What was known once the entry of that sequence had been written."""
        return Knowledge(tuple(k for k in self.entered if k.sequence <= sequence))

    @cached_property
    def ever(self) -> Mapping[str, tuple[Fact, ...]]:
        """Every fact that was ever entered, in force or not, by id; things have several."""
        found: dict[str, tuple[Fact, ...]] = {}
        for known in self.entered:
            found[known.fact.id] = (*found.get(known.fact.id, ()), known.fact)
        return found

    @cached_property
    def in_force(self) -> tuple[Known, ...]:
        """Those neither superseded nor revoked."""
        facts = [known.fact for known in self.entered]
        names = [
            FactName(f.id, f.supersedes, f.of if isinstance(f, Revocation) else None) for f in facts
        ]
        return tuple(self.entered[place] for place in in_force(names))

    def current(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """The facts of one kind in force."""
        return tuple(k.fact for k in self.in_force if isinstance(k.fact, kind))

    def standing(self, id: str) -> Fact | None:
        """The fact of that id if it is in force, else the one entered last that puts it right."""
        mine = {k.fact.id: k.fact for k in self.in_force}
        reached, new = set[str](), {id}
        while new:
            if standing := [mine[one] for one in mine if one in new]:
                return standing[-1]
            reached |= new
            new = {k.fact.id for k in self.entered if k.fact.supersedes in new} - reached
        return None

    @cached_property
    def plots(self) -> Mapping[str, Plot]:
        return {f.id: f for f in self.current(Plot)}

    @cached_property
    def profiles(self) -> Mapping[str, Profile]:
        return {f.id: f for f in self.current(Profile)}

    @cached_property
    def sensors(self) -> Mapping[str, Sensor]:
        return {f.id: f for f in self.current(Sensor)}

    @cached_property
    def channels(self) -> Mapping[str, ChannelFact]:
        return {f.id: f for f in self.current(ChannelFact)}

    @cached_property
    def deployments(self) -> tuple[Deployment, ...]:
        return self.current(Deployment)

    @cached_property
    def calibrations(self) -> tuple[Calibration, ...]:
        return self.current(Calibration)

    @cached_property
    def field_checks(self) -> tuple[FieldCheck, ...]:
        return self.current(FieldCheck)

    @cached_property
    def _factories(self) -> Mapping[tuple[str, str, str], FactoryCurve]:
        return {f.key: f for f in self.current(FactoryCurve)}

    def factory(self, model: str, output: str, name: str) -> FactoryCurve | None:
        """The maker's curve as it was when it was first used, None for one that never was."""
        return self._factories.get((model, output, name))

    @cached_property
    def marks(self) -> tuple[Mark, ...]:
        """Marks, and those that visits put on all channels of their plots."""
        found: list[Mark] = []
        for _, fact in self.in_force:
            if isinstance(fact, Mark):
                found.append(fact)
            elif isinstance(fact, Visit):
                found.append(fact.mark(self.channels_of(fact.plot)))
        return tuple(found)

    @cached_property
    def visits(self) -> tuple[Visit, ...]:
        return self.current(Visit)

    @cached_property
    def pauses(self) -> tuple[Pause, ...]:
        return self.current(Pause)

    def channels_of(self, plot: str) -> tuple[str, ...]:
        """The ids of the channels in a plot, by their own word or by that of their profile."""
        return tuple(id for id in self.channels if self.plot_of(id) == plot)

    def plot_of(self, channel_id: str) -> str:
        """The id of the plot that a channel lies in, "" if nobody said so. Raises KeyError."""
        fact = self.channels[channel_id]
        profile = self.profiles.get(fact.profile or "")
        return fact.plot or (profile.plot if profile else "")

    @cached_property
    def replacements(self) -> Mapping[tuple[str, str], int]:
        """The copy that replaces all earlier ones, by (source path, file name)."""
        found: dict[tuple[str, str], int] = {}
        for fact in self.current(Replacement):
            key = fact.source, fact.file
            found[key] = max(fact.copy_number, found.get(key, 0))
        return found

    def channel(self, channel_id: str, site: str) -> Channel:
        """The noun of that channel; raises KeyError."""
        return self.channels[channel_id].channel(site, self.plot_of(channel_id))

    def channels_ever(self, site: str) -> dict[str, Channel]:
        """The nouns of all channels that were ever defined, in force or not."""
        plots: dict[str, str] = {}
        found: dict[str, Channel] = {}
        for _, fact in self.entered:
            if isinstance(fact, Profile):
                plots[fact.id] = fact.plot
            elif isinstance(fact, ChannelFact):
                found[fact.id] = fact.channel(site, plots.get(fact.profile or "", ""))
        return found
