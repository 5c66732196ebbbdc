"""I2C sensors whose answers are 16-bit words with a CRC-8 (Sensirion): command, wait, words.

Bytes sent are `address, count, command..`: the command is written to that address, then `count`
bytes are read from it (see links/i2c.py). The table of a sensor in its sheet:

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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edaphon_drivers.checksums import crc8_sensirion
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.payloads import Turn
from edaphon_drivers.readings import Identity, Reading, reported
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Asking, Pause, Talk


def read_words(data: bytes, count: int) -> tuple[int, ...]:
    """Exactly `count` words; raises Garbled for another length or a CRC that fails."""
    if len(data) != count * 3 or not data:
        raise Garbled(f"{count} words with their CRC", data)
    triples = [data[at : at + 3] for at in range(0, len(data), 3)]
    if any(crc8_sensirion(triple[:2]) != triple[2] for triple in triples):
        raise Garbled("words that pass their CRC", data)
    return tuple(int.from_bytes(triple[:2], "big") for triple in triples)


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


def sheet_errors(sheet: Sheet) -> Iterator[str]:
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


_ADDRESS = re.compile(r"0x[0-9a-fA-F]{2}|\d{1,3}", re.ASCII)
# The first measurement after a start is a little late on some sensors.
_LATE_S = 0.5


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """Reads the measurement that waits, or starts one and waits for it; raises Fault."""
    at, read = _number(address), _read_step(sheet)
    fault: Fault = NoAnswer("a measurement", where=address)
    for _ in range(asking.timing.tries):
        if not (yield from _is_ready(at, sheet, asking)):
            continue
        came = yield from _ask(at, read, asking)
        try:
            read_words(came, len(read.words))
        except Garbled as garbled:
            fault = garbled if came else fault
        else:
            return
    raise fault


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """Serial number and settings; a sensor that measures by itself pauses for them."""
    return _who(_number(address), sheet, asking) if who_steps(sheet) else None


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """The last good measurement; raises NoAnswer or Garbled."""
    read = _read_step(sheet)
    words: tuple[int, ...] = ()
    fault: Fault = NoAnswer("a measurement")
    for command, data in _answers(turns):
        if command != read.command:
            continue
        try:
            words = read_words(data, len(read.words))
        except Garbled as garbled:
            fault = garbled
    if not words:
        raise fault
    used = [pair for pair in zip(read.words, words, strict=True) if pair[0].output != "-"]
    return tuple(reported(sheet.outputs[w.output], w.number(word)) for w, word in used)


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """None where the exchange says nothing of who answered."""
    said: dict[str, str] = {}
    steps = {step.command: step for step in who_steps(sheet)}
    for command, data in _answers(turns):
        step = steps.get(command)
        try:
            words = read_words(data, len(step.words)) if step else ()
        except Garbled:
            continue
        if step and words:
            said[step.name] = _said(step, words)
    if not said:
        return None
    serial = said.pop("serial", "")
    vendor, _, model = sheet.title.partition(":")[0].partition(" ")
    return Identity(vendor, model, serial=serial, settings=said)


def address_error(address: str) -> str:
    if _ADDRESS.fullmatch(address) and 8 <= int(address, 0 if "x" in address else 10) <= 0x77:
        return ""
    return "expected a 7-bit address from 0x08 to 0x77, such as 0x62 or 98"


def _is_ready(at: int, sheet: Sheet, asking: Asking) -> Talk[bool]:
    """Whether a measurement waits; one that measures by itself is started where none does."""
    ready, start = frame_step(sheet, "ready"), frame_step(sheet, "start")
    if ready is None or (yield from _waits(at, ready, asking)):
        return True
    if start is not None:
        yield Ask(bytes((at, 0)) + start.command, b"", 0.0)
        yield Pause(start.wait_s + _LATE_S, hold_bus=False)
    return (yield from _waits(at, ready, asking))


def _waits(at: int, ready: Step, asking: Asking) -> Talk[bool]:
    came = yield from _ask(at, ready, asking)
    try:
        return bool(read_words(came, len(ready.words))[0] & ready.mask)
    except Garbled:
        return False


def _who(at: int, sheet: Sheet, asking: Asking) -> Talk[None]:
    stop, start = frame_step(sheet, "stop"), frame_step(sheet, "start")
    if stop is not None:
        yield Ask(bytes((at, 0)) + stop.command, b"", stop.wait_s)
    for step in who_steps(sheet):
        yield from _ask(at, step, asking)
    if start is not None:
        yield Ask(bytes((at, 0)) + start.command, b"", 0.0)


def _ask(at: int, step: Step, asking: Asking) -> Talk[bytes]:
    """Command, its time, then its words."""
    count = 3 * len(step.words)
    yield Ask(bytes((at, 0)) + step.command, b"", step.wait_s)
    return (yield Ask(bytes((at, count)), lambda came: len(came) >= count, asking.timing.answer_s))


def _answers(turns: Iterable[Turn]) -> Iterator[tuple[bytes, bytes]]:
    """(command, what answered it) through an exchange."""
    command = b""
    for turn in turns:
        if not turn.sent:
            yield command, turn.data
        elif len(turn.data) > 2:
            command = turn.data[2:]


def _said(step: Step, words: tuple[int, ...]) -> str:
    if step.name == "serial":
        return "".join(f"{word:04x}" for word in words)
    numbers = [w.number(word) for w, word in zip(step.words, words, strict=True)]
    return " ".join(f"{number:g}" for number in numbers)


def _read_step(sheet: Sheet) -> Step:
    step = frame_step(sheet, "read")
    if step is None:
        raise Refused("a sheet with frame.read", sheet.model)
    return step


def _number(address: str) -> int:
    if trouble := address_error(address):
        raise Refused(trouble, address)
    return int(address, 0 if "x" in address else 10)
