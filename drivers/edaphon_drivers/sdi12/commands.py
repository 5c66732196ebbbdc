"""How SDI-12 commands are spelled, and what a spelled one asks for."""

import re
from typing import NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.sdi12.parse import Start, parse_start

_SENT = re.compile(rb"([0-9A-Za-z?])([ -~]*)!")
_MEASUREMENT = re.compile(r"([MC])(C?)([1-9]?)|(R)(C?)([0-9])|(H[AB])()()")


class Sent(NamedTuple):
    """A command as it went out: aMC1! is address "a" and kind "MC1"."""

    address: str
    kind: str


class Measurement(NamedTuple):
    """What a measurement command asks for; `number` is "" for M and C, "1" for M1 and C1.

    `letters` are M, C, R (answered at once), HA (text) or HB (packets).
    """

    letters: str
    crc: bool
    number: str

    @property
    def concurrent(self) -> bool:
        """Whether the bus is free until the data are ready."""
        return self.letters in {"C", "HA", "HB"}

    @property
    def data(self) -> str:
        """What the commands that fetch the values begin with."""
        return "DB" if self.letters == "HB" else "D"

    @property
    def last_data(self) -> int:
        return 999 if self.letters in {"HA", "HB"} else 9

    def same_values(self, other: "Measurement") -> bool:
        """Whether both give the same values: M1, MC1, C1 and CC1 do, R1 doesn't."""
        family = "M" if self.letters == "C" else self.letters
        others = "M" if other.letters == "C" else other.letters
        return (family, self.number) == (others, other.number)


def sent_command(data: bytes) -> Sent | None:
    """None for bytes that are no SDI-12 command."""
    found = _SENT.fullmatch(data)
    return Sent(found[1].decode(), found[2].decode()) if found else None


def measurement(kind: str) -> Measurement | None:
    """None for a command that is no measurement."""
    found = _MEASUREMENT.fullmatch(kind)
    if found is None:
        return None
    letters, crc, number = (part for part in found.groups() if part is not None)
    return Measurement(letters, bool(crc) or letters == "HA", number)


def spelled(send: str, concurrent: bool, crc: bool) -> str:
    """The sheet's command `send` ("M1") as it is sent now ("M1", "MC1", "C1" or "CC1")."""
    asked = measurement(send)
    if asked is None:
        raise ValueError(f"expected a measurement command M, M1..M9, C, R0, HA or HB, got {send!r}")
    if asked.letters in {"HA", "HB"}:
        return asked.letters
    letter = "C" if concurrent and asked.letters == "M" else asked.letters
    return f"{letter}{'C' if crc or asked.crc else ''}{asked.number}"


def read_start(address: str, kind: str, answer: bytes) -> Start:
    """Like parse_start, and the answer must come from `address`.

    On a busy computer one read gives the answer and the service request behind it: the data are
    ready then, and `wait_s` is 0. Only M and V request service.
    """
    request = address.encode() + b"\r\n"
    is_ready = kind[:1] in {"M", "V"} and answer.endswith(b"\r\n" + request)
    start = parse_start(kind, answer.removesuffix(request) if is_ready else answer)
    if start.address != address:
        raise Garbled("an answer that begins with its address", answer, f"address {address}")
    return start._replace(wait_s=0) if is_ready else start
