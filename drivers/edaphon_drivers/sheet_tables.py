"""Tables of model sheets as typed, frozen models; what is wrong in one comes as plain sentences."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Generic, NamedTuple, TypeVar, get_args

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
from edaphon_drivers.readings import Status

if TYPE_CHECKING:
    from edaphon_drivers.sheets import Sheet

_LONGEST = 60
_MOST_KNOWN = 256


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


def whole(least: int, most: int) -> Any:
    """A field with a whole number of that range."""
    return Field(None, ge=least, le=most, description=f"a whole number from {least} to {most}")


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
        is_there = (isinstance(table, Mapping) and key in table) or (
            isinstance(table, list | tuple) and isinstance(key, int) and key < len(table)
        )
        if is_there:
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


class PerSheet(Generic[T]):
    """A function of a sheet, run once for each; a sheet holds tables, so its id is the key."""

    def __init__(self, read: Callable[["Sheet"], T]) -> None:
        self._read = read
        self._known: dict[int, tuple[Sheet, T]] = {}  # holding the sheet keeps its id

    def __call__(self, sheet: "Sheet") -> T:
        found = self._known.get(id(sheet))
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[id(sheet)] = sheet, self._read(sheet)
        return found[1]

    def forget(self) -> None:
        self._known.clear()


def refuse(errors: Iterator[str], sheet: "Sheet") -> None:
    """Raises Refused for the first of the errors in a sheet."""
    for error in errors:
        raise Refused("a sheet without errors", error, sheet.model)


Frame = TypeVar("Frame", bound=Table)


def frame_reader(
    model: type[Frame], further: Callable[[Frame, "Sheet"], Iterator[str]]
) -> tuple[Callable[["Sheet"], Frame], Callable[["Sheet"], Iterator[str]]]:
    """(what gives the typed frame of a sheet, what lists the errors in it) for one engine.

    `further` lists what single keys can't show. The first raises Refused for a key that is wrong.
    """

    def sheet_errors(sheet: "Sheet") -> Iterator[str]:
        found = [str(error) for error in errors_in(model, sheet.frame, "frame")]
        yield from found
        if not found:
            yield from further(model.model_validate(sheet.frame), sheet)

    @PerSheet
    def frame_of(sheet: "Sheet") -> Frame:
        refuse(map(str, errors_in(model, sheet.frame, "frame")), sheet)
        return model.model_validate(sheet.frame)

    return frame_of, sheet_errors
