"""Talks beside measuring: who is there, a new address, self-test, what the values are called.

Specification v1.4: 4.4.1 to 4.4.4, 4.4.11, 4.4.13 (extended commands) and 6 (metadata).
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from edaphon_drivers.faults import Garbled, NoAnswer, Refused
from edaphon_drivers.sdi12.parse import (
    measurement,
    parse_acknowledgement,
    parse_identity,
    parse_lines,
    parse_metadata,
    parse_values,
    read_start,
)
from edaphon_drivers.sdi12.talk import END, USUAL, ask, persist, wait_for_start
from edaphon_drivers.talk import Pause, Talk, Timing

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
    said = partial(_expect_address, new)
    with suppress(NoAnswer, Garbled):
        yield from ask(old, f"A{new}", said, replace(timing, tries=1))
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
    most = 99 if asked.letters == "R" else (yield from _announced(address, command, timing))
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


def _announced(address: str, command: str, timing: Timing) -> Talk[int]:
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
