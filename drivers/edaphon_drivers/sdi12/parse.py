"""Reads the lines that SDI-12 instruments answer; text in, numbers and names out.

Every function takes the answer as it came, CR LF at the end, and drops complete lines in front
of it that are only the address: a service request that nobody fetched. Each raises Garbled for
what the specification (v1.4) forbids. None needs a port, so text relayed by other means will do.
"""

import re
from typing import NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.sdi12.crc import crc_characters

# At most 7 digits beside sign and point (v1.4, 4.4.8.1); makers leave out a leading zero.
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


class Identity(NamedTuple):
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


def parse_identity(line: bytes) -> Identity:
    """The answer to aI!: fixed columns 1 + 2 + 8 + 6 + 3 + (0..13).

    CS650 and its like print more at the end than the 13 characters that the standard allows.
    """
    found = _IDENTITY.fullmatch(_last_line(line))
    if not found:
        raise Garbled("an identity a ll cccccccc mmmmmm vvv x..x", line)
    columns = [column.decode() for column in found.groups()]
    address, sdi_version, vendor, model, version, extra = (column.strip() for column in columns)
    text = "".join(columns[2:])
    return Identity(address, sdi_version, vendor, model, version, extra, text)


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
