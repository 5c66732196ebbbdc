"""Asking an I2C sensor: command, wait, words; and its measurement out of the exchange.

Bytes sent are `address, count, command..`: the command is written to that address, then `count`
bytes are read from it (see links/i2c.py).
"""

import re
from collections.abc import Iterable, Iterator

from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.i2c.frame import Step, frame_step, frame_troubles, who_steps
from edaphon_drivers.i2c.words import read_words
from edaphon_drivers.identity import Identity
from edaphon_drivers.payloads import Turn
from edaphon_drivers.readings import Reading
from edaphon_drivers.reported import reported
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Asking, Pause, Talk

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


def address_trouble(address: str) -> str:
    if _ADDRESS.fullmatch(address) and 8 <= int(address, 0 if "x" in address else 10) <= 0x77:
        return ""
    return "expected a 7-bit address from 0x08 to 0x77, such as 0x62 or 98"


def sheet_troubles(sheet: Sheet) -> Iterator[str]:
    yield from frame_troubles(sheet)


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
    if trouble := address_trouble(address):
        raise Refused(trouble, address)
    return int(address, 0 if "x" in address else 10)
