"""What a person holds of an instrument, as its decoder takes it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from edaphon.commands.decode.typed import TEXTS, Unclear, enveloped, plain_bytes
from edaphon_drivers.faults import Refused
from edaphon_drivers.files.lines import LineCounts, Slice
from edaphon_drivers.payloads import Piece, Turn
from edaphon_drivers.readings import Reading
from edaphon_drivers.registry import engine
from edaphon_drivers.sheets import Sheet

__all__ = ["Held", "expect_address", "held", "lines_of", "readings_of"]

_ECHOED = re.compile(
    rb"(\?[^!\r\n]*)(!?)"
)  # a question to anybody; all others begin with an address
_ANY_SENSEAIR = "254"
_ANY_PORT, _HIGHEST_PORT = 1, 255
_ANY_ADDRESS = 8  # of I2C; what is asked there says the command, not the address


class Held(NamedTuple):
    """The bytes, and what is known beside them; `request` is Modbus, `port` LoRaWAN."""

    data: bytes
    port: int | None = None
    topic: str = ""
    request: bytes = b""


def held(payload: str, spoken: str, port: int | None, topic: str, request: str) -> Held:
    """What was typed, for an engine; raises Unclear, and OSError for a file that can't be read."""
    asked = plain_bytes(request, "modbus") if request else b""
    uplink = enveloped(payload) if spoken == "lorawan" else None
    if uplink is not None:
        return Held(uplink.data, uplink.f_port if port is None else port)
    return Held(plain_bytes(payload, spoken), port, topic, asked)


def readings_of(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
    """What the bytes say by the sheet; raises Fault, and Unclear where something must be told."""
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


def _sdi12(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
    from edaphon_drivers.sdi12.decode import decode_answers

    return decode_answers(what.data, sheet)


def _modbus(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
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
                f"expected --request {them} beside this answer, got {frame.hex(' ').upper()} alone"
            )
        pairs += [(requests[0], frame)] * 2  # an answer like another's counts when it came twice
    return _asked("modbus", sheet, pairs)


def _with_crc(data: bytes) -> bytes:
    """A frame that was copied without its CRC, as a program shows it that has checked it."""
    from edaphon_drivers.checksums import has_crc, with_crc

    whole = len(data) > 2 and len(data) == 3 + (0 if data[1] & 0x80 else data[2])
    return with_crc(data) if whole and not has_crc(data) else data


def _i2c(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
    from edaphon_drivers.i2c import steps_of

    command = bytes((_ANY_ADDRESS, 0)) + steps_of(sheet).read.command
    return _asked("i2c", sheet, [(command, what.data)])


def _w1(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
    lines = [line.strip() for line in what.data.splitlines() if line.strip()]
    return engine("w1").decode_exchange([Turn(0, False, b"\n".join(lines) + b"\n")], sheet)


def _asked(spoken: str, sheet: Sheet, pairs: list[tuple[bytes, bytes]]) -> tuple[Reading, ...]:
    """The pairs of question and answer as the exchange that they were."""
    turns = [Turn(0, *turn) for sent, came in pairs for turn in ((True, sent), (False, came))]
    return engine(spoken).decode_exchange(turns, sheet)


def _ascii(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
    """Each line for itself; a copied text may have lost the ends that the instrument sends."""
    from edaphon_drivers.ascii.engine import decode_stream, line_end

    end, data = line_end(sheet), what.data
    if end[-1:] not in data:
        data = data.replace(b"\n", end)
    if not data.endswith(end[-1:]):
        data += end
    return decode_stream([Turn(0, False, data)], sheet)


def _file(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
    return lines_of(sheet, what).readings


def lines_of(sheet: Sheet, what: Held) -> Slice:
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


def _message(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
    from edaphon_drivers.smart_home import decode_message

    topics: Mapping[str, Any] = sheet.frame.get("topics", {})
    if not what.topic and len(topics) > 1:
        names = " or ".join(topics.values())
        raise Unclear(f"expected --topic that ends with {names}, got none")
    usual = next(iter(topics.values()), sheet.frame.get("topic", ""))
    return decode_message(what.topic or usual, what.data, sheet)


def _lorawan(sheet: Sheet, what: Held) -> tuple[Reading, ...]:
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


_READERS: Mapping[str, Callable[[Sheet, Held], tuple[Reading, ...]]] = {
    "sdi12": _sdi12,
    "modbus": _modbus,
    "i2c": _i2c,
    "w1": _w1,
    "ascii": _ascii,
    "file": _file,
    "message": _message,
    "lorawan": _lorawan,
}
