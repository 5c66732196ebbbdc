"""Reads and spells what goes over an SDI-12 line: commands, answers, packets; the [frame] table.

Every function for an answer takes it as it came, CR LF at the end, and drops complete lines in
front of it that are only the address: a service request that nobody fetched. Each raises Garbled
for what the specification (v1.4) forbids. None needs a port: text relayed by other means will do.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from edaphon_drivers.checksums import crc16_arc, crc_characters
from edaphon_drivers.faults import Garbled
from edaphon_drivers.patterns import compiled
from edaphon_drivers.readings import Identity
from edaphon_drivers.sheets import Command, Sheet, Table, frame_reader, takes, that

# At most 7 digits besides sign and point (v1.4, 4.4.8.1); makers leave out a leading zero.
_VALUE = rb"[+-](?:(?=[0-9.]{2,8}(?![0-9.]))[0-9]*\.[0-9]+|[0-9]{1,7}\.?)"
_VALUES = re.compile(rb"(?:%b)*" % _VALUE)
_ONE_VALUE = re.compile(_VALUE)
_TEXT = re.compile(rb"[ -~]*")
_ADDRESS = re.compile(rb"[0-9A-Za-z]")
_IDENTITY = re.compile(rb"([0-9A-Za-z])([0-9]{2})([ -~]{8})([ -~]{6})([ -~]{3})([ -~]{0,60})")
_START = {n: re.compile(rb"([0-9A-Za-z])([0-9]{3})([0-9]{%d})" % n) for n in (1, 2, 3)}


class Start(NamedTuple):
    """The answer to a measurement command: data is ready `wait_s` [s] later, `n` values."""

    address: str
    wait_s: int
    n: int


class IdentityLine(NamedTuple):
    """The answer to aI!, columns without their padding; `extra` is mostly the serial number.

    `text` is all that follows the version of SDI-12, for makers who don't keep to the columns.
    """

    address: str
    sdi_version: str
    vendor: str
    model: str
    version: str
    extra: str
    text: str = ""

    def identity(self, settings: Mapping[str, str] | None = None) -> Identity:
        return Identity(self.vendor, self.model, self.version, self.extra, settings or {})


def parse_acknowledgement(line: bytes) -> str:
    """The address that answered a! or ?!."""
    text = _last_line(line)
    if not _ADDRESS.fullmatch(text):
        raise Garbled("an address alone", line)
    return text.decode()


def parse_start(kind: str, line: bytes) -> Start:
    """The answer atttn, atttnn or atttnnn to the command `kind` ("M", "MC3", "C", "HA", "IM")."""
    text = _last_line(line)
    digits = _count_digits(kind)
    found = _START[digits].fullmatch(text)
    if not found:
        raise Garbled(f"the answer a ttt {'n' * digits} to {kind}", line)
    return Start(found[1].decode(), int(found[2]), int(found[3]))


def parse_values(address: str, line: bytes, crc: bool) -> tuple[float, ...]:
    """The values of an answer to aD0!..aD9! or aR0!..; () for an aborted measurement."""
    body = _body(address, line, crc)
    if not _VALUES.fullmatch(body):
        raise Garbled("values like +3.14 of at most 7 digits", line, f"address {address}")
    return tuple(map(float, _ONE_VALUE.findall(body)))


def parse_relayed(text: bytes) -> tuple[str, tuple[float, ...]]:
    """Address and values of an answer that something else relayed, its line end lost or not.

    For text such as b"0+1.60+25.7" in an uplink. Service requests in front are dropped, a CRC that
    is right is taken off, and () are the values of an aborted measurement.
    """
    line = text.rstrip(b"\r\n") + b"\r\n"
    address = _last_line(line)[:1]
    if not _ADDRESS.fullmatch(address):
        raise Garbled("an SDI-12 answer that begins with its address", text)
    body = line[:-2]
    crc = len(body) > 4 and crc_characters(body[:-3]) == body[-3:]
    return address.decode(), parse_values(address.decode(), line, crc)


def parse_identity(line: bytes) -> IdentityLine:
    """The answer to aI!: fixed columns 1 + 2 + 8 + 6 + 3 + (0..13).

    CS650 and its like print more at the end than the 13 characters that the standard allows.
    """
    found = _IDENTITY.fullmatch(_last_line(line))
    if not found:
        raise Garbled("an identity a ll cccccccc mmmmmm vvv x..x", line)
    columns = [column.decode() for column in found.groups()]
    address, sdi_version, vendor, model, version, extra = (column.strip() for column in columns)
    text = "".join(columns[2:])
    return IdentityLine(address, sdi_version, vendor, model, version, extra, text)


def parse_lines(address: str, answer: bytes) -> tuple[str, ...]:
    """The lines of an answer to an extended command, without address, STX and ETX (4.4.13.1)."""
    where = f"address {address}"
    text = answer
    while text[1:3] == b"\r\n" and len(text) > 3:  # service requests that nobody fetched
        text = text[3:]
    several = text[1:2] == b"\x02"
    end = b"\r\n\x03" if several else b"\r\n"
    if not text.endswith(end) or text[:1] != address.encode():
        raise Garbled("text that begins with its address and ends with CR LF", answer, where)
    lines = text[1 + several : -len(end)].split(b"\r\n")
    if (not several and len(lines) > 1) or not all(map(_TEXT.fullmatch, lines)):
        raise Garbled("printable lines, several only after STX", answer, where)
    return tuple(line.decode("ascii") for line in lines)


def parse_metadata(address: str, line: bytes, crc: bool = False) -> tuple[str, ...]:
    """The fields of an answer to aIM_001! and its like; () where the parameter does not exist."""
    body = _body(address, line, crc)
    if not body:
        return ()
    if not re.fullmatch(rb"(?:,[ -~]*);", body):
        raise Garbled("metadata a,field,field;", line, f"address {address}")
    return tuple(body[1:-1].decode().split(","))


def _count_digits(kind: str) -> int:
    measurement = kind.removeprefix("I")
    if measurement.startswith("H"):
        return 3
    return 2 if measurement.startswith("C") else 1


def _body(address: str, line: bytes, crc: bool) -> bytes:
    """What stands between the address and the (checked) CRC."""
    text = _unglued(address.encode(), _last_line(line))
    if crc:
        text, came = text[:-3], text[-3:]
        right = crc_characters(text)
        if came != right:
            raise Garbled(f"the CRC {right.decode()!r}", line, f"address {address}")
    if text[:1] != address.encode():
        raise Garbled("an answer that begins with its address", line, f"address {address}")
    return text[1:]


def _unglued(address: bytes, text: bytes) -> bytes:
    """Without a service request that lost its CR LF to an adapter: 00+1.2 is 0 CR LF 0+1.2.

    Seen in logs of real HydraProbe and PR2 probes; values begin with a sign, so nothing else is
    written that way.
    """
    return text[1:] if text[:2] == 2 * address and text[2:3] in {b"+", b"-"} else text


def _last_line(answer: bytes) -> bytes:
    """The answer without CR LF; only the same bare address may stand in lines before it."""
    *before, text, rest = answer.split(b"\r\n") if b"\r\n" in answer else (answer, b"?")
    if rest or any(line != text[:1] or not _ADDRESS.fullmatch(line) for line in before):
        raise Garbled("one line that ends with CR LF", answer)
    return text


def is_text(data: bytes) -> bool:
    """Whether the answer to an extended command is whole: one line, or STX to ETX (4.4.13.1)."""
    if data[1:2] == b"\x02":
        return data.endswith(b"\r\n\x03")
    return data.endswith(b"\r\n")


_SENT = re.compile(rb"([0-9A-Za-z?])([ -~]*)!")
_MEASUREMENT = re.compile(r"([MC])(C?)([1-9]?)|(R)(C?)([0-9])|(H[AB])()()")


class SentCommand(NamedTuple):
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


def sent_command(data: bytes) -> SentCommand | None:
    """None for bytes that are no SDI-12 command."""
    found = _SENT.fullmatch(data)
    return SentCommand(found[1].decode(), found[2].decode()) if found else None


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


_HEAD_BYTES, _CRC_BYTES = 4, 2
_MOST_PAYLOAD_BYTES = 1000
_FORMATS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "q", 8: "Q", 9: "f", 10: "d"}


def is_packet(data: bytes) -> bool:
    """Whether a whole packet came; bytes that can't become one are waited out."""
    packet = _without_requests(data)
    return len(packet) >= _HEAD_BYTES and len(packet) == _whole_bytes(packet)


def parse_packet(address: str, data: bytes) -> tuple[float, ...]:
    """The values of one packet, () of an empty one; raises Garbled."""
    where = f"address {address}"
    packet = _without_requests(data)
    if len(packet) < _HEAD_BYTES + _CRC_BYTES or len(packet) != _whole_bytes(packet):
        raise Garbled("a whole binary packet of at most 1000 bytes of data", data, where)
    right = crc16_arc(packet[:-_CRC_BYTES])
    if int.from_bytes(packet[-_CRC_BYTES:], "little") != right:
        raise Garbled(f"the CRC {right:04X} at the end of the packet", data, where)
    if packet[:1] != address.encode():
        raise Garbled("a packet that begins with its address", data, where)
    return _numbers(packet[3], packet[_HEAD_BYTES:-_CRC_BYTES], where)


def _numbers(kind: int, payload: bytes, where: str) -> tuple[float, ...]:
    if not payload:
        return ()
    letter = _FORMATS.get(kind)
    if letter is None or len(payload) % struct.calcsize(letter):
        raise Garbled(f"whole values of a data type 1..10, not of type {kind}", payload, where)
    numbers = struct.unpack(f"<{len(payload) // struct.calcsize(letter)}{letter}", payload)
    if not all(map(math.isfinite, numbers)):
        raise Garbled("numbers, not infinity or NaN", payload, where)
    return tuple(map(float, numbers))


def _whole_bytes(packet: bytes) -> int:
    """How long it says to be; -1 for more than the specification allows."""
    payload = int.from_bytes(packet[1:3], "little")
    return _HEAD_BYTES + payload + _CRC_BYTES if payload <= _MOST_PAYLOAD_BYTES else -1


def _without_requests(data: bytes) -> bytes:
    """Without service requests in front: a CR LF would be a length of 2573."""
    while data[1:3] == b"\r\n":
        data = data[3:]
    return data


_PARTS = ("vendor", "model", "version", "serial")
_EXTENDED = re.compile(r"[A-Za-z][ \"-~]*")
_MOST = {"M": 9, "C": 99, "R": 99, "HA": 999, "HB": 999}


def _identity_pattern(pattern: str) -> str:
    for name in sorted(set(compiled(pattern, whole=True).names) - set(_PARTS)):
        raise ValueError(f"may have the groups {', '.join(_PARTS)}, not {name!r}")
    return pattern


class Sdi12Table(Table):
    """[frame] of an SDI-12 sheet."""

    concurrent: bool = takes("true or false", True)
    crc: bool = takes("true or false", True)
    fewer: bool = takes("true or false", False)
    identity: Annotated[str, AfterValidator(_identity_pattern)] = takes("a regular expression", "")
    settings: dict[str, Annotated[str, that(_EXTENDED.fullmatch)]] = takes(
        'a table of commands such as { soil = "XS" }', {}
    )


def _further_errors(_: Sdi12Table, sheet: Sheet) -> Iterator[str]:
    if not sheet.commands:
        yield "expected at least one [[command]] with send and outputs, found none"
    named: list[str] = []
    for command in sheet.commands:
        yield from _command_errors(command, sheet)
        named += [name for name in command.outputs if name != "-"]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"output {name!r} is twice among the commands; use - for the one not wanted"
    for name in sorted(sheet.outputs.keys() - set(named)):
        yield f"output {name!r} is given by no command; name it in outputs of a [[command]]"


def _command_errors(command: Command, sheet: Sheet) -> Iterator[str]:
    asked = measurement(command.send)
    if asked is None:
        yield f"expected send M, M1..M9, C, C1..C9, R0..R9, HA or HB, got {command.send!r}"
        return
    if not 1 <= len(command.outputs) <= _MOST[asked.letters]:
        most = _MOST[asked.letters]
        yield f"expected 1 to {most} outputs of {command.send}, got {len(command.outputs)}"
    for name in command.outputs:
        if name != "-" and name not in sheet.outputs:
            yield f"{command.send} names the output {name!r}, and no [[output]] has that name"


table_of, sheet_errors = frame_reader(Sdi12Table, _further_errors)
