"""The table of an I2C sensor in its sheet: commands, waits and what the words mean.

    [frame.read]                    what gives the measurement
    command = "ec05"                hexadecimal
    wait_ms = 1                     from command to answer
    word = [{ output = "air_temperature", scale = 175, over = 65535, offset = -45 }, ..]
    [frame.ready]                   a word whose bits under `mask` say that one waits
    [frame.start]                   makes it measure by itself; `wait_ms` to the first measurement
    [frame.stop]                    must go before the questions of `who`
    [[frame.who]]                   `name` "serial" or a setting, and how many `words` it has

A number is offset + scale * word / over. An output "-" is a word that is read and not used.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edaphon_drivers.sheets import Sheet

_HEX = re.compile(r"(?:[0-9a-f]{2}){1,4}")


@dataclass(frozen=True, slots=True)
class Word:
    """What one word of an answer means: offset + scale * word / over."""

    output: str = "-"
    scale: float = 1
    over: float = 1
    offset: float = 0

    def number(self, word: int) -> float:
        return self.offset + self.scale * word / self.over


@dataclass(frozen=True, slots=True)
class Step:
    """One command and what answers it."""

    command: bytes
    wait_s: float = 0.0
    words: tuple[Word, ...] = ()
    mask: int = 0xFFFF
    name: str = ""


def frame_step(sheet: Sheet, name: str) -> Step | None:
    """The step of that name; None where the sensor needs none."""
    table = sheet.frame.get(name)
    return _step(table) if table else None


def who_steps(sheet: Sheet) -> tuple[Step, ...]:
    return tuple(map(_step, sheet.frame.get("who", ())))


def _step(table: Mapping[str, Any]) -> Step:
    words = tuple(Word(**word) for word in table.get("word", ()))
    return Step(
        bytes.fromhex(table["command"]),
        table.get("wait_ms", 0) / 1000,
        words or tuple(Word() for _ in range(table.get("words", 0))),
        table.get("mask", 0xFFFF),
        table.get("name", ""),
    )


def frame_troubles(sheet: Sheet) -> Iterator[str]:
    """What is wrong in the table, in words."""
    if not isinstance(sheet.frame.get("read"), Mapping):
        yield "frame.read is missing: the command and the words of the measurement"
        return
    for key in ("read", "ready", "start", "stop"):
        yield from _step_troubles(f"frame.{key}", sheet.frame.get(key))
    who = sheet.frame.get("who", [])
    for table in who if isinstance(who, list) else ["?"]:
        yield from _step_troubles("frame.who", table)
    yield from _word_troubles(sheet)


def _step_troubles(where: str, table: object) -> Iterator[str]:
    if table is None:
        return
    if not isinstance(table, Mapping):
        yield f"{where} is a table with a command, not {table!r}"
        return
    command, wait = table.get("command"), table.get("wait_ms", 0)
    if not isinstance(command, str) or not _HEX.fullmatch(command):
        yield f'{where}.command is lower-case hexadecimal such as "ec05", not {command!r}'
    if not isinstance(wait, int | float) or not 0 <= wait <= 60_000:
        yield f"{where}.wait_ms is 0 to 60000 ms, not {wait!r}"
    words = table.get("words", 0)
    if not isinstance(words, int) or not 0 <= words <= 32:
        yield f"{where}.words is 0 to 32, not {words!r}"


def _word_troubles(sheet: Sheet) -> Iterator[str]:
    words = sheet.frame["read"].get("word")
    if not isinstance(words, list) or not words or not all(map(_is_word, words)):
        yield "frame.read.word is a list of { output, scale, over, offset }, over not 0"
        return
    named = {word.get("output", "-") for word in words} - {"-"}
    if named != sheet.outputs.keys():
        odd = ", ".join(sorted(map(str, named ^ sheet.outputs.keys())))
        yield f"frame.read.word and the outputs name the same; they differ in {odd}"


def _is_word(word: object) -> bool:
    if not isinstance(word, Mapping) or not word.keys() <= {"output", "scale", "over", "offset"}:
        return False
    numbers = [word.get(key, 1) for key in ("scale", "over", "offset")]
    sound = all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
    return sound and numbers[1] != 0 and isinstance(word.get("output", "-"), str)
