"""What is wrong in the tables of a Decentlab model sheet, in words for the owner who wrote it."""

from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.lorawan.codecs.decentlab import SHAPES
from edaphon_drivers.sheets import Sheet

Table = Mapping[str, Any]
_FORMS = ("word", "words", "ratio", "greatest")
_MOST_SENSORS = 16  # the flags are one word


def decentlab_troubles(sheet: Sheet) -> Iterator[str]:
    """Raises KeyError or TypeError for a table that lacks a key or has another form."""
    sensors = sheet.frame["sensor"]
    if sheet.frame["f_port"] not in range(1, 224):
        yield f"frame.f_port is 1 to 223, not {sheet.frame['f_port']!r}"
    if len(sensors) > _MOST_SENSORS:
        yield f"frame.sensor: {len(sensors)} sensors, but the flags have {_MOST_SENSORS} bits"
    for n, sensor in enumerate(sensors):
        for row in sensor["value"]:
            where = f"frame.sensor {n}, {row['output']}"
            yield from _row(where, row, sensor["words"], sheet)


def _row(where: str, row: Table, room: int, sheet: Sheet) -> Iterator[str]:
    if row["output"] not in sheet.outputs:
        yield f"{where}: no [[output]] is named {row['output']!r}"
    if sum(form in row for form in _FORMS) != 1:
        yield f"{where}: expected one of {', '.join(_FORMS)}"
    for place in _places(row):
        if place not in range(room):
            yield f"{where}: word {place!r} of {room}, counted from 0"
    for weights in row.get("greatest", ()):
        if len(weights) != room:
            yield f"{where}: {len(weights)} weights for {room} words"
    if row.get("shape", "r") not in SHAPES:
        yield f"{where}: shape is one of {', '.join(SHAPES)}, not {row['shape']!r}"
    yield from _factors(where, row, sheet.frame.get("parameters", {}))


def _places(row: Table) -> Iterator[Any]:
    """The numbers of the words that a row takes."""
    if "word" in row:
        yield row["word"]
    if "good" in row:
        yield row["good"]["word"]
    for pair in ("words", "minus", "ratio"):
        yield from row.get(pair, ())


def _factors(where: str, row: Table, parameters: Table) -> Iterator[str]:
    for key in ("divide", "multiply", "add"):
        factors = row.get(key, 1)
        for factor in factors if isinstance(factors, list) else [factors]:
            number = parameters.get(factor) if isinstance(factor, str) else factor
            if not isinstance(number, int | float):
                yield f"{where}: {key} is a number or a name of frame.parameters, not {factor!r}"
            elif key == "divide" and not number:
                yield f"{where}: is divided by 0"
