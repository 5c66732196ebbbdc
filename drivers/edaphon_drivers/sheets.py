"""Model sheets: what is known of an instrument type, as data, one TOML file for each model.

A sheet is found by its file name in the folders `models/` of the packages in the registry.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from edaphon_drivers.readings import Origin
from edaphon_drivers.registry import MODEL_SHEETS
from edaphon_drivers.sheet_tables import (
    ListOf,
    Name,
    Number,
    Size,
    Table,
    TableError,
    errors_in,
    written,
)


class UnknownModel(LookupError):
    """No sheet has that name."""


@dataclass(frozen=True, slots=True)
class Factory:
    """A maker's published calibration of an output: a curve of the calibration room, by name."""

    name: str
    curve: str
    quantity: str
    unit: str
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output:
    """One number an instrument reports, in `unit`; accuracy figures are in the same unit.

    `failure` lists the numbers that stand for a failure, `low_supply` those that say that the
    supply was too low to measure; outside `lowest`..`highest` the instrument cannot report, so
    such a number is a status too. `compensated` says what the instrument has corrected for
    already: a second correction for the same is refused. `meaning` names what an owner has stated
    of these numbers beyond the sheets of this package.
    """

    name: str
    quantity: str
    unit: str
    origin: Origin = Origin.REPORTED
    failure: tuple[float, ...] = ()
    low_supply: tuple[float, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    resolution: float = 0.0
    repeatability: float = 0.0
    accuracy: float = 0.0
    source: str = ""
    factory: tuple[Factory, ...] = ()
    compensated: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """An SDI-12 measurement command without address and `!`, and its outputs in order.

    A `-` among the outputs is a value that is read and not used.
    """

    send: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One instrument type. `engine` names the protocol, `frame` is the engine's own table.

    `warm_up_s` [s] is how long after power-up its numbers mean nothing. `supply_least_v` [V] is the
    lowest supply that its manual allows, 0: not stated; `wires` are the colours of its own cable by
    what they carry: "supply", "data", "ground".

    `checked` says by what: maker's document, third-party decoder, real recording, unverified.
    """

    model: str
    title: str
    engine: str
    checked: str
    source: str
    outputs: Mapping[str, Output]
    commands: tuple[Command, ...] = ()
    frame: Mapping[str, Any] = field(default_factory=dict)
    warm_up_s: float = 0.0
    # Not in repr, by which the meaning of numbers is compared: they say nothing of numbers.
    supply_least_v: float = field(default=0.0, repr=False)
    wires: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Sheets:
    """The sheets that an owner wrote, by model, before those that come with this package."""

    own: Mapping[str, Sheet] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*model_names(), *self.own}))

    def __contains__(self, model: object) -> bool:
        return model in self.own or model in model_names()

    def __getitem__(self, model: str) -> Sheet:
        """Raises UnknownModel for a name without a sheet."""
        return self.own.get(model) or load_sheet(model)


def model_names() -> tuple[str, ...]:
    """All models that have a sheet, sorted."""
    return tuple(_files())


@cache
def load_sheet(model: str) -> Sheet:
    """Raises UnknownModel for a name without a sheet."""
    if model not in _files():
        raise UnknownModel(model)
    return parse_sheet(model, tomllib.loads(_files()[model].read_text("utf-8")))


@cache
def _files() -> dict[str, Traversable]:
    """The files of all sheets by model, sorted; a sheet of this package before one of another."""
    found: dict[str, Traversable] = {}
    for package in (*MODEL_SHEETS.built_in, *(part.name for part in MODEL_SHEETS.added())):
        for file in (files(MODEL_SHEETS.load(package)) / "models").iterdir():
            if file.name.endswith(".toml"):
                found.setdefault(file.name[:-5], file)
    return dict(sorted(found.items()))


_QUANTITY = 'a quantity of the nomenclature, such as "soil_temperature"'
_UNIT = 'the unit as the instrument sends it, such as "degC"'
_NUMBER, _SIZE = "a number, such as -40", "a number from 0 on, such as 0.03"
_CODES = "a list, such as [-9.999]"
_ORIGINS = f"one of {', '.join(map(written, map(str, Origin)))}"
_WIRES = 'colours by what they carry, such as { supply = "brown", data = "orange" }'


class FactoryTable(Table):
    """[[output.factory]] of a sheet."""

    name: Name = Field(description="a name of its own")
    curve: Name = Field(description="the name of a curve")
    quantity: Name = Field(description=_QUANTITY)
    unit: Name = Field(description=_UNIT)
    parameters: dict[str, Number] = Field({}, description="a table of numbers: { a = 0.1 }")


class OutputTable(Table):
    """[[output]] of a sheet."""

    name: Name = Field(description='a name of your own, such as "vwc"')
    quantity: Name = Field(description=_QUANTITY)
    unit: Name = Field(description=_UNIT)
    origin: Annotated[Origin, Strict(False)] = Field(Origin.REPORTED, description=_ORIGINS)
    failure: ListOf[float] = Field((), description=_CODES)
    low_supply: ListOf[float] = Field((), description=_CODES)
    lowest: Number | None = Field(None, description=_NUMBER)
    highest: Number | None = Field(None, description=_NUMBER)
    resolution: Size = Field(0.0, description=_SIZE)
    repeatability: Size = Field(0.0, description=_SIZE)
    accuracy: Size = Field(0.0, description=_SIZE)
    source: str = Field("", description="a text in quotes")
    factory: ListOf[FactoryTable] = Field((), description="a list of tables, [[output.factory]]")
    compensated: ListOf[str] = Field((), description='a list, such as ["25 degC"]')

    def output(self) -> Output:
        factory = tuple(Factory(**dict(one)) for one in self.factory)
        return Output(**{**dict(self), "factory": factory})


class CommandTable(Table):
    """[[command]] of a sheet."""

    send: Name = Field(description='the command without address and !, such as "M"')
    outputs: ListOf[str] = Field(description='a list of names in order, such as ["vwc", "t"]')


class SheetTable(Table):
    """A sheet as its TOML file writes it."""

    title: str = Field(description="maker, type and what it measures, in quotes")
    engine: str = Field(description='the protocol, such as "ascii"')
    checked: str = Field(description='by what the facts were checked, "unverified"')
    source: str = Field(description="manual and section of the facts, in quotes")
    output: ListOf[OutputTable] = Field(description="a list of tables, [[output]]")
    command: ListOf[CommandTable] = Field((), description="a list of tables, [[command]]")
    frame: dict[str, Any] = Field({}, description="a table, [frame]")
    warm_up_s: float = Field(0.0, ge=0, description="a number of seconds, such as 30")
    supply_least_v: float = Field(0.0, ge=0, description="a number of volts, such as 4.0")
    wires: dict[Literal["supply", "data", "ground"], Name] = Field({}, description=_WIRES)


def parse_sheet(model: str, table: Mapping[str, Any]) -> Sheet:
    """The sheet that a TOML table says; raises ValueError, in words, for a wrong table."""
    for error in table_errors(table):
        raise ValueError(f"{error.found}; {error.right}")
    known = {key: value for key, value in table.items() if key in SheetTable.model_fields}
    read = SheetTable.model_validate(known)
    return Sheet(
        model=model,
        title=read.title,
        engine=read.engine,
        checked=read.checked,
        source=read.source,
        outputs={row.name: row.output() for row in read.output},
        commands=tuple(Command(row.send, row.outputs) for row in read.command),
        frame=table.get("frame", {}),
        warm_up_s=read.warm_up_s,
        supply_least_v=read.supply_least_v,
        wires=table.get("wires", {}),
    )


def table_errors(table: Mapping[str, Any]) -> Iterator[TableError]:
    """What keeps a table from being a sheet; nothing for one that `parse_sheet` takes."""
    known = {key: value for key, value in table.items() if key in SheetTable.model_fields}
    yield from errors_in(SheetTable, known, joined=": ")
    rows = known.get("output", ())
    names: list[Any] = []
    for n, row in enumerate(rows if isinstance(rows, list | tuple) else ()):
        name = row.get("name") if isinstance(row, Mapping) else None
        if isinstance(name, str) and name in names:
            found = f"output '{name}': this name stands twice"
            yield TableError(("output", n, "name"), found, "each output under a name of its own")
        names.append(name)
    if table.get("engine") == "sdi12" and "command" in (table.get("frame") or ()):
        found = "command is in the frame"
        yield TableError(("frame", "command"), found, "[[command]] next to [frame], not in it")
