"""How SDI-12 commands are spelled, and what a spelled one asks for."""

import re
from typing import NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.sdi12.parse import Start, parse_start

__all__ = ["Measurement", "Sent", "measurement", "read_start", "sent_command", "spelled"]

_SENT = re.compile(rb"([0-9A-Za-z?])([ -~]*)!")
_MEASUREMENT = re.compile(r"([MC])(C?)([1-9]?)")


class Sent(NamedTuple):
    """A command as it went out: aMC1! is address "a" and kind "MC1"."""

    address: str
    kind: str


class Measurement(NamedTuple):
    """What a start command asks for; `number` is "" for M and C, "1" for M1 and C1."""

    concurrent: bool
    crc: bool
    number: str


def sent_command(data: bytes) -> Sent | None:
    """None for bytes that are no SDI-12 command."""
    found = _SENT.fullmatch(data)
    return Sent(found[1].decode(), found[2].decode()) if found else None


def measurement(kind: str) -> Measurement | None:
    """None for a command that starts no measurement."""
    found = _MEASUREMENT.fullmatch(kind)
    return Measurement(found[1] == "C", bool(found[2]), found[3]) if found else None


def spelled(send: str, concurrent: bool, crc: bool) -> str:
    """The sheet's command `send` ("M1") as it is sent now ("M1", "MC1", "C1" or "CC1")."""
    asked = measurement(send)
    if asked is None:
        raise ValueError(f"expected a measurement command M, M1..M9, C or C1..C9, got {send!r}")
    letter = "C" if concurrent or asked.concurrent else "M"
    return f"{letter}{'C' if crc or asked.crc else ''}{asked.number}"


def read_start(address: str, kind: str, answer: bytes) -> Start:
    """Like parse_start, and the answer must come from `address`."""
    start = parse_start(kind, answer)
    if start.address != address:
        raise Garbled("an answer that begins with its address", answer, f"address {address}")
    return start
