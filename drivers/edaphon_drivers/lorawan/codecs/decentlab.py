"""Decentlab payloads, protocol version 2: a header, then words of the sensors that took part.

Header: version u8, device id u16, flags u16; flag n says that sensor n of `frame.sensor` (sheet)
follows, flag 0 first. A word is u16; all big endian (DL-TRS12 datasheet, Sensor data message
format). One row of a sensor's `value` is one line of the maker's table:

x = one of  `word = n`
            `words = [low, high]`, a number of 32 bits; `minus = [low, high]` takes another from it
            `ratio = [over, under]`, two words, each less `offset`
            `greatest = [[a, b], ...]`, the greatest of the sums a word 0 + b word 1
r = (x - offset) / divide, brought through `shape` ("1/r", "r/(1-r)") where a bridge was measured
number = r multiply + add, in the output's unit

`divide`, `multiply` and `add` are numbers, names of `frame.parameters` (what differs between
devices of a model) or lists of factors. `good = { word, lowest, highest }` says what another word
must be for the value to count. What the maker computes further is a factory curve of the sheet.
"""

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import Reading, Status, reported, without_number
from edaphon_drivers.sheets import Sheet

_HEADER = struct.Struct(">BHH")
_VERSION = 2

Row = Mapping[str, Any]


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """A sensor whose flag is clear gives no reading."""
    frame = sheet.frame
    if f_port != frame["f_port"]:
        raise Garbled(f"f_port {frame['f_port']}, not {f_port}", data, sheet.model)
    if len(data) < _HEADER.size or data[0] != _VERSION:
        raise Garbled(f"a header of protocol version {_VERSION}", data, sheet.model)
    _, _, flags = _HEADER.unpack_from(data)
    present = [sensor for n, sensor in enumerate(frame["sensor"]) if flags >> n & 1]
    length = _HEADER.size + 2 * sum(sensor["words"] for sensor in present)
    if flags >> len(frame["sensor"]) or len(data) != length:
        raise Garbled(f"{length} bytes after the flags {flags:#06x}", data, sheet.model)
    return tuple(_readings(present, data, sheet))


def _readings(present: list[Row], data: bytes, sheet: Sheet) -> Iterator[Reading]:
    at = _HEADER.size
    for sensor in present:
        words = struct.unpack_from(f">{sensor['words']}H", data, at)
        at += 2 * sensor["words"]
        for row in sensor["value"]:
            yield _reading(row, words, sheet)


def _reading(row: Row, words: Sequence[int], sheet: Sheet) -> Reading:
    output = sheet.outputs[row["output"]]
    if not _counts(row.get("good"), words):
        return without_number(output, Status.FAILURE)
    number = _number(row, words, sheet.frame.get("parameters", {}))
    return without_number(output, Status.INVALID) if number is None else reported(output, number)


def _counts(good: Row | None, words: Sequence[int]) -> bool:
    """Whether the word that vouches for a value lets it count."""
    if good is None:
        return True
    return bool(good.get("lowest", 0) <= words[good["word"]] <= good.get("highest", 0xFFFF))


def _number(row: Row, words: Sequence[int], parameters: Row) -> float | None:
    """None where the maker's formula has no value."""
    x = _less_offset(row, words)
    if x is None:
        return None
    r = SHAPES[row.get("shape", "r")](x / _product(row.get("divide", 1), parameters))
    if r is None:
        return None
    # The sum also makes the 0 of a falling line a plain one: 0 * -1 is -0.0.
    return r * _product(row.get("multiply", 1), parameters) + _product(
        row.get("add", 0), parameters
    )


def _less_offset(row: Row, words: Sequence[int]) -> float | None:
    offset: float = row.get("offset", 0)
    if "ratio" in row:
        over, under = (words[n] - offset for n in row["ratio"])
        return over / under if over >= 0 and under > 0 else None
    if "greatest" in row:
        return max(_sum(weights, words) for weights in row["greatest"])
    if "words" in row:
        return _long(row["words"], words) - (
            _long(row["minus"], words) if "minus" in row else offset
        )
    return words[row["word"]] - offset


def _sum(weights: Sequence[float], words: Sequence[int]) -> float:
    return sum(weight * word for weight, word in zip(weights, words, strict=True))


def _long(places: Sequence[int], words: Sequence[int]) -> int:
    low, high = places
    return words[low] | words[high] << 16


def _product(factors: Any, parameters: Row) -> float:
    """The product of a number, of a parameter, or of a list of them."""
    listed = factors if isinstance(factors, list) else [factors]
    return math.prod(float(parameters[f] if isinstance(f, str) else f) for f in listed)


SHAPES: Mapping[str, Callable[[float], float | None]] = {
    "r": lambda r: r,
    "1/r": lambda r: 1 / r if r else None,
    "r/(1-r)": lambda r: r / (1 - r) if r != 1 else None,
}
