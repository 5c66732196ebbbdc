"""Conversations with SDI-12 probes, as generators without a wire (specification v1.4, 4.4 and 7).

Retries follow the specification: a command at least three times, then the whole sequence from its
start at least twice more. Nobody else may talk between the start of M and its last data, since
a break aborts it; after C the bus is free until the data are fetched.
"""

from collections.abc import Callable
from functools import partial

from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.sdi12.commands import Measurement, measurement, read_start, spelled
from edaphon_drivers.sdi12.parse import parse_acknowledgement, parse_identity, parse_values
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Pause, Talk, Timing

__all__ = ["acknowledge", "identify", "measure"]

_END = b"\r\n"
_LAST_DATA_COMMAND = 9


_USUAL = Timing()


def acknowledge(address: str, timing: Timing = _USUAL) -> Talk[str]:
    """The address that answers a!; `?` asks the only probe on a line for its address."""

    def accept(answer: bytes) -> None:
        if address not in {"?", parse_acknowledgement(answer)}:
            raise Garbled(f"the address {address}", answer)

    answer = yield from _persist(partial(_ask, address, "", accept, timing), timing)
    return parse_acknowledgement(answer)


def identify(address: str, timing: Timing = _USUAL) -> Talk[bytes]:
    """The line a probe answers to aI!, as it came."""

    def accept(answer: bytes) -> None:
        if parse_identity(answer).address != address:
            raise Garbled("an answer that begins with its address", answer, f"address {address}")

    return (yield from _persist(partial(_ask, address, "I", accept, timing), timing))


def measure(
    address: str,
    sheet: Sheet,
    concurrent: bool = False,
    crc: bool = False,
    timing: Timing = _USUAL,
) -> Talk[None]:
    """All measurements of the sheet, one after the other; the numbers are in the exchange."""
    for command in sheet.commands:
        kind = spelled(command.send, concurrent, crc)
        yield from _persist(partial(_measurement, address, kind, timing), timing)


def _measurement(address: str, kind: str, timing: Timing) -> Talk[bytes]:
    asked = measurement(kind) or Measurement(False, False, "")
    answer = yield from _ask(address, kind, partial(read_start, address, kind), timing)
    start = read_start(address, kind, answer)
    if not start.n:
        raise Refused(f"values for {kind}; choose another command", answer, f"address {address}")
    if start.wait_s:
        yield _until_ready(address, asked.concurrent, start.wait_s * timing.second_s, timing)
    return (yield from _data(address, asked.crc, start.n, timing))


def _until_ready(address: str, concurrent: bool, wait_s: float, timing: Timing) -> Pause:
    if concurrent:
        return Pause(wait_s, hold_bus=False)
    return Pause(wait_s + timing.late_s, hold_bus=True, until=address.encode() + _END)


def _data(address: str, crc: bool, n: int, timing: Timing) -> Talk[bytes]:
    """Asks D0, D1 and so on until n values came; the last line."""

    def accept(answer: bytes) -> tuple[float, ...]:
        return parse_values(address, answer, crc)

    got, line = 0, b""
    for number in range(_LAST_DATA_COMMAND + 1):
        line = yield from _ask(address, f"D{number}", accept, timing, unlike=line)
        values = accept(line)
        if not values:
            raise Garbled(f"{n} values; the measurement was aborted", line, f"address {address}")
        got += len(values)
        if got >= n:
            break
    if got != n:
        raise Garbled(f"{n} values in D0..D9, not {got}", line, f"address {address}")
    return line


def _ask(
    address: str,
    kind: str,
    accept: Callable[[bytes], object],
    timing: Timing,
    unlike: bytes = b"",
) -> Talk[bytes]:
    """Sends until `accept` raises no Garbled; the answer.

    In doubt it listens longer before it judges: after silence, since the late answer and the one
    to the second try may both come; after a bare address, since that may be a service request in
    front of the data; and after the line before once more (`unlike`), which may be a doubled one.
    """
    command = f"{address}{kind}!"
    fault: Fault = NoAnswer(f"an answer to {command}", where=f"address {address}")
    silent = False
    for _ in range(timing.tries):
        came = yield Ask(command.encode(), _END, timing.answer_s)
        alone = came == address.encode() + _END and kind != ""
        if alone or silent or came == unlike or not _accepted(came, accept):
            wait_s = timing.answer_s if came else timing.gap_s
            came += yield Pause(wait_s, hold_bus=True, until=_END)
        silent = not came
        try:
            accept(came)
            return came
        except Garbled as garbled:
            fault = garbled if came else fault
    raise fault


def _accepted(answer: bytes, accept: Callable[[bytes], object]) -> bool:
    try:
        accept(answer)
    except Garbled:
        return False
    return True


def _persist(sequence: Callable[[], Talk[bytes]], timing: Timing) -> Talk[bytes]:
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
