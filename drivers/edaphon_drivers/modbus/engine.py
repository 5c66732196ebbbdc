"""Conversations with Modbus instruments, as generators without a wire.

An answer on a serial line carries unit, function and length, but neither the address of its
registers nor a number: the late answer to one read looks like the answer to the next read of as
many registers. What protects from taking one for the other:

- a question goes out after silence only, and what came before is thrown away (the bus does that);
- after silence or a garbled answer the talk listens on before it asks again, and after the answer
  to a repeated question it waits for the other one, which may still come;
- an answer equal to an earlier one of the talk may be that one again: the talk waits for another,
  else asks again and believes it the second time;
- a talk that gives up has listened for its last answer too.

What remains is an answer later than `answer_s` + `late_s` that meets another read of the same unit,
function and length. A table whose neighbouring reads differ in length excludes that as well.
On TCP the transaction number tells answers apart.
"""

import itertools
from dataclasses import dataclass

from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.modbus import decode
from edaphon_drivers.modbus.frame import (
    Request,
    answers,
    choose,
    exception_name,
    is_exception,
    rtu_frame,
    tcp_frame,
    without_echo,
)
from edaphon_drivers.modbus.table import Read, plan_of
from edaphon_drivers.modbus.table import sheet_errors as sheet_errors
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Asking, Pause, Talk, Until

_SILENT_CHARACTERS = 3.5
_CHARACTER_BITS = 11
_FAST_BAUD = 19200
_FAST_SILENCE_S = 0.00175
_BUSY = {5, 6}  # acknowledge, busy: asking again helps

decode_exchange, decode_identity = decode.decode_exchange, decode.decode_identity

# One counter for all talks: an answer that outlived its talk meets no other with its number.
_transactions = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Line:
    """How one unit is asked."""

    unit: int
    asking: Asking

    @property
    def silence_s(self) -> float:
        """Between two frames [s]: 3.5 characters, fixed above 19200 baud (serial line V1.02)."""
        if self.asking.tcp:
            return 0.0
        if self.asking.baud > _FAST_BAUD:
            return _FAST_SILENCE_S
        return _SILENT_CHARACTERS * _CHARACTER_BITS / max(1, self.asking.baud)

    def request(self, pdu: bytes) -> Request:
        transaction = next(_transactions) & 0xFFFF if self.asking.tcp else None
        return Request(self.unit, pdu, transaction)

    def frame(self, request: Request) -> bytes:
        if request.transaction is None:
            return rtu_frame(self.unit, request.pdu)
        return tcp_frame(request.transaction, self.unit, request.pdu)


def read_all(line: Line, reads: tuple[Read, ...]) -> Talk[None]:
    """Every read of a table in turn; raises the fault of the first that fails."""
    earlier: set[bytes] = set()
    for read in reads:
        try:
            earlier.add((yield from _ready(line, read, earlier)))
        except Refused:
            if not read.optional:
                raise


def _ready(line: Line, read: Read, earlier: set[bytes]) -> Talk[bytes]:
    """The answer, once its first register is what the table waits for."""
    wait, answer = read.wait, b""
    for again in range(wait.tries if wait else 1):
        if again and wait:
            yield Pause(wait.wait_s * line.asking.timing.second_s, hold_bus=False)
        answer = yield from _ask(line, read, earlier)
        if wait is None or int.from_bytes(answer[2:4]) == wait.equals:
            return answer
    raise Refused(
        f"register {read.address} to become {wait.equals if wait else ''}; does it measure?",
        answer,
        f"unit {line.unit}",
    )


def _ask(line: Line, read: Read, earlier: set[bytes]) -> Talk[bytes]:
    """The good answer to a read; raises NoAnswer, Garbled, or Refused for an exception."""
    timing = line.asking.timing
    fault: Fault = NoAnswer(_wanted(read), where=f"unit {line.unit}")
    repeated, doubted = False, b""
    for _ in range(timing.tries):
        request = line.request(read.pdu)
        came = yield from _received(line, read, request, earlier, repeated)
        answer = choose(answers(came, request, read.shape), earlier)
        repeated = not answer
        if not answer:
            if without_echo(came, request):
                fault = Garbled(_wanted(read), came, f"unit {line.unit}")
        elif is_exception(answer):
            fault = _refused(answer, read, line.unit)
            if answer[1] not in _BUSY:
                raise fault
            yield Pause(timing.gap_s, hold_bus=False)
        elif answer in earlier and answer != doubted and request.transaction is None:
            doubted = answer
            fault = Garbled(f"{_wanted(read)}, not those before once more", came)
        else:
            return answer
    raise fault


def _received(
    line: Line, read: Read, request: Request, earlier: set[bytes], repeated: bool
) -> Talk[bytes]:
    """What came to one question, listening on as long as it may not be its answer."""
    timing = line.asking.timing

    def found(came: bytes) -> list[bytes]:
        return answers(came, request, read.shape)

    came = yield Ask(
        line.frame(request), lambda more: bool(found(more)), timing.answer_s, line.silence_s
    )
    got = came
    if not found(got):
        came += yield _listen(timing.late_s, lambda more: bool(found(got + more)))
    elif request.transaction is None and earlier.issuperset(found(got)):
        wait_s = timing.answer_s + timing.late_s
        came += yield _listen(wait_s, lambda more: not earlier.issuperset(found(got + more)))
    elif request.transaction is None and repeated:
        came += yield _listen(timing.answer_s, lambda more: len(found(got + more)) > 1)
    return came


def _listen(wait_s: float, until: Until) -> Pause:
    return Pause(wait_s, hold_bus=True, until=until)


def _wanted(read: Read) -> str:
    if read.address is None:
        return f"an answer to {read.pdu.hex(' ')}"
    return f"{(read.shape.size or 0) // 2} registers from {read.address} (function {read.function})"


def _refused(pdu: bytes, read: Read, unit: int) -> Refused:
    return Refused(
        f"{_wanted(read)}; the instrument says {exception_name(pdu)}", pdu, f"unit {unit}"
    )


# 248 to 254 are reserved by the specification, yet makers use them: 254 is any Senseair.
_HIGHEST_UNIT = 254


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """All reads of the sheet, one after the other; raises Fault."""
    yield from read_all(_line(address, asking), plan_of(sheet).reads)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """Firmware, serial number and settings that the table knows; None for a table without."""
    if not sheet.frame.get("identity"):
        return None
    return _identify(address, sheet, asking)


def address_error(address: str) -> str:
    """What would be right; "" for an address of a unit. 0 is a broadcast, which nobody answers."""
    if address.isascii() and address.isdecimal() and 1 <= int(address[:9]) <= _HIGHEST_UNIT:
        return "" if address == str(int(address)) else f"written as {int(address)}"
    if address[:2].lower() == "0x":
        return "a decimal number from 1 to 247, such as 97 for 0x61"
    return "a decimal number from 1 to 247 (254: any Senseair)"


def _identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    yield from read_all(_line(address, asking), plan_of(sheet).identity)


def _line(address: str, asking: Asking) -> Line:
    if error := address_error(address):
        raise Refused(error, address)
    return Line(int(address), asking)
