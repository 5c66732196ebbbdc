"""What is wrong in the table of a model sheet, in words, before it becomes a sheet."""

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from edaphon_drivers.readings import Origin

_LONGEST = 60


class TableTrouble(NamedTuple):
    """Where in the sheet's table, what came there, and what would be right."""

    place: tuple[str | int, ...]
    came: str
    right: str


class _Key(NamedTuple):
    is_right: Callable[[Any], bool]
    right: str
    needed: bool = False


def written(value: Any) -> str:
    """A value as TOML writes it, cut to a readable length."""
    text = _toml(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return "nothing" if value is None else str(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    return right and abs(value) <= sys.float_info.max


def _is_size(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_list_of(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(test, value))


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_number, value.values()))


def _are_wires(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        carries in _WIRES and _is_name(colour) for carries, colour in value.items()
    )


_WIRES = ("supply", "data", "ground")
_TEXT = _Key(_is_text, "a text in quotes")
_SIZE = _Key(_is_size, "a number from 0 on, such as 0.03")
_RANGE = _Key(_is_number, "a number, such as -40")
_QUANTITY = _Key(
    _is_name, 'a quantity of the nomenclature, such as "soil_temperature"', needed=True
)
_UNIT = _Key(_is_name, 'the unit as the instrument sends it, such as "degC"', needed=True)
_TABLES = _is_list_of(_is_table)
_NUMBERS = _is_list_of(_is_number)
_OUTPUT = {
    "name": _Key(_is_name, 'a name of your own, such as "vwc"', needed=True),
    "quantity": _QUANTITY,
    "unit": _UNIT,
    "origin": _Key(
        lambda value: value in tuple(Origin), f"one of {', '.join(map(_toml, map(str, Origin)))}"
    ),
    "failure": _Key(_NUMBERS, "a list, such as [-9.999]"),
    "low_supply": _Key(_NUMBERS, "a list, such as [-9.999]"),
    "lowest": _RANGE,
    "highest": _RANGE,
    "resolution": _SIZE,
    "repeatability": _SIZE,
    "accuracy": _SIZE,
    "source": _TEXT,
    "factory": _Key(_TABLES, "a list of tables, [[output.factory]]"),
    "compensated": _Key(_is_list_of(_is_text), 'a list, such as ["25 degC"]'),
}
_COMMAND = {
    "send": _Key(_is_name, 'the command without address and !, such as "M"', needed=True),
    "outputs": _Key(
        _is_list_of(_is_text), 'a list of names in order, such as ["vwc", "t"]', needed=True
    ),
}
_FACTORY = {
    "name": _Key(_is_name, "a name of its own", needed=True),
    "curve": _Key(_is_name, "the name of a curve", needed=True),
    "quantity": _QUANTITY,
    "unit": _UNIT,
    "parameters": _Key(_are_numbers, "a table of numbers, such as { a = 0.1 }"),
}
_SHEET = {
    "title": _Key(_is_text, "maker, type and what it measures, in quotes", needed=True),
    "engine": _Key(_is_text, 'the protocol, such as "ascii"', needed=True),
    "checked": _Key(_is_text, 'by what the facts were checked, "unverified"', needed=True),
    "source": _Key(_is_text, "manual and section of the facts, in quotes", needed=True),
    "output": _Key(_TABLES, "a list of tables, [[output]]", needed=True),
    "command": _Key(_TABLES, "a list of tables, [[command]]"),
    "frame": _Key(_is_table, "a table, [frame]"),
    "warm_up_s": _Key(_is_size, "a number of seconds, such as 30"),
    "supply_least_v": _Key(_is_size, "a number of volts, such as 4.0"),
    "wires": _Key(
        _are_wires, 'colours by what they carry, such as { supply = "brown", data = "orange" }'
    ),
}


def table_troubles(table: Mapping[str, Any]) -> Iterator[TableTrouble]:
    """What keeps a table from being a sheet; nothing for one that `parse_sheet` takes."""
    known = {key: value for key, value in table.items() if key in _SHEET}
    found = list(_row_troubles((), "", known, _SHEET))
    yield from found
    wrong = {trouble.place[0] for trouble in found}
    if "output" not in wrong:
        yield from _outputs(table["output"])
    for n, row in enumerate(table.get("command", ()) if "command" not in wrong else ()):
        yield from _row_troubles(("command", n), f"command {n + 1}: ", row, _COMMAND)
    if table.get("engine") == "sdi12" and "command" in (table.get("frame") or ()):
        came = "command stands in the frame"
        yield TableTrouble(("frame", "command"), came, "[[command]] beside [frame], not in it")


def _outputs(rows: Any) -> Iterator[TableTrouble]:
    names: list[str] = []
    for n, row in enumerate(rows):
        place, name = ("output", n), row.get("name")
        what = f"output '{name}': " if _is_name(name) else f"output {n + 1}: "
        found = list(_row_troubles(place, what, row, _OUTPUT))
        yield from found
        if _is_name(name) and name in names:
            came = f"{what}this name stands twice"
            yield TableTrouble((*place, "name"), came, "each output under a name of its own")
        names.append(str(name))
        factories = row.get("factory", ())
        for at, factory in enumerate(factories if _TABLES(factories) else ()):
            inside = (*place, "factory", at)
            yield from _row_troubles(inside, f"{what}factory {at + 1}: ", factory, _FACTORY)


def _row_troubles(
    place: tuple[str | int, ...], what: str, row: Mapping[str, Any], known: Mapping[str, _Key]
) -> Iterator[TableTrouble]:
    for key, wanted in known.items():
        if wanted.needed and key not in row:
            yield TableTrouble((*place, key), f"{what}{key} is missing", wanted.right)
    for key, value in row.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            right = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            yield TableTrouble((*place, key), f"{what}{key} is unknown", right)
        elif not known[key].is_right(value):
            came = f"{what}{key} is {known[key].right}"
            yield TableTrouble((*place, key), came, f"not {written(value)}")
