"""Talks with SDI-12 probes, as generators without a wire: measuring, who is there, a new address.

Specification v1.4: 4.4 and 5 (measurements), 7.2 (retries), 4.4.1 to 4.4.4, 4.4.11, 4.4.13
(extended commands) and 6 (metadata). Nobody else may talk between the start of M and its last data,
since a break aborts it; after C, HA and HB the bus is free until the data are fetched, and R is
answered at once. A command is asked at least three times, then the whole sequence from its start at
least twice more.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.sdi12.parse import (
    Measurement,
    Start,
    is_packet,
    measurement,
    parse_acknowledgement,
    parse_identity,
    parse_lines,
    parse_metadata,
    parse_packet,
    parse_values,
    read_start,
    spelled,
    table_of,
)
from edaphon_drivers.sheets import Sheet
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


def measure(
    address: str, sheet: Sheet, concurrent: bool = False, crc: bool = False, timing: Timing = USUAL
) -> Talk[None]:
    """All measurements of the sheet, one after the other; the numbers are in the exchange.

    What the sheet's frame says its probe can't do (`concurrent`, `crc`) is not asked for.
    """
    concurrent = concurrent and table_of(sheet).concurrent
    crc = crc and table_of(sheet).crc
    fewer = False
    for command in sheet.commands:
        kind = spelled(command.send, concurrent, crc)
        yield from persist(partial(_measurement, address, kind, timing, fewer), timing)
        fewer = table_of(sheet).fewer


def parser_of(address: str, asked: Measurement) -> Callable[[bytes], tuple[float, ...]]:
    """What reads one answer with data of that measurement; raises Garbled."""
    if asked.letters == "HB":
        return partial(parse_packet, address)
    return lambda answer: parse_values(address, answer, asked.crc)


def wait_for_start(address: str, kind: str, concurrent: bool, timing: Timing) -> Talk[Start]:
    """Starts a measurement and waits until its data are ready; `n` of the answer may be 0."""
    answer = yield from ask(address, kind, partial(read_start, address, kind), timing)
    start = read_start(address, kind, answer)
    if start.n and start.wait_s:
        yield _until_ready(address, concurrent, start.wait_s * timing.second_s, timing)
    return start


def _measurement(address: str, kind: str, timing: Timing, may_be_none: bool) -> Talk[None]:
    """`may_be_none`: a smaller probe has no values behind a later command of the sheet."""
    asked = measurement(kind)
    if asked is None or asked.letters == "R":
        yield from _at_once(address, kind, bool(asked and asked.crc), timing)
        return
    start = yield from wait_for_start(address, kind, asked.concurrent, timing)
    if start.n:
        yield from _data(address, asked, start.n, timing)
    elif not may_be_none:
        raise Refused(f"values for {kind}; choose another command", where=f"address {address}")


def _at_once(address: str, kind: str, crc: bool, timing: Timing) -> Talk[None]:
    """R0..R9: the values are the answer itself (4.4.9)."""

    def accept(answer: bytes) -> tuple[float, ...]:
        return parse_values(address, answer, crc)

    answer = yield from ask(address, kind, accept, timing)
    if not accept(answer):
        raise Refused(f"values for {kind}; choose another command", answer, f"address {address}")


def _until_ready(address: str, concurrent: bool, wait_s: float, timing: Timing) -> Pause:
    if concurrent:
        return Pause(wait_s, hold_bus=False)
    return Pause(wait_s + timing.late_s, hold_bus=True, until=address.encode() + END)


def _data(address: str, asked: Measurement, n: int, timing: Timing) -> Talk[None]:
    """Asks D0, D1 and so on until n values came."""
    accept = parser_of(address, asked)
    until = is_packet if asked.data == "DB" else END
    got, line = 0, b""
    for number in range(asked.last_data + 1):
        kind = f"{asked.data}{number}"
        line = yield from ask(address, kind, accept, timing, unlike=line, until=until)
        values = accept(line)
        if not values:
            raise Garbled(f"{n} values; the measurement was aborted", line, f"address {address}")
        got += len(values)
        if got >= n:
            break
    if got != n:
        last = f"{asked.data}{asked.last_data}"
        raise Garbled(f"{n} values in {asked.data}0..{last}, not {got}", line, f"address {address}")


_STX, _ETX = b"\x02", b"\x03"
_SETTLE_S = 1.0  # 4.4.4: leave a probe alone for a second after its address has changed


class Described(NamedTuple):
    """One value of a measurement, as the probe calls it; `more` are the maker's own fields."""

    name: str
    unit: str
    more: tuple[str, ...] = ()


def acknowledge(address: str, timing: Timing = USUAL) -> Talk[str]:
    """The address that answers a!; `?` asks the only probe on a line for its address."""

    def accept(answer: bytes) -> None:
        if address not in {"?", parse_acknowledgement(answer)}:
            raise Garbled(f"the address {address}", answer)

    answer = yield from persist(partial(ask, address, "", accept, timing), timing)
    return parse_acknowledgement(answer)


def identify(
    address: str, timing: Timing = USUAL, settings: Mapping[str, str] | None = None
) -> Talk[bytes]:
    """The line a probe answers to aI!, as it came.

    `settings` are extended commands that tell one each; a probe that doesn't know one is silent.
    """

    def accept(answer: bytes) -> None:
        if parse_identity(answer).address != address:
            raise Garbled("an answer that begins with its address", answer, f"address {address}")

    line = yield from persist(partial(ask, address, "I", accept, timing), timing)
    for command in (settings or {}).values():
        with suppress(NoAnswer, Garbled):
            yield from extended(address, command, replace(timing, sequences=1))
    return line


def change_address(old: str, new: str, timing: Timing = USUAL) -> Talk[None]:
    """Gives the probe at `old` the address `new`; Refused when that one is taken or none.

    An answer that gets lost leaves the probe at the new address all the same, so the new one is
    asked in any case.
    """
    if not re.fullmatch("[0-9A-Za-z]", new) or old == new:
        raise Refused("another address, one of 0-9, A-Z and a-z", new, f"address {old}")
    yield from acknowledge(old, timing)
    if (yield from _somebody(new, replace(timing, sequences=1))):
        raise Refused(f"nobody at address {new}; choose a free one", where=f"address {new}")
    accept = partial(_expect_address, new)
    with suppress(NoAnswer, Garbled):
        yield from ask(old, f"A{new}", accept, replace(timing, tries=1))
    yield Pause(_SETTLE_S * timing.second_s, hold_bus=True)
    if not (yield from _somebody(new, timing)):
        raise NoAnswer(f"the probe at its new address {new}; look for it at {old}")


def verify(address: str, timing: Timing = USUAL) -> Talk[tuple[str, ...]]:
    """What the self-test aV! gives, one text for each data command; () when there is none."""
    return (yield from persist(partial(_verification, address, timing), timing))


def extended(address: str, command: str, timing: Timing = USUAL) -> Talk[tuple[str, ...]]:
    """The lines that a maker's own command gives, such as "XHELP", without address and STX."""
    accept = partial(parse_lines, address)
    sequence = partial(ask, address, command, accept, timing, until=is_text)
    return accept((yield from persist(sequence, timing)))


def describe(address: str, command: str, timing: Timing = USUAL) -> Talk[tuple[Described, ...]]:
    """What the probe calls the values of a measurement command, such as "M1"; it measures nothing.

    Probes older than version 1.4 don't answer: NoAnswer.
    """
    asked = measurement(command)
    if asked is None:
        raise Refused("a measurement command M, M1..M9, C, R0, HA or HB", command)
    crc = asked.crc or asked.letters in {"HA", "HB"}
    most = 99 if asked.letters == "R" else (yield from _values_announced(address, command, timing))
    described: list[Described] = []
    for number in range(1, most + 1):
        kind = f"I{command}_{number:03d}"
        accept = partial(parse_metadata, address, crc=crc)
        fields = accept((yield from persist(partial(ask, address, kind, accept, timing), timing)))
        if len(fields) < 2:
            break
        described.append(Described(fields[0].strip(), fields[1].strip(), fields[2:]))
    return tuple(described)


def is_text(data: bytes) -> bool:
    """Whether the answer to an extended command is whole: one line, or STX to ETX (4.4.13.1)."""
    if data[1:2] == _STX:
        return data.endswith(END + _ETX)
    return data.endswith(END)


def _values_announced(address: str, command: str, timing: Timing) -> Talk[int]:
    kind = f"I{command}"
    accept = partial(read_start, address, kind)
    answer = yield from persist(partial(ask, address, kind, accept, timing), timing)
    return accept(answer).n


def _expect_address(new: str, answer: bytes) -> None:
    if parse_acknowledgement(answer) != new:
        raise Garbled(f"the new address {new}", answer)


def _somebody(address: str, timing: Timing) -> Talk[bool]:
    """Whether anything at all comes back from that address."""
    try:
        yield from acknowledge(address, timing)
    except NoAnswer:
        return False
    except Garbled:
        return True
    return True


def _verification(address: str, timing: Timing) -> Talk[tuple[str, ...]]:
    start = yield from wait_for_start(address, "V", False, timing)
    texts: list[str] = []
    got = 0
    while got < start.n and len(texts) <= 9:
        accept = partial(parse_lines, address)
        texts += accept((yield from ask(address, f"D{len(texts)}", accept, timing)))[:1]
        got += _count(address, texts[-1], start.n)
    return tuple(texts)


def _count(address: str, text: str, n: int) -> int:
    """How many values that is; a maker's own words are all of them."""
    try:
        return len(parse_values(address, f"{address}{text}".encode() + END, False)) or n
    except Garbled:
        return n
