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
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Strict

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.codecs import CodecFrame, Port, Whole, output_errors
from edaphon_drivers.readings import Reading, Status, reported, without_number
from edaphon_drivers.sheets import ListOf, Number, Sheet, Table, listed, one_of, takes

_HEADER = struct.Struct(">BHH")
_VERSION = 2
_FORMS = ("word", "words", "ratio", "greatest")
_MOST_SENSORS = 16  # the flags are one word
SHAPES: Mapping[str, Callable[[float], float | None]] = {
    "r": lambda r: r,
    "1/r": lambda r: 1 / r if r else None,
    "r/(1-r)": lambda r: r / (1 - r) if r != 1 else None,
}

_Words = Annotated[tuple[int, int], Strict(False)]
_Factors = Annotated[ListOf[Number | str], BeforeValidator(listed)]
_TWO_WORDS = "the numbers of two words, [low, high]"
_FACTOR = "a number, a name of frame.parameters, or a list of such"


class GoodTable(Table):
    """`good`: the word that vouches for a value."""

    word: int = takes("the number of a word, from 0")
    lowest: Number = takes("a number", 0)
    highest: Number = takes("a number", 0xFFFF)


class ValueRow(Table):
    """One line of the maker's table."""

    output: str = takes("the name of an [[output]]")
    word: int | None = takes("the number of a word, from 0", None)
    words: _Words | None = takes(_TWO_WORDS, None)
    minus: _Words | None = takes(_TWO_WORDS, None)
    ratio: _Words | None = takes("the numbers of two words, [over, under]", None)
    greatest: ListOf[ListOf[Number]] = takes("a list of weights, [[a, b], ..]", ())
    offset: Number = takes("a number", 0)
    divide: _Factors = takes(_FACTOR, (1,))
    multiply: _Factors = takes(_FACTOR, (1,))
    add: _Factors = takes(_FACTOR, (0,))
    shape: Literal["r", "1/r", "r/(1-r)"] = takes(one_of(SHAPES), "r")
    good: GoodTable | None = takes("a table { word, lowest, highest }", None)

    @property
    def places(self) -> list[int]:
        """The numbers of the words that it takes."""
        pairs = (self.words, self.minus, self.ratio)
        places = [place for pair in pairs if pair is not None for place in pair]
        places += [self.word] if self.word is not None else []
        return places + ([self.good.word] if self.good else [])

    def errors(self, where: str, n_words: int, parameters: Mapping[str, Number]) -> Iterator[str]:
        """What is wrong in a row of a sensor of so many words."""
        if len(self.model_fields_set.intersection(_FORMS)) != 1:
            yield f"{where}: expected one of {', '.join(_FORMS)}"
        for place in self.places:
            if place not in range(n_words):
                yield f"{where}: word {place!r} of {n_words}, counted from 0"
        for weights in self.greatest:
            if len(weights) != n_words:
                yield f"{where}: {len(weights)} weights for {n_words} words"
        factors = {"divide": self.divide, "multiply": self.multiply, "add": self.add}
        for key, factor in ((key, factor) for key, own in factors.items() for factor in own):
            number = parameters.get(factor) if isinstance(factor, str) else factor
            if number is None:
                yield f"{where}: {key} is a number or a name of frame.parameters, not {factor!r}"
            elif key == "divide" and not number:
                yield f"{where}: is divided by 0"

    def reading(
        self, words: Sequence[int], parameters: Mapping[str, Number], sheet: Sheet
    ) -> Reading:
        """FAILURE where the word that vouches for the value does not let it count."""
        output, good = sheet.outputs[self.output], self.good
        if good is not None and not good.lowest <= words[good.word] <= good.highest:
            return without_number(output, Status.FAILURE)
        number = self.number(words, parameters)
        if number is None:
            return without_number(output, Status.INVALID)
        return reported(output, number)

    def number(self, words: Sequence[int], parameters: Mapping[str, Number]) -> float | None:
        """None where the maker's formula has no value."""
        x = self._less_offset(words)
        if x is None:
            return None
        r = SHAPES[self.shape](x / _product(self.divide, parameters))
        if r is None:
            return None
        # The sum also makes the 0 of a falling line a plain one: 0 * -1 is -0.0.
        return r * _product(self.multiply, parameters) + _product(self.add, parameters)

    def _less_offset(self, words: Sequence[int]) -> float | None:
        if self.ratio is not None:
            over, under = (words[n] - self.offset for n in self.ratio)
            return over / under if over >= 0 and under > 0 else None
        if self.greatest:
            return max(_sum(weights, words) for weights in self.greatest)
        if self.words is not None:
            less = self.offset if self.minus is None else _long(self.minus, words)
            return _long(self.words, words) - less
        return words[self.word or 0] - self.offset


class SensorRow(Table):
    """[[frame.sensor]]: the words of a sensor that takes part where its flag is set."""

    words: Whole = takes("a number of words")
    value: ListOf[ValueRow] = takes("a list of tables [[frame.sensor.value]]")


def _fits_flags(sensors: tuple[SensorRow, ...]) -> tuple[SensorRow, ...]:
    if len(sensors) > _MOST_SENSORS:
        raise ValueError(f"has {len(sensors)} sensors, but the flags have {_MOST_SENSORS} bits")
    return sensors


class DecentlabFrame(CodecFrame):
    """[frame] with codec "decentlab"."""

    f_port: Port = takes("1 to 223")
    sensor: Annotated[ListOf[SensorRow], AfterValidator(_fits_flags)] = takes(
        "a list of tables [[frame.sensor]]"
    )
    parameters: dict[str, Number] = takes("a table of numbers", {})

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.f_port,)

    def errors(self, sheet: Sheet) -> Iterator[str]:
        for n, sensor in enumerate(self.sensor):
            for row in sensor.value:
                where = f"frame.sensor {n}, {row.output}"
                yield from output_errors(where, [row.output], sheet)
                yield from row.errors(where, sensor.words, self.parameters)

    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        """A sensor whose flag is clear gives no reading."""
        if len(data) < _HEADER.size or data[0] != _VERSION:
            raise Garbled(f"a header of protocol version {_VERSION}", data, sheet.model)
        _, _, flags = _HEADER.unpack_from(data)
        present = [sensor for n, sensor in enumerate(self.sensor) if flags >> n & 1]
        length = _HEADER.size + 2 * sum(sensor.words for sensor in present)
        if flags >> len(self.sensor) or len(data) != length:
            raise Garbled(f"{length} bytes after the flags {flags:#06x}", data, sheet.model)
        words, readings = struct.unpack_from(f">{length // 2 - 2}H", data, 5), []
        at = 0
        for sensor in present:
            own = words[at : at + sensor.words]
            readings += [row.reading(own, self.parameters, sheet) for row in sensor.value]
            at += sensor.words
        return tuple(readings)


def _sum(weights: Sequence[float], words: Sequence[int]) -> float:
    return sum(weight * word for weight, word in zip(weights, words, strict=True))


def _long(places: Sequence[int], words: Sequence[int]) -> int:
    low, high = places
    return words[low] | words[high] << 16


def _product(factors: Sequence[Number | str], parameters: Mapping[str, Number]) -> float:
    """The product of numbers and of parameters."""
    if len(factors) == 1:
        (f,) = factors
        return float(parameters[f] if isinstance(f, str) else f)
    return math.prod(float(parameters[f] if isinstance(f, str) else f) for f in factors)
