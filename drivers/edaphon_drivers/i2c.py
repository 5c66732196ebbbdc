"""I2C sensors whose answers are 16-bit words with a CRC-8 (Sensirion): command, wait, words.

Bytes sent are `address, count, command..`: the command is written to that address, then `count`
bytes are read from it (see links/i2c.py). A number is offset + scale * word / over. An output "-"
is a word that is read and not used. The keys of [frame]: docs/adding.md.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Annotated, Any

from pydantic import PlainValidator

from edaphon_drivers.checksums import crc8_sensirion
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.readings import Identity, Reading, Turn, reported
from edaphon_drivers.sheets import (
    ListOf,
    Number,
    Sheet,
    Table,
    frame_reader,
    takes,
    that,
    written,
)
from edaphon_drivers.talk import Ask, Asking, Pause, Talk

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{2}|\d{1,3}", re.ASCII)
# The first measurement after a start is a little late on some sensors.
_LATE_S = 0.5


def read_words(data: bytes, count: int) -> tuple[int, ...]:
    """Exactly `count` words; raises Garbled for another length or a CRC that fails."""
    if len(data) != count * 3 or not data:
        raise Garbled(f"{count} words with their CRC", data)
    triples = [data[at : at + 3] for at in range(0, len(data), 3)]
    if any(crc8_sensirion(triple[:2]) != triple[2] for triple in triples):
        raise Garbled("words that pass their CRC", data)
    return tuple(int.from_bytes(triple[:2], "big") for triple in triples)


class Word(Table):
    """What one word of an answer means: offset + scale * word / over."""

    output: str = takes('the name of an output, or "-"', "-")
    scale: Number = takes("a number", 1)
    over: Annotated[Number, that(bool)] = takes("a number other than 0", 1)
    offset: Number = takes("a number", 0)

    def number(self, word: int) -> float:
        return self.offset + self.scale * word / self.over


def _hexadecimal(text: Any) -> bytes:
    if not isinstance(text, str) or not re.fullmatch("(?:[0-9a-f]{2}){1,4}", text):
        raise ValueError(f'is lower-case hexadecimal such as "ec05", not {written(text)}')
    return bytes.fromhex(text)


class Step(Table):
    """A command of the sensor, and what answers it."""

    command: Annotated[bytes, PlainValidator(_hexadecimal)] = takes("hexadecimal")
    wait_ms: Number = takes("0 to 60000 ms", 0, ge=0, le=60_000)
    word: ListOf[Word] = takes("a list of { output, scale, over, offset }", ())
    count: int = takes("0 to 32", 0, alias="words", ge=0, le=32)
    mask: int = takes("a whole number", 0xFFFF)
    name: str = takes('"serial" or the name of a setting', "")

    @cached_property
    def words(self) -> tuple[Word, ...]:
        return self.word or (Word.model_construct(),) * self.count

    @property
    def wait_s(self) -> float:
        return self.wait_ms / 1000


class Steps(Table):
    """[frame] of an I2C sheet: what a sensor is sent; None for a step that it does not need."""

    read: Step = takes("a table: the command and the words of the measurement")
    ready: Step | None = takes("a table with a command", None)
    start: Step | None = takes("a table with a command", None)
    stop: Step | None = takes("a table with a command", None)
    who: ListOf[Step] = takes("a list of tables with a command", ())


def _further_errors(table: Steps, sheet: Sheet) -> Iterator[str]:
    if not table.read.word:
        yield "frame.read.word is a list of { output, scale, over, offset }"
        return
    named = {word.output for word in table.read.word} - {"-"}
    if named != sheet.outputs.keys():
        odd = ", ".join(sorted(named ^ sheet.outputs.keys()))
        yield f"frame.read.word and the outputs name the same; they differ in {odd}"


steps_of, sheet_errors = frame_reader(Steps, _further_errors)


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """Reads the measurement that waits, or starts one and waits for it; raises Fault."""
    at, steps = _number(address), steps_of(sheet)
    fault: Fault = NoAnswer("a measurement", where=address)
    for _ in range(asking.timing.tries):
        if not (yield from _is_ready(at, steps, asking)):
            continue
        came = yield from _ask(at, steps.read, asking)
        try:
            read_words(came, len(steps.read.words))
        except Garbled as garbled:
            fault = garbled if came else fault
        else:
            return
    raise fault


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """Serial number and settings; a sensor that measures by itself pauses for them."""
    steps = steps_of(sheet)
    return _who(_number(address), steps, asking) if steps.who else None


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """The last good measurement; raises NoAnswer or Garbled."""
    read = steps_of(sheet).read
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
    """None where the exchange does not show who answered."""
    texts: dict[str, str] = {}
    steps = {step.command: step for step in steps_of(sheet).who}
    for command, data in _answers(turns):
        step = steps.get(command)
        try:
            words = read_words(data, len(step.words)) if step else ()
        except Garbled:
            continue
        if step and words:
            texts[step.name] = _text(step, words)
    if not texts:
        return None
    serial = texts.pop("serial", "")
    vendor, _, model = sheet.title.partition(":")[0].partition(" ")
    return Identity(vendor, model, serial=serial, settings=texts)


def address_error(address: str) -> str:
    if _ADDRESS.fullmatch(address) and 8 <= int(address, 0 if "x" in address else 10) <= 0x77:
        return ""
    return "expected a 7-bit address from 0x08 to 0x77, such as 0x62 or 98"


def _is_ready(at: int, steps: Steps, asking: Asking) -> Talk[bool]:
    """Whether a measurement waits; one that measures by itself is started where none does."""
    if steps.ready is None or (yield from _waits(at, steps.ready, asking)):
        return True
    if steps.start is not None:
        yield Ask(bytes((at, 0)) + steps.start.command, b"", 0.0)
        yield Pause(steps.start.wait_s + _LATE_S, hold_bus=False)
    return (yield from _waits(at, steps.ready, asking))


def _waits(at: int, ready: Step, asking: Asking) -> Talk[bool]:
    came = yield from _ask(at, ready, asking)
    try:
        return bool(read_words(came, len(ready.words))[0] & ready.mask)
    except Garbled:
        return False


def _who(at: int, steps: Steps, asking: Asking) -> Talk[None]:
    if steps.stop is not None:
        yield Ask(bytes((at, 0)) + steps.stop.command, b"", steps.stop.wait_s)
    for step in steps.who:
        yield from _ask(at, step, asking)
    if steps.start is not None:
        yield Ask(bytes((at, 0)) + steps.start.command, b"", 0.0)


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


def _text(step: Step, words: tuple[int, ...]) -> str:
    if step.name == "serial":
        return "".join(f"{word:04x}" for word in words)
    numbers = [w.number(word) for w, word in zip(step.words, words, strict=True)]
    return " ".join(f"{number:g}" for number in numbers)


def _number(address: str) -> int:
    if error := address_error(address):
        raise Refused(error, address)
    return int(address, 0 if "x" in address else 10)
