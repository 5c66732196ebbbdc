"""A protocol that is asked: `R` and a line end, answered by `T=12.34` and a line end."""

import re
from collections.abc import Iterable, Iterator

from edaphon_drivers.faults import Garbled, NoAnswer
from edaphon_drivers.readings import Identity, Reading, Turn, reported
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Asking, Pause, Talk

BUS_KINDS = ("serial", "example-line")  # the kinds of [bus.NAME] on which it is spoken
_QUESTION, _END = b"R\r\n", b"\r\n"
_ANSWER = re.compile(rb"T=(-?\d{1,4}\.\d{1,4})\r\n")


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """Asks until an answer is whole; the numbers are read from the record later."""
    for again in range(asking.timing.tries):
        if again:
            yield Pause(asking.timing.gap_s, hold_bus=True)
        came = yield Ask(_QUESTION, _END, asking.timing.answer_s)
        if _ANSWER.fullmatch(came):
            return
    raise Garbled("an answer such as T=12.34", came) if came else NoAnswer("an answer to R")


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """None: this instrument can't say who it is."""
    return None


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """The last whole answer; raises Garbled where there is none."""
    came = b"".join(turn.data for turn in turns if not turn.sent)
    answers = _ANSWER.findall(came)
    if not answers:
        raise Garbled("an answer such as T=12.34", came)
    return (reported(sheet.outputs["temperature"], float(answers[-1])),)


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    return None


def address_error(address: str) -> str:
    return "" if address == "0" else '"0": one instrument on a line'


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    if set(sheet.outputs) != {"temperature"}:
        yield "expected the one output temperature"
