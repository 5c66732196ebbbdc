"""Model sheets: what is known of an instrument type, as data, one TOML file for each model.

A sheet is found by its file name in `models/`; nothing lists them, so a new one touches no file.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from edaphon_drivers.readings import Origin
from edaphon_drivers.sheet_tables import table_troubles


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
    already: a second correction for the same is refused. `meaning` names what an owner has said
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


@cache
def model_names() -> tuple[str, ...]:
    """All models that have a sheet, sorted."""
    folder = files("edaphon_drivers") / "models"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


@cache
def load_sheet(model: str) -> Sheet:
    """Raises UnknownModel for a name without a sheet."""
    if model not in model_names():
        raise UnknownModel(model)
    text = (files("edaphon_drivers") / "models" / f"{model}.toml").read_text("utf-8")
    return parse_sheet(model, tomllib.loads(text))


def parse_sheet(model: str, table: Mapping[str, Any]) -> Sheet:
    """The sheet that a TOML table says; raises ValueError, in words, for a wrong table."""
    for _, came, right in table_troubles(table):
        raise ValueError(f"{came}; {right}")
    outputs = {row["name"]: _output(row) for row in table["output"]}
    return Sheet(
        model=model,
        title=table["title"],
        engine=table["engine"],
        checked=table["checked"],
        source=table["source"],
        outputs=outputs,
        commands=tuple(map(_command, table.get("command", ()))),
        frame=table.get("frame", {}),
        warm_up_s=float(table.get("warm_up_s", 0)),
        supply_least_v=float(table.get("supply_least_v", 0)),
        wires=table.get("wires", {}),
    )


def _command(row: Mapping[str, Any]) -> Command:
    return Command(row["send"], tuple(row["outputs"]))


def _output(row: Mapping[str, Any]) -> Output:
    known = dict(row)
    known["origin"] = Origin(row.get("origin", "reported"))
    known["failure"] = tuple(map(float, row.get("failure", ())))
    known["low_supply"] = tuple(map(float, row.get("low_supply", ())))
    known["compensated"] = tuple(row.get("compensated", ()))
    known["factory"] = tuple(Factory(**table) for table in row.get("factory", ()))
    return Output(**known)
