"""A recorded conversation with an instrument as text: `edaphon record` writes it, tests play it."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Reading, Status, Turn
from edaphon_drivers.talk import Ask, Pause, Talk

_ESCAPE = re.compile(r"\\(r|n|t|\\|x[0-9A-Fa-f]{2})")


_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


class Deviation(Exception):
    """The talk did not say what the transcript says, or the transcript is malformed."""


class Expected(NamedTuple):
    """What a transcript says of one reading; `number` is None exactly when status is not OK."""

    quantity: str
    number: float | None
    unit: str
    status: Status = Status.OK

    @classmethod
    def of(cls, reading: Reading) -> "Expected":
        return cls(reading.quantity, reading.number, reading.unit, reading.status)


@dataclass(frozen=True, slots=True)
class Transcript:
    """One conversation; `fault` is the cause of the expected fault, "" for none."""

    turns: tuple[Turn, ...]
    expected: tuple[Expected, ...] = ()
    fault: str = ""
    notes: tuple[str, ...] = ()


class Played(NamedTuple):
    """What came of playing a talk: the exchange, what it returned, the fault that ended it."""

    turns: tuple[Turn, ...]
    result: object
    fault: Fault | None


def read_transcript(text: str) -> Transcript:
    """Raises Deviation, naming the line, for a line that is not of the format."""
    turns: list[Turn] = []
    expected: list[Expected] = []
    notes: list[str] = []
    fault = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark, rest = line[:1], line[1:].removeprefix(" ")
        if mark in {">", "<"}:
            turns.append(Turn(number, mark == ">", _unescaped(rest)))
        elif mark == "=":
            expected.append(_expected(number, rest))
        elif mark == "!":
            fault = rest.strip()
        elif mark == "#":
            notes.append(rest)
        elif line.strip():
            raise Deviation(f"line {number}: expected one of > < = ! # first, got {line!r}")
    return Transcript(tuple(turns), tuple(expected), fault, tuple(notes))


def play(talk: Talk[object], transcript: Transcript) -> Played:
    """Hands the talk what was received; raises Deviation where it sends something else."""
    left = deque(transcript.turns)
    turns: list[Turn] = []
    result: object = None
    fault: Fault | None = None
    try:
        step = next(talk)
        while True:
            step = talk.send(_answered(step, left, turns))
    except StopIteration as end:
        result = end.value
    except Fault as end_fault:
        fault = end_fault
    if left:
        raise Deviation(f"line {left[0].ms}: the talk ended ({fault}) before {_shown(left)}")
    return Played(tuple(turns), result, fault)


def _answered(step: Ask | Pause, left: deque[Turn], turns: list[Turn]) -> bytes:
    if isinstance(step, Ask):
        if not left or left[0] != (left[0].ms, True, step.send):
            raise Deviation(f"expected {_shown(left)}, the talk sent {step.send!r}")
        turns.append(left.popleft())
    if not left or left[0].sent:
        return b""
    received = left.popleft()
    if received.data:
        turns.append(received)
    return received.data


def _shown(left: Iterable[Turn]) -> str:
    turn = next(iter(left), None)
    if turn is None:
        return "the end"
    return f"line {turn.ms}: {'>' if turn.sent else '<'} {turn.data!r}"


def _unescaped(text: str) -> bytes:
    def plain(found: re.Match[str]) -> str:
        code = found[1]
        return _PLAIN.get(code) or chr(int(code[1:], 16))

    return _ESCAPE.sub(plain, text).encode("latin-1")


def _expected(line: int, text: str) -> Expected:
    try:
        quantity, number, unit, *status = text.split(maxsplit=3)
        found = Status(*status) if status else Status.OK
        return Expected(quantity, None if number == "-" else float(number), unit, found)
    except ValueError as error:
        raise Deviation(f"line {line}: expected quantity number unit [status], {error}") from None
