"""A whole plot's numbers: slow waves between two limits, and the registers that carry them.

Plain tables come in; nothing of this package's own code is used here.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

DAY_S, SHORT_S = 86_400.0, 600.0
_KINDS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "f64": "d"}


@dataclass(frozen=True, slots=True)
class Wave:
    """A number that goes between `lowest` and `highest` once a day, with a ripple of ten minutes.

    `name` shifts it against others; it comes in steps of `step` and is never one of `not_these`.
    """

    name: str
    lowest: float
    highest: float
    step: float = 0.0
    not_these: tuple[float, ...] = ()

    def at(self, time_s: float) -> float:
        turn = zlib.crc32(self.name.encode()) / 2**32
        day = math.sin(2 * math.pi * (time_s / DAY_S + turn))
        ripple = math.sin(2 * math.pi * (time_s / SHORT_S + turn))
        share = 0.5 + 0.4 * day + 0.1 * ripple
        number = self._stepped(self.lowest + (self.highest - self.lowest) * share)
        return number if number not in self.not_these else number + (self.step or 1.0)

    def _stepped(self, number: float) -> float:
        if self.step > 0:
            return round(round(number / self.step) * self.step, 9)
        return float(f"{number:.5g}")


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a number stands in registers; the instrument sends (number * divide - plus) / multiply.

    `type` is u16, i16, u32, i32, f32, u64 or f64; orders are "big" or "little".
    """

    address: int
    number: Callable[[], float]
    type: str = "u16"
    word_order: str = "big"
    byte_order: str = "big"
    multiply: float = 1
    plus: float = 0
    divide: float = 1

    def words(self) -> list[int]:
        raw = (self.number() * self.divide - self.plus) / self.multiply
        whole = self.type[0] in "ui"
        data = struct.pack(">" + _KINDS[self.type], _fitting(raw, self.type) if whole else raw)
        pieces = [data[at : at + 2] for at in range(0, len(data), 2)]
        if self.word_order == "little":
            pieces.reverse()
        if self.byte_order == "little":
            pieces = [piece[::-1] for piece in pieces]
        return [int.from_bytes(piece, "big") for piece in pieces]


def _fitting(raw: float, kind: str) -> int:
    """A whole number that the type can hold."""
    bits = int(kind[1:])
    if kind[0] == "i":
        return min(max(round(raw), -(1 << bits - 1)), (1 << bits - 1) - 1)
    return min(max(round(raw), 0), (1 << bits) - 1)


def registers(cells: Iterable[Cell], fixed: Mapping[int, int]) -> dict[int, int]:
    """Registers by address: the fixed ones, and what the cells say now."""
    found = dict(fixed)
    for cell in cells:
        found |= dict(enumerate(cell.words(), cell.address))
    return found


def nested(values: Mapping[str, object]) -> object:
    """A JSON value from paths such as "soil.0.t": keys and list positions joined by dots."""
    if "" in values:
        return values[""]
    parts: dict[str, dict[str, object]] = {}
    for path, value in values.items():
        first, _, rest = path.partition(".")
        parts.setdefault(first, {})[rest] = value
    if all(part.isdecimal() for part in parts):
        last = max(map(int, parts))
        return [nested(parts[str(n)]) if str(n) in parts else None for n in range(last + 1)]
    return {part: nested(rest) for part, rest in parts.items()}
