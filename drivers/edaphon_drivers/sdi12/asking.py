"""One SDI-12 command with its retries, and the retries of a whole sequence (specification 7.2).

A command is asked at least three times, then the sequence from its start at least twice more.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from edaphon_drivers.faults import Fault, Garbled, NoAnswer
from edaphon_drivers.talk import Ask, Pause, Talk, Timing, Until, is_ended

END = b"\r\n"
USUAL = Timing()

Result = TypeVar("Result")


def ask(
    address: str,
    kind: str,
    accept: Callable[[bytes], object],
    timing: Timing,
    unlike: bytes = b"",
    until: Until = END,
) -> Talk[bytes]:
    """Sends until `accept` raises no Garbled; the answer.

    In doubt it listens longer before it judges: after silence, since the late answer and the one
    to the second try may both come; after a bare address, since that may be a service request in
    front of the data; and after the line before once more (`unlike`), which may be a doubled one:
    that counts only when it comes again to a second question, since the right one may be lost.
    """
    command = f"{address}{kind}!"
    fault: Fault = NoAnswer(f"an answer to {command}", where=f"address {address}")
    silent = False
    tries = timing.tries
    while tries:
        tries -= 1
        came = yield Ask(command.encode(), until, timing.answer_s)
        came = yield from _rest(came, until, timing)
        alone = came == address.encode() + END and kind != ""
        if alone or silent or came == unlike or not _accepted(came, accept):
            wait_s = timing.answer_s if came else timing.gap_s
            came += yield Pause(wait_s, hold_bus=True, until=until)
        silent = not came
        if unlike and came == unlike:
            unlike, tries = b"", tries + 1
            continue
        try:
            accept(came)
            return came
        except Garbled as garbled:
            fault = garbled if came else fault
    raise fault


def persist(sequence: Callable[[], Talk[Result]], timing: Timing) -> Talk[Result]:
    """Runs the whole sequence again after a failure; bytes that came outrank silence."""
    worst: Fault = NoAnswer("a sequence to be tried")
    for again in range(timing.sequences):
        if again:
            yield Pause(timing.gap_s, hold_bus=False)
        try:
            return (yield from sequence())
        except (NoAnswer, Garbled) as fault:
            if isinstance(fault, Garbled) or not isinstance(worst, Garbled):
                worst = fault
    raise worst


def _rest(came: bytes, until: Until, timing: Timing) -> Talk[bytes]:
    """Packets and texts of several lines take longer than one answer: as long as bytes come."""
    while came and callable(until) and not is_ended(came, until):
        goes_on = partial(_is_ended_with, came, until)
        more = yield Pause(timing.answer_s, hold_bus=True, until=goes_on)
        if not more:
            break
        came += more
    return came


def _is_ended_with(came: bytes, until: Until, more: bytes) -> bool:
    return is_ended(came + more, until)


def _accepted(answer: bytes, accept: Callable[[bytes], object]) -> bool:
    try:
        accept(answer)
    except Garbled:
        return False
    return True
