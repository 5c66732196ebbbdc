"""What is known of a site as known at a moment: facts in the order in which they were entered."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from edaphon.facts import model
from edaphon.facts.files import FactRow, fact_of
from edaphon.model import Channel, EntryId, FactName, in_force
from edaphon.toml_input.lines import ConfigError, did_you_mean
from edaphon_calibration.curves import find_curve
from edaphon_drivers.sheets import Factory, Output, Sheets

Kind = TypeVar("Kind", bound=model.Fact)
_AFTER_ALL = 2**31  # a file number that no journal reaches: new facts come last
Found = tuple[
    model.Fact, str, str, str
]  # the fact complained of, its key, what came, what is right


class Known(NamedTuple):
    """A fact and the sequence of the entry that brought it."""

    sequence: EntryId
    fact: model.Fact


def _all(kind: type[Kind]) -> "cached_property[tuple[Kind, ...]]":
    """The facts of one kind in force, as a property of what is known."""
    return cached_property(lambda known: known.current(kind))


def _by_id(kind: type[Kind]) -> "cached_property[Mapping[str, Kind]]":
    return cached_property(lambda known: {fact.id: fact for fact in known.current(kind)})


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Facts in the order of their entry; in force are those neither superseded nor revoked."""

    entered: tuple[Known, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[tuple[EntryId, Mapping[str, Any]]]) -> "Knowledge":
        """From (sequence, the `fact` object of an entry's payload) in any order."""
        known = [Known(sequence, fact_of(table)) for sequence, table in rows]
        return cls(tuple(sorted(known, key=lambda k: k.sequence)))

    def learn(self, sequence: EntryId, fact: model.Fact) -> "Knowledge":
        """The knowledge with one fact more; its sequence must be later than all."""
        return Knowledge((*self.entered, Known(sequence, fact)))

    def with_new(self, rows: Sequence[FactRow]) -> "Knowledge":
        """With rows that no entry has brought yet, later than all."""
        new = (Known(EntryId(_AFTER_ALL, n), row.fact) for n, row in enumerate(rows, 1))
        return Knowledge((*self.entered, *new))

    def as_known_at(self, sequence: EntryId) -> "Knowledge":
        """What was known once the entry of that sequence had been written."""
        return Knowledge(tuple(k for k in self.entered if k.sequence <= sequence))

    @cached_property
    def ever(self) -> Mapping[str, tuple[model.Fact, ...]]:
        """Every fact that was ever entered, in force or not, by id; things have several."""
        found: dict[str, tuple[model.Fact, ...]] = {}
        for known in self.entered:
            found[known.fact.id] = (*found.get(known.fact.id, ()), known.fact)
        return found

    @cached_property
    def in_force(self) -> tuple[Known, ...]:
        """Those neither superseded nor revoked."""
        facts = [known.fact for known in self.entered]
        names = [
            FactName(f.id, f.supersedes, f.of if isinstance(f, model.Revocation) else None)
            for f in facts
        ]
        return tuple(self.entered[place] for place in in_force(names))

    def current(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """The facts of one kind in force."""
        return tuple(k.fact for k in self.in_force if isinstance(k.fact, kind))

    def standing(self, id: str) -> model.Fact | None:
        """The fact of that id if it is in force, else the last one that corrects it."""
        mine = {k.fact.id: k.fact for k in self.in_force}
        reached, new = set[str](), {id}
        while new:
            if standing := [mine[one] for one in mine if one in new]:
                return standing[-1]
            reached |= new
            new = {k.fact.id for k in self.entered if k.fact.supersedes in new} - reached
        return None

    plots = _by_id(model.Plot)
    profiles = _by_id(model.Profile)
    sensors = _by_id(model.Sensor)
    channels = _by_id(model.ChannelFact)
    deployments = _all(model.Deployment)
    calibrations = _all(model.Calibration)
    field_checks = _all(model.FieldCheck)
    visits = _all(model.Visit)
    pauses = _all(model.Pause)
    horizons = _all(model.Horizon)

    def deployments_at(self, channel: str, time_ns: int) -> tuple[model.Deployment, ...]:
        return tuple(d for d in self.deployments if d.channel == channel and d.covers(time_ns))

    def calibrations_of(self, deployment: model.Deployment) -> tuple[model.Calibration, ...]:
        return tuple(c for c in self.calibrations if c.is_for(deployment))

    def field_checks_of(self, deployment: model.Deployment) -> tuple[model.FieldCheck, ...]:
        return tuple(c for c in self.field_checks if c.is_for(deployment))

    @cached_property
    def _factories(self) -> Mapping[tuple[str, str, str], model.FactoryCurve]:
        return {f.key: f for f in self.current(model.FactoryCurve)}

    def factory(self, model: str, output: str, name: str) -> model.FactoryCurve | None:
        """The maker's curve as it was when it was first used, None for one that never was."""
        return self._factories.get((model, output, name))

    @cached_property
    def marks(self) -> tuple[model.Mark, ...]:
        """Marks, and those that visits put on all channels of their plots."""
        found: list[model.Mark] = []
        for _, fact in self.in_force:
            if isinstance(fact, model.Mark):
                found.append(fact)
            elif isinstance(fact, model.Visit):
                found.append(fact.mark(self.channels_of(fact.plot)))
        return tuple(found)

    def horizon(self, profile: str, depth_cm: float, time_ns: int) -> model.Horizon | None:
        """The layer of a profile at that depth and time; what lies on a border is in the lower."""
        for one in self.horizons:
            inside = one.profile == profile and one.top_cm <= depth_cm < one.bottom_cm
            if inside and one.covers(time_ns):
                return one
        return None

    def channels_of(self, plot: str) -> tuple[str, ...]:
        """The ids of the channels in a plot, by their own word or by that of their profile."""
        return tuple(id for id in self.channels if self.plot_of(id) == plot)

    def plot_of(self, channel_id: str) -> str:
        """The id of the plot that a channel lies in, "" if it is not known. Raises KeyError."""
        fact = self.channels[channel_id]
        profile = self.profiles.get(fact.profile or "")
        return fact.plot or (profile.plot if profile else "")

    @cached_property
    def replacements(self) -> Mapping[tuple[str, str], int]:
        """The copy that replaces all earlier ones, by (source path, file name)."""
        found: dict[tuple[str, str], int] = {}
        for fact in self.current(model.Replacement):
            key = fact.source, fact.file
            found[key] = max(fact.copy_number, found.get(key, 0))
        return found

    def channel(self, channel_id: str, site: str) -> Channel:
        """The channel as other rooms use it; raises KeyError."""
        return self.channels[channel_id].channel(site, self.plot_of(channel_id))

    def channels_ever(self, site: str) -> dict[str, Channel]:
        """All channels that were ever defined, in force or not."""
        plots: dict[str, str] = {}
        found: dict[str, Channel] = {}
        for _, fact in self.entered:
            if isinstance(fact, model.Profile):
                plots[fact.id] = fact.plot
            elif isinstance(fact, model.ChannelFact):
                found[fact.id] = fact.channel(site, plots.get(fact.profile or "", ""))
        return found


def new_rows(rows: Sequence[FactRow], knowledge: Knowledge) -> tuple[FactRow, ...]:
    """The rows that are not known yet, word for word the same facts left out."""
    return tuple(r for r in rows if r.fact not in knowledge.ever.get(r.fact.id, ()))


_LONGEST = 60  # an id has at most 64; room for a number


def pin_id(model: str, output: str, name: str) -> str:
    """The same id for the same curve; a hash at its end where the names are no ids or too long."""
    names = (model, output, name)
    plain = ":".join(("factory", *names))
    if len(plain) <= _LONGEST and all(re.fullmatch(r"[A-Za-z0-9._-]+", n) for n in names):
        return plain
    tail = hashlib.sha256("\0".join(names).encode()).hexdigest()[:12]
    return re.sub(r"[^A-Za-z0-9._:-]+", "-", plain)[: _LONGEST - 13] + f"-{tail}"


def pin_of(sheet: str, output: str, factory: Factory) -> model.FactoryCurve:
    return model.FactoryCurve(
        id=pin_id(sheet, output, factory.name),
        model=sheet,
        output=output,
        name=factory.name,
        curve=factory.curve,
        parameters=_written_out(factory),
        quantity=factory.quantity,
        unit=factory.unit,
    )


def _written_out(factory: Factory) -> dict[str, float]:
    """Every number of the curve: one that the sheet leaves to the curve could change there."""
    known = find_curve(factory.curve)
    numbers = known.parameter_vector(factory.parameters).tolist()
    return dict(zip(known.spelled(factory.parameters), numbers, strict=True))


def pins_needed(
    rows: Sequence[FactRow],
    knowledge: Knowledge,
    sources: Mapping[str, Mapping[str, Output]],
    models: Mapping[str, str],
) -> tuple[model.FactoryCurve, ...]:
    """The curves that new deployments among `rows` name and nobody has kept yet, each once.

    `sources` are the outputs of each source path, `models` its model sheet. A curve among
    `rows` itself needs none.
    """
    new = [row.fact for row in new_rows(rows, knowledge)]
    written = {fact.key for fact in new if isinstance(fact, model.FactoryCurve)}
    found: dict[tuple[str, str, str], model.FactoryCurve] = {}
    for deployment in (fact for fact in new if isinstance(fact, model.Deployment)):
        for pin in _named(deployment, sources, models):
            if pin.key not in written and knowledge.factory(*pin.key) is None:
                found[pin.key] = _fresh(pin, knowledge)
    return tuple(found.values())


def _named(
    deployment: model.Deployment,
    sources: Mapping[str, Mapping[str, Output]],
    models: Mapping[str, str],
) -> Iterator[model.FactoryCurve]:
    output = sources.get(deployment.source, {}).get(deployment.output)
    model = models.get(deployment.source)
    if output is not None and model:
        for factory in output.factory:
            if factory.name == deployment.factory:
                yield pin_of(model, output.name, factory)


def _fresh(pin: model.FactoryCurve, knowledge: Knowledge) -> model.FactoryCurve:
    """With an id that was never used: that of a curve that was taken back stays its own."""
    number, id = 1, pin.id
    while id in knowledge.ever:
        number += 1
        id = f"{pin.id}-{number}"
    return pin.model_copy(update={"id": id})


@dataclass(frozen=True)
class NewFacts:
    """`sources` are the outputs of each source path, None where the configuration is not known.

    `doubtful` names are those of rows that are wrong themselves; who names them is not to blame.
    """

    rows: Mapping[int, FactRow]  # by the identity of the fact: equal facts may be old and new
    before: Knowledge
    after: Knowledge
    sources: Mapping[str, Mapping[str, Output]] | None
    doubtful: frozenset[str] = frozenset()
    sheets: Sheets = field(default_factory=Sheets)

    @classmethod
    def of(
        cls,
        rows: Sequence[FactRow],
        knowledge: Knowledge,
        sources: Mapping[str, Mapping[str, Output]] | None,
        doubtful: frozenset[str] = frozenset(),
        sheets: Sheets | None = None,
    ) -> "NewFacts":
        own = {id(row.fact): row for row in rows}
        after = knowledge.with_new(rows)
        return cls(own, knowledge, after, sources, doubtful, sheets or Sheets())

    def new(self, kind: type[Kind]) -> Iterator[Kind]:
        for row in self.rows.values():
            if isinstance(row.fact, kind):
                yield row.fact

    def is_new(self, fact: model.Fact) -> bool:
        return id(fact) in self.rows

    def config_error(self, fact: model.Fact, key: str, came: str, right: str) -> ConfigError:
        row = self.rows[id(fact)]
        return ConfigError(row.file, row.line_of(key), f"{fact.table}.{key}", came, right)


def unless_known(
    fact: model.Fact, key: str, name: str | None, names: Iterable[str], what: str
) -> Iterator[Found]:
    """A complaint about a name that is none of `names`; a key that is not given names nothing."""
    known = set(names)
    if name is not None and name not in known:
        yield fact, key, f'"{name}" is no {what}', did_you_mean(name, known)
