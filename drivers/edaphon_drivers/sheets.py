"""Model sheets: what is known of an instrument type, as data, one TOML file for each model.

A sheet is found by its file name in the folders `models/` of the packages in the registry. Its
tables are typed, frozen models; what is wrong in one comes as plain sentences.
"""

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from edaphon_drivers.faults import Refused
from edaphon_drivers.readings import Origin, Status
from edaphon_drivers.registry import MODEL_SHEETS, UnknownPart

_LONGEST = 60
_MOST_KNOWN = 256


def data_of(place: str) -> dict[str, Any]:
    """A table of data next to the code, such as "files/units"."""
    return tomllib.loads((files("edaphon_drivers") / f"{place}.toml").read_text("utf-8"))


class Table(BaseModel):
    """A table of a sheet; each field's description says what is right there."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


T = TypeVar("T")
ListOf = Annotated[tuple[T, ...], Strict(False)]  # TOML has lists, a frozen model tuples
Number = int | float  # as it is written: a whole number stays one
Size = Annotated[Number, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, lt=1e8)]
Name = Annotated[str, Field(pattern=r"\S")]
StatusWord = Annotated[Status, Strict(False)]


def takes(right: str, default: Any = ..., **limits: Any) -> Any:
    """A key of a table: what is right there, and what is taken without it, if it may be absent."""
    return Field(default, description=right, **limits)


def whole(least: int, most: int, **more: Any) -> Any:
    """A key with a whole number of that range."""
    return takes(f"a whole number from {least} to {most}", None, ge=least, le=most, **more)


def one_of(known: Iterable[str]) -> str:
    return f"one of {', '.join(known)}"


def listed(value: Any) -> Any:
    """One value, or a list of such, as a list."""
    return value if isinstance(value, list | tuple) else [value]


def that(is_right: Callable[[Any], object]) -> AfterValidator:
    """A further condition of a field; its description says what is right."""

    def check(value: Any) -> Any:
        if not is_right(value):
            raise PydanticCustomError("wrong", "wrong")
        return value

    return AfterValidator(check)


Texts = Annotated[ListOf[Annotated[str, Field(min_length=1)]], BeforeValidator(listed)]


class TableError(NamedTuple):
    """Where in a table, what is there, and what would be right."""

    place: tuple[str | int, ...]
    found: str
    right: str

    def __str__(self) -> str:
        mark = ", " if self.right.startswith("not ") else "; "
        return f"{self.found}{mark}{self.right}" if self.right else self.found


def errors_in(
    model: type[BaseModel], table: Any, where: str = "", joined: str = "."
) -> Iterator[TableError]:
    """What keeps a table from being such a model; nothing for a right one."""
    try:
        model.model_validate(table)
    except ValidationError as wrong:
        seen = set()
        for error in wrong.errors(include_url=False):
            place = _place(error["loc"], table, error["type"])
            found = _table_error(model, table, place, error, (where, joined))
            if found.place not in seen:
                seen.add(found.place)
                yield found


def _place(loc: tuple[str | int, ...], table: Any, kind: str) -> tuple[str | int, ...]:
    """The keys of an error, without the marks that pydantic puts between them for its own kinds."""
    place: list[str | int] = []
    for n, key in enumerate(loc):
        if _has(table, key):
            table = table[key]
        elif kind not in {"missing"} or n < len(loc) - 1:
            continue
        place.append(key)
    return tuple(place)


def _table_error(
    model: Any, table: Any, place: tuple[str | int, ...], error: Any, style: tuple[str, str]
) -> TableError:
    fields, right, depth = _fields_at(model, place)
    label = _label(place, table, *style)
    match error["type"]:
        case "missing":
            return TableError(place, f"{label} is missing", right)
        case "extra_forbidden":
            near = difflib.get_close_matches(str(place[-1]), fields, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields)}"
            return TableError(place, f"{label} is unknown", hint)
        case "value_error":
            return TableError(place, f"{label} {error['ctx']['error']}", "")
    place, whole = place[:depth], table
    for key in place:
        table = table[key]
    found = f"{_label(place, whole, *style)} is {right}"
    return TableError(place, found, f"not {written(table)}")


def _label(place: tuple[str | int, ...], table: Any, where: str, joined: str) -> str:
    """`frame.record 2.begins` or `output 'co2': unit`."""
    parts = [where] if where else []
    for key in place:
        table = table[key] if _has(table, key) else None
        if not isinstance(key, int):
            parts.append(str(key))
            continue
        name = table.get("name") if isinstance(table, Mapping) and joined == ": " else None
        named = isinstance(name, str) and name.strip() and parts[-1] == "output"
        parts[-1] += f" '{name}'" if named else f" {key + 1}"
    return joined.join(parts)


def _has(table: Any, key: str | int) -> bool:
    if isinstance(table, Mapping):
        return key in table
    return isinstance(table, list | tuple) and isinstance(key, int) and key < len(table)


def _fields_at(model: Any, place: tuple[str | int, ...]) -> tuple[list[str], str, int]:
    """(the keys known where the last one is, what is right there, how many keys lead to that)."""
    right, depth = "", 0
    fields = _fields(model)
    for n, key in enumerate(place, 1):
        inside = _fields(model)
        if inside and isinstance(key, int):
            right, depth = "a table", n
        elif inside:
            fields = inside
            if str(key) in inside:
                right, depth = inside[str(key)].description or right, n
                model = _table_in(inside[str(key)].annotation)
    return list(fields), right, depth


def _fields(model: Any) -> Mapping[str, Any]:
    found = model.model_fields if model is not None else {}
    return {field.alias or name: field for name, field in found.items()}


def _table_in(annotation: Any) -> Any:
    """The model inside of a list, a table or an alternative; None where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_in(part))), None)


def written(value: Any) -> str:
    """A value as TOML writes it, cut to a readable length."""
    text = _toml(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return "nothing" if value is None else str(value)


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
    of these numbers beyond the sheets of this package, `packages` the other packages that decide
    what they are.
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
    packages: tuple[str, ...] = field(default=(), repr=False)


class Command(Table):
    """An SDI-12 measurement command without address and `!`, and its outputs in order.

    A `-` among the outputs is a value that is read and not used.
    """

    send: Name = takes('the command without address and !, such as "M"')
    outputs: ListOf[str] = takes('a list of names in order, such as ["vwc", "t"]')


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

    __hash__ = object.__hash__  # it holds tables


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
    return parse_sheet(model, tomllib.loads(_files()[model][0].file.read_text("utf-8")))


def sheet_package(model: str) -> str:
    """Name and version of the package that gives a sheet; "" for edaphon's own and unknown ones."""
    return _files()[model][0].package if model in _files() else ""


def sheet_problems() -> Iterator[str]:
    """The models of which two packages give a sheet."""
    for model, found in _all_files().items():
        if len(found) > 1:
            packages = " and ".join(one.package or "edaphon" for one in found)
            yield f"model {model!r} is in {packages}: remove one of them"


class _SheetFile(NamedTuple):
    package: str
    file: Traversable


@cache
def _files() -> dict[str, list[_SheetFile]]:
    """As `_all_files`, without those that two packages give, edaphon not being one of them."""
    return {m: own for m, own in _all_files().items() if len(own) == 1 or not own[0].package}


@cache
def _all_files() -> dict[str, list[_SheetFile]]:
    """The files of all sheets by model, sorted; those of edaphon come before those of others."""
    found: dict[str, list[_SheetFile]] = {}
    for name in sorted(MODEL_SHEETS.names(), key=MODEL_SHEETS.package):
        try:
            folder = files(MODEL_SHEETS.load(name)) / "models"
        except UnknownPart:  # `check` lists it
            continue
        for file in folder.iterdir():
            if file.name.endswith(".toml"):
                own = found.setdefault(file.name[:-5], [])
                own.append(_SheetFile(MODEL_SHEETS.package(name), file))
    return dict(sorted(found.items()))


_QUANTITY = 'a quantity of the nomenclature, such as "soil_temperature"'
_UNIT = 'the unit as the instrument sends it, such as "degC"'
_NUMBER, _SIZE = "a number, such as -40", "a number from 0 on, such as 0.03"
_CODES = "a list, such as [-9.999]"
_ORIGINS = f"one of {', '.join(map(written, map(str, Origin)))}"
_WIRES = 'colours by what they carry, such as { supply = "brown", data = "orange" }'


class FactoryTable(Table):
    """[[output.factory]] of a sheet."""

    name: Name = takes("a name of its own")
    curve: Name = takes("the name of a curve")
    quantity: Name = takes(_QUANTITY)
    unit: Name = takes(_UNIT)
    parameters: dict[str, Number] = takes("a table of numbers: { a = 0.1 }", {})


class OutputTable(Table):
    """[[output]] of a sheet."""

    name: Name = takes('a name of your own, such as "vwc"')
    quantity: Name = takes(_QUANTITY)
    unit: Name = takes(_UNIT)
    origin: Annotated[Origin, Strict(False)] = takes(_ORIGINS, Origin.REPORTED)
    failure: ListOf[float] = takes(_CODES, ())
    low_supply: ListOf[float] = takes(_CODES, ())
    lowest: Number | None = takes(_NUMBER, None)
    highest: Number | None = takes(_NUMBER, None)
    resolution: Size = takes(_SIZE, 0.0)
    repeatability: Size = takes(_SIZE, 0.0)
    accuracy: Size = takes(_SIZE, 0.0)
    source: str = takes("a text in quotes", "")
    factory: ListOf[FactoryTable] = takes("a list of tables, [[output.factory]]", ())
    compensated: ListOf[str] = takes('a list, such as ["25 degC"]', ())

    def output(self) -> Output:
        factory = tuple(Factory(**dict(one)) for one in self.factory)
        return Output(**{**dict(self), "factory": factory})


class SheetTable(Table):
    """A sheet as its TOML file writes it."""

    title: str = takes("maker, type and what it measures, in quotes")
    engine: str = takes('the protocol, such as "ascii"')
    checked: str = takes('by what the facts were checked, "unverified"')
    source: str = takes("manual and section of the facts, in quotes")
    output: ListOf[OutputTable] = takes("a list of tables, [[output]]")
    command: ListOf[Command] = takes("a list of tables, [[command]]", ())
    frame: dict[str, Any] = takes("a table, [frame]", {})
    warm_up_s: float = takes("a number of seconds, such as 30", 0.0, ge=0)
    supply_least_v: float = takes("a number of volts, such as 4.0", 0.0, ge=0)
    wires: dict[Literal["supply", "data", "ground"], Name] = takes(_WIRES, {})


def parse_sheet(model: str, table: Mapping[str, Any]) -> Sheet:
    """The sheet that a TOML table says; raises ValueError, in words, for a wrong table."""
    for error in table_errors(table):
        raise ValueError(f"{error.found}; {error.right}")
    read = SheetTable.model_validate(_known(table))
    plain = dict(read)
    outputs = {row.name: row.output() for row in plain.pop("output")}
    tables = {"frame": table.get("frame", {}), "wires": table.get("wires", {})}
    return Sheet(model, outputs=outputs, commands=plain.pop("command"), **{**plain, **tables})


def _known(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key in SheetTable.model_fields}


def table_errors(table: Mapping[str, Any]) -> Iterator[TableError]:
    """What keeps a table from being a sheet; nothing for one that `parse_sheet` takes."""
    known = _known(table)
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


# A function of a sheet, run once for each (and for what else it is given).
per_sheet = lru_cache(maxsize=_MOST_KNOWN)


def refuse(errors: Iterator[str], sheet: Sheet) -> None:
    """Raises Refused for the first of the errors in a sheet."""
    for error in errors:
        raise Refused("a sheet without errors", error, sheet.model)


Frame = TypeVar("Frame", bound=Table)


def frame_reader(
    model: type[Frame], further: Callable[[Frame, Sheet], Iterator[str]]
) -> tuple[Callable[[Sheet], Frame], Callable[[Sheet], Iterator[str]]]:
    """(what gives the typed frame of a sheet, what lists the errors in it) for one engine.

    `further` lists what single keys can't show. The first raises Refused for a key that is wrong.
    """

    def sheet_errors(sheet: Sheet) -> Iterator[str]:
        found = [str(error) for error in errors_in(model, sheet.frame, "frame")]
        yield from found
        if not found:
            yield from further(model.model_validate(sheet.frame), sheet)

    @per_sheet
    def frame_of(sheet: Sheet) -> Frame:
        refuse(map(str, errors_in(model, sheet.frame, "frame")), sheet)
        return model.model_validate(sheet.frame)

    return frame_of, sheet_errors
