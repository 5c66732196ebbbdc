"""What is wrong in a LoRaWAN model sheet, in words for the owner who wrote it."""

from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.lorawan.codecs import codec_names
from edaphon_drivers.lorawan.codecs.cayenne import KINDS
from edaphon_drivers.lorawan.codecs.decentlab import SHAPES
from edaphon_drivers.sheets import Sheet, UnknownModel, load_sheet

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
            yield from _decentlab_row(where, row, sensor["words"], sheet)


def _decentlab_row(where: str, row: Table, room: int, sheet: Sheet) -> Iterator[str]:
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


# The codecs whose frames are rows of numbers: the table of rows, and its table of numbers.
_ROWS = {
    "milesight": ("channel", "number"),
    "milesight_uc50x": ("channel", "number"),
    "tektelic": ("channel", "number"),
    "sensecap_s2120": ("packet", "number"),
    "elsys": ("type", "number"),
    "dragino": ("block", "field"),
}


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """One sentence for each; nothing for a sheet that its codec can work with."""
    codec = sheet.frame.get("codec")
    if codec not in codec_names():
        yield f"frame.codec is one of {', '.join(codec_names())}, not {codec!r}"
        return
    try:
        yield from _of_codec(codec, sheet)
    except KeyError as missing:
        yield f"a table of [frame] for codec {codec} lacks {missing}"
    except (TypeError, AttributeError, ValueError) as wrong:
        yield f"a table of [frame] for codec {codec} has another form than it should: {wrong}"


def _of_codec(codec: str, sheet: Sheet) -> Iterator[str]:
    if codec in _ROWS:
        rows, numbers = _ROWS[codec]
        for n, row in enumerate(sheet.frame[rows], 1):
            where = f"frame.{rows} {n}"
            yield from _row(where, row, row.get(numbers, ()), sheet)
    if codec == "decentlab":
        yield from decentlab_troubles(sheet)
    if codec == "cayenne":
        for n, row in enumerate(sheet.frame["channel"], 1):
            yield from _lpp(f"frame.channel {n}", row, sheet)
    if codec == "sensecap":
        named = ["battery_level", *(row["output"] for row in sheet.frame["measurement"])]
        yield from _unknown("frame.measurement", named, sheet)
    if codec == "milesight_uc50x":
        yield from _unknown("frame.modbus", sheet.frame.get("modbus", ()), sheet)
        for n, row in enumerate(sheet.frame.get("sdi12", ()), 1):
            yield from _relayed(f"frame.sdi12 {n}", row, sheet)
    if codec == "dragino_sdi12":
        yield from _unknown("frame", ["battery_voltage"], sheet)
        yield from _relayed("frame", sheet.frame, sheet)


def _row(where: str, row: Table, numbers: Any, sheet: Sheet) -> Iterator[str]:
    room = row["record"] if "record" in row else row.get("bytes") or min(row["lengths"])
    for number in numbers:
        yield from _unknown(where, [number["output"]], sheet)
        at, n_bytes = number.get("at", 0), number.get("bytes", 2)
        if at + n_bytes > room:
            yield f"{where}: {number['output']} ends at byte {at + n_bytes} of {room}"
        if number.get("float") and n_bytes not in {2, 4}:
            yield f"{where}: {number['output']} is a float of 2 or 4 bytes, not {n_bytes}"
        if not number.get("divide", 1):
            yield f"{where}: {number['output']} is divided by 0"
        for decider in (number[key] for key in ("when", "fails") if key in number):
            if decider["at"] >= room:
                yield f"{where}: byte {decider['at']}, which decides, lies behind {room} bytes"


def _lpp(where: str, row: Table, sheet: Sheet) -> Iterator[str]:
    kind = KINDS.get(row["type"])
    if kind is None:
        yield f"{where}: type is one of {', '.join(map(str, KINDS))}, not {row['type']}"
        return
    yield from _unknown(where, row["outputs"], sheet)
    for name, unit in zip(row["outputs"], kind.units, strict=False):
        if name in sheet.outputs and sheet.outputs[name].unit != unit:
            yield f"{where}: numbers of type {row['type']} are in {unit}, {name} is not"


def _relayed(where: str, named: Table, sheet: Sheet) -> Iterator[str]:
    if "probe" not in named:
        yield from _unknown(where, named["outputs"], sheet)
        return
    try:
        commands = load_sheet(named["probe"]).commands
    except UnknownModel:
        yield f"{where}: probe is the name of an SDI-12 model sheet, not {named['probe']!r}"
        return
    if not commands:
        yield f"{where}: {named['probe']} has no SDI-12 command that would name values"
        return
    used = [name for name in commands[0].outputs if name != "-"]
    yield from _unknown(f"{where}, probe {named['probe']}", used, sheet)


def _unknown(where: str, names: Any, sheet: Sheet) -> Iterator[str]:
    for name in names:
        if name not in sheet.outputs:
            yield f"{where}: no [[output]] is named {name!r}"
