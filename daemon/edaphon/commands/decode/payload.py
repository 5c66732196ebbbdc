"""What a person holds of an instrument, as its decoder takes it."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import orjson

from edaphon.toml_input.values import read_bytes
from edaphon_drivers.faults import Garbled, Refused
from edaphon_drivers.files.lines import LineCounts, Slice
from edaphon_drivers.lorawan import Uplink, envelope_kinds, read_envelope
from edaphon_drivers.readings import Piece, Reading, Turn
from edaphon_drivers.registry import engine
from edaphon_drivers.sheets import Sheet

TEXTS = {
    "ascii": "the lines that it sends",
    "sdi12": "the lines that the probe answered, such as 0+1.60+25.7",
    "w1": "the text of its w1_slave file",
    "file": "the rows of the file, with their header",
    "message": "the message, such as JSON",
}
_ESCAPE = re.compile(rb"\\(r|n|t|\\|x[0-9A-Fa-f]{2})")
_PLAIN = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}
_AS_PRINTED = {"<CR>": "\r", "<LF>": "\n", "<TAB>": "\t"}  # how manuals print them
_MARK = re.compile(r"^[<>] ")
# Between the digits of lists in C, of Wireshark, of terminals and of network servers.
_BETWEEN = re.compile(r"0[xX]|[\s:,;{}\[\]()\"'-]")
_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*["}]')
_LEAST_DIGITS = 8  # of which all but one are hex: a slip, and no base64
LARGEST_PAYLOAD_BYTES = 256 << 20
_URL_SAFE = str.maketrans("-_", "+/")


class Unclear(ValueError):
    """What was typed is not enough to say what the bytes are: expected and came, in words."""


def plain_bytes(payload: str, spoken: str) -> bytes:
    """The bytes of a payload, or of the file behind @; raises Unclear, for a file OSError."""
    if payload.startswith("@"):
        data = _of_file(payload)
        if spoken in TEXTS:
            return data
        found = _digits(data.decode("latin-1"), spoken) if data.isascii() else None
        return data if found is None else found
    if spoken in {"message", "file"}:  # a message has escapes of its own
        text = payload.encode("utf-8", "surrogateescape")
        return text if spoken == "message" else _unescaped(text)
    found = _digits(payload, spoken)
    if found is not None and (spoken not in TEXTS or spoken == "sdi12" or found[-1:] in b"\r\n"):
        return found
    if spoken not in TEXTS:
        if _ESCAPE.search(payload.encode("utf-8", "surrogateescape")):  # a line of `record`
            return _unescaped(_MARK.sub("", payload).encode("utf-8", "surrogateescape"))
        _refuse(payload, spoken)
    for name, character in _AS_PRINTED.items():
        payload = payload.replace(name, character)
    return _unescaped(payload.encode("utf-8", "surrogateescape"))


def _of_file(payload: str) -> bytes:
    return read_bytes(Path(payload[1:]), LARGEST_PAYLOAD_BYTES)


def enveloped(payload: str) -> Uplink | None:
    """The uplink in a network server's JSON, None for no JSON; raises as `plain_bytes` does."""
    data = _of_file(payload) if payload.startswith("@") else payload.encode()
    if not _OBJECT.match(data):
        return None
    for kind in envelope_kinds():
        try:
            uplink = read_envelope(kind, "", data)
        except Garbled:
            continue
        if uplink is not None:
            return uplink
    known = ", ".join(envelope_kinds())
    raise Unclear(f"expected bytes, or an uplink as JSON of {known}, got {payload[:60]!r}")


def _digits(text: str, spoken: str) -> bytes | None:
    """The bytes of digits in the usual spellings; None where there are none."""
    if (listed := _listed(text)) is not None:
        return listed
    plain = _BETWEEN.sub("", text)
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", plain):
        return binascii.unhexlify(plain)
    if spoken != "lorawan" or _slips(plain) <= 1 and len(plain) >= _LEAST_DIGITS:
        return None
    try:
        return base64.b64decode("".join(text.split()).translate(_URL_SAFE), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _listed(text: str) -> bytes | None:
    """Decimal numbers in brackets, as JavaScript shows bytes."""
    try:
        numbers = orjson.loads(text) if text.lstrip().startswith("[") else None
    except orjson.JSONDecodeError:
        return None
    whole = isinstance(numbers, list) and all(type(n) is int and 0 <= n < 256 for n in numbers)
    return bytes(numbers) if whole and numbers else None


def _slips(digits: str) -> int:
    return len(re.sub("[0-9A-Fa-f]", "", digits))


def _refuse(payload: str, spoken: str) -> NoReturn:
    plain = _BETWEEN.sub("", payload)
    if plain and not _slips(plain):
        words = "expected hex digits in pairs"
        raise Unclear(f"{words}, got {len(plain)} digits: {payload[:60]!r}")
    if _slips(plain) == 1 and len(plain) >= _LEAST_DIGITS:
        (slip,) = re.findall("[^0-9A-Fa-f]", plain)
        at = plain.index(slip) + 1
        raise Unclear(f"expected hex digits, got {slip!r} as digit {at} of {payload[:60]!r}")
    digits = "hex, base64" if spoken == "lorawan" else "hex"
    words = f"expected the bytes as {digits} or \\xNN, or @ and a file's name"
    raise Unclear(f"{words}, got {payload[:60]!r}")


def _unescaped(text: bytes) -> bytes:
    def plain(found: re.Match[bytes]) -> bytes:
        return _PLAIN.get(found[1]) or bytes((int(found[1][1:], 16),))

    return _ESCAPE.sub(plain, text)


_ECHOED = re.compile(
    rb"(\?[^!\r\n]*)(!?)"
)  # a question to anybody; all others begin with an address
_ANY_SENSEAIR = "254"
_ANY_PORT, _HIGHEST_PORT = 1, 255
_ANY_ADDRESS = 8  # of I2C; what is asked there says the command, not the address


class GivenPayload(NamedTuple):
    """The bytes, and what else is known; `request` is Modbus, `port` LoRaWAN."""

    data: bytes
    port: int | None = None
    topic: str = ""
    request: bytes = b""


def held(payload: str, spoken: str, port: int | None, topic: str, request: str) -> GivenPayload:
    """What was typed, for an engine; raises Unclear, and OSError for a file that can't be read."""
    asked = plain_bytes(request, "modbus") if request else b""
    uplink = enveloped(payload) if spoken == "lorawan" else None
    if uplink is not None:
        return GivenPayload(uplink.data, uplink.f_port if port is None else port)
    return GivenPayload(plain_bytes(payload, spoken), port, topic, asked)


def readings_of(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    """What the bytes say by the sheet; raises Fault, and Unclear where an option is missing."""
    if not what.data:
        raise Unclear(f"expected {TEXTS.get(sheet.engine, 'bytes')}, got nothing")
    return _READERS[sheet.engine](sheet, what)


def expect_address(address: str, sheet: Sheet, data: bytes) -> None:
    """Raises Refused where another instrument of the line has answered."""
    for found in _addresses(sheet, data):
        if address not in {found, _ANY_SENSEAIR}:
            raise Refused(f"an answer of address {address}", f"one of address {found}")


def _addresses(sheet: Sheet, data: bytes) -> Iterator[str]:
    if sheet.engine == "sdi12":
        from edaphon_drivers.sdi12.parse import is_packet

        answers = [data] if is_packet(data) else data.splitlines()
        lines = (_ECHOED.sub(_unechoed, line).strip() for line in answers)
        yield from (line[:1].decode("latin-1") for line in lines if line)
    elif sheet.engine == "modbus":
        from edaphon_drivers.modbus.decode import possible_requests
        from edaphon_drivers.modbus.frame import parse_request

        stated = (parse_request(frame) for frame, _ in possible_requests(data, sheet))
        yield from (str(one.unit) for one in stated if one)


def _unechoed(found: re.Match[bytes]) -> bytes:
    return b"" if found[2] else found[1]


def _sdi12(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    from edaphon_drivers.sdi12.engine import decode_answers

    return decode_answers(what.data, sheet)


def _modbus(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    from edaphon_drivers.modbus.decode import possible_requests
    from edaphon_drivers.modbus.frame import parse_request

    if what.request and parse_request(what.request) is None:
        came = what.request.hex(" ").upper()
        raise Unclear(f"expected a request with its CRC as 01 03 00 00 00 02 C4 0B, got {came}")
    if what.request:
        return _asked("modbus", sheet, [(what.request, what.data)])
    pairs = []
    for frame, requests in possible_requests(_with_crc(what.data), sheet):
        if len(requests) > 1:
            them = " or ".join(request.hex(" ").upper() for request in requests)
            raise Unclear(
                f"expected --request {them} with this answer, got {frame.hex(' ').upper()} alone"
            )
        pairs += [(requests[0], frame)] * 2  # an answer like another's counts when it came twice
    return _asked("modbus", sheet, pairs)


def _with_crc(data: bytes) -> bytes:
    """A frame that was copied without its CRC, as a program shows it that has checked it."""
    from edaphon_drivers.checksums import has_crc, with_crc

    whole = len(data) > 2 and len(data) == 3 + (0 if data[1] & 0x80 else data[2])
    return with_crc(data) if whole and not has_crc(data) else data


def _i2c(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    from edaphon_drivers.i2c import steps_of

    command = bytes((_ANY_ADDRESS, 0)) + steps_of(sheet).read.command
    return _asked("i2c", sheet, [(command, what.data)])


def _w1(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    lines = [line.strip() for line in what.data.splitlines() if line.strip()]
    return engine("w1").decode_exchange([Turn(0, False, b"\n".join(lines) + b"\n")], sheet)


def _asked(spoken: str, sheet: Sheet, pairs: list[tuple[bytes, bytes]]) -> tuple[Reading, ...]:
    """The pairs of question and answer as the exchange that they were."""
    turns = [Turn(0, *turn) for sent, came in pairs for turn in ((True, sent), (False, came))]
    return engine(spoken).decode_exchange(turns, sheet)


def _ascii(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    """Each line for itself; a copied text may have lost the ends that the instrument sends."""
    from edaphon_drivers.ascii.engine import decode_stream, line_end

    end, data = line_end(sheet), what.data
    if end[-1:] not in data:
        data = data.replace(b"\n", end)
    if not data.endswith(end[-1:]):
        data += end
    return decode_stream([Turn(0, False, data)], sheet)


def _file(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    return lines_of(sheet, what).readings


def lines_of(sheet: Sheet, what: GivenPayload) -> Slice:
    """What the lines of a file say and are; raises Unclear for what only its owner knows."""
    from edaphon_drivers.files.engine import read_piece

    if not what.data:
        raise Unclear(f"expected {TEXTS['file']}, got nothing")
    try:
        parts = list(read_piece(Piece("", 0, b"", what.data), sheet))
    except Refused as fault:  # what only the owner can say, such as the zone of the times
        words = "write it as settings of its [[source]] and decode with --source"
        raise Unclear(f"expected {fault.expected}; {words}") from None
    counts = LineCounts(*(sum(numbers) for numbers in zip(*(p.counts for p in parts), strict=True)))
    readings = tuple(reading for part in parts for reading in part.readings)
    refused = tuple(line for part in parts for line in part.refused)
    return Slice(readings, counts, refused, parts[-1].context)


def _message(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    from edaphon_drivers.smart_home import decode_message

    topics: Mapping[str, Any] = sheet.frame.get("topics", {})
    if not what.topic and len(topics) > 1:
        names = " or ".join(topics.values())
        raise Unclear(f"expected --topic that ends with {names}, got none")
    usual = next(iter(topics.values()), sheet.frame.get("topic", ""))
    return decode_message(what.topic or usual, what.data, sheet)


def _lorawan(sheet: Sheet, what: GivenPayload) -> tuple[Reading, ...]:
    from edaphon_drivers import lorawan

    return lorawan.decode_uplink(what.data, _port(sheet, what.port), sheet)


def _port(sheet: Sheet, typed: int | None) -> int:
    """The only port that the sheet knows, 1 where any will do; raises Unclear."""
    from edaphon_drivers.lorawan import known_ports

    ports = known_ports(sheet) or (_ANY_PORT,)
    if typed is None and len(ports) > 1:
        raise Unclear(f"expected --port {' or '.join(map(str, ports))}, got none")
    port = ports[0] if typed is None else typed
    if not 0 <= port <= _HIGHEST_PORT:
        raise Unclear(f"expected --port from 0 to {_HIGHEST_PORT}, got {port}")
    return port


_READERS: Mapping[str, Callable[[Sheet, GivenPayload], tuple[Reading, ...]]] = {
    "sdi12": _sdi12,
    "modbus": _modbus,
    "i2c": _i2c,
    "w1": _w1,
    "ascii": _ascii,
    "file": _file,
    "message": _message,
    "lorawan": _lorawan,
}
