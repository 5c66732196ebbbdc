"""Reads a Modbus exchange again: readings and identity from its bytes and the sheet's table alone.

Nothing that the talk decided is needed: the last good answer that holds a value counts, whatever
window of registers it was asked for; one value is never put together from two answers.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edaphon_drivers.checksums import has_crc
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.modbus.frame import (
    Request,
    Shape,
    answers,
    choose,
    exception_name,
    is_exception,
    parse_request,
    registers_asked,
    rtu_frame,
    tcp_frame,
    without_echo,
)
from edaphon_drivers.modbus.table import Item, Read, RegisterPlan, State, plan_of
from edaphon_drivers.readings import Identity, Reading, Status, Turn, reported, without_number
from edaphon_drivers.sheets import Output, Sheet

_BASIC_OBJECTS = {"0": "vendor", "1": "model", "2": "version"}


class ReadAnswer(NamedTuple):
    """Question and answer (PDUs), the data in it; `address` of plain registers only."""

    pdu: bytes
    answer: bytes
    address: int | None
    data: bytes

    def take(self, read: Read, at: int, n_bytes: int) -> bytes:
        """The bytes of a read's item; b"" where this answer doesn't hold all of them."""
        if read.address is None or self.address is None:
            start = 2 * at if self.pdu == read.pdu else -1
        elif self.pdu[0] in {read.function, read.also_function}:
            start = 2 * (read.address + at - self.address)
        else:
            start = -1
        found = self.data[start : start + n_bytes] if start >= 0 else b""
        return found if len(found) == n_bytes else b""


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """The values of the table that were answered, in its order; one reading for each output.

    Raises NoAnswer, Garbled or Refused when there is none.
    """
    plan = plan_of(sheet)
    asked = tuple(_asked(turns))
    got = good_answers(asked, plan)
    off = _states(got, plan)
    if (unready := _unready(asked, got, plan)) is not None:
        raise unready
    unsure = _unsure(asked, got, plan)
    readings: dict[str, Reading] = {}
    for read in plan.reads:
        for item in read.items:
            data = _last(got, read, item.at, item.n_bytes)
            if data and item.output not in readings and not _names(unsure, item.output):
                output = sheet.outputs[item.output]
                readings[item.output] = _reading(item, data, output, off)
    if not readings:
        raise _nothing(asked, plan)
    return tuple(readings.values())


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """What the registers and objects of the identity gave; None when nothing of it was answered."""
    plan = plan_of(sheet)
    got = good_answers(tuple(_asked(turns)), plan)
    who: dict[str, str] = {}
    settings: dict[str, str] = {}
    for read in plan.identity:
        for item in read.items:
            if data := _last(got, read, item.at, item.n_bytes):
                place, name = (settings, item.setting) if item.setting else (who, item.field)
                place[name] = _text(item, data)
        for name, text in _objects(got, read):
            (who if name in {"vendor", "model", "version", "serial"} else settings)[name] = text
    return Identity(**who, settings=settings) if who or settings else None


def good_answers(
    asked: Iterable[tuple[Request, bytes]], plan: RegisterPlan
) -> tuple[ReadAnswer, ...]:
    """The answers that are no exceptions, in order of the questions.

    On a serial line an answer equal to that of an earlier, other question may be that one again:
    it counts when the question got it twice, as the talk has it.
    """
    got: list[ReadAnswer] = []
    doubted: set[tuple[bytes, bytes]] = set()
    for request, came in asked:
        window = registers_asked(request.pdu)
        shape = Shape(2 * window[1]) if window else plan.shapes.get(request.pdu)
        if not shape or not came:
            continue
        earlier = _earlier_answers(got, request)
        answer = choose(answers(came, request, shape), earlier)
        if not answer or is_exception(answer):
            continue
        if answer in earlier and (request.pdu, answer) not in doubted:
            doubted.add((request.pdu, answer))
            continue
        data = answer if shape.size is None else answer[2:]
        got.append(ReadAnswer(request.pdu, answer, window[0] if window else None, data))
    return tuple(got)


def _earlier_answers(got: list[ReadAnswer], request: Request) -> set[bytes]:
    if request.transaction is not None or not got:
        return set()
    return {one.answer for one in got if one.pdu != request.pdu}


def item_reading(item: Item, data: bytes, output: Output) -> Reading:
    """The reading of the bytes of one value; a number that is none becomes a status."""
    number = item.number(data)
    if not math.isfinite(number):
        return without_number(output, Status.FAILURE if number != number else Status.INVALID)
    return reported(output, number)


def _asked(turns: Iterable[Turn]) -> Iterator[tuple[Request, bytes]]:
    request: Request | None = None
    came: list[bytes] = []
    for turn in turns:
        if not turn.sent:
            came.append(turn.data)
            continue
        if request:
            yield request, b"".join(came)
        request, came = parse_request(turn.data), []
    if request:
        yield request, b"".join(came)


def _last(got: tuple[ReadAnswer, ...], read: Read, at: int, n_bytes: int) -> bytes:
    for answer in reversed(got):
        if data := answer.take(read, at, n_bytes):
            return data
    return b""


def _reading(item: Item, data: bytes, output: Output, off: list[State]) -> Reading:
    for state in off:
        if _names([state], item.output):
            return without_number(output, state.status)
    return item_reading(item, data, output)


def _states(got: tuple[ReadAnswer, ...], plan: RegisterPlan) -> list[State]:
    """The states that hold, in the order of the table: the first that names an output counts."""
    return [
        state
        for read, state in plan.states
        if (data := _last(got, read, state.at, 2)) and state.holds(int.from_bytes(data))
    ]


def _names(states: Iterable[State], output: str) -> bool:
    return any(not state.outputs or output in state.outputs for state in states)


def _unsure(
    asked: tuple[tuple[Request, bytes], ...], got: tuple[ReadAnswer, ...], plan: RegisterPlan
) -> list[State]:
    """The states that were asked for and not learnt: what they speak of may be no measurement."""
    return [state for read, state in plan.states if _is_missing(asked, got, read, state.at)]


def _is_missing(
    asked: tuple[tuple[Request, bytes], ...], got: tuple[ReadAnswer, ...], read: Read, at: int
) -> bool:
    """Whether that register was asked for in vain; an `optional` one may be refused."""
    if read.optional or _last(got, read, at, 2):
        return False
    return any(_is_question(request, read, at) for request, _ in asked)


def _is_question(request: Request, read: Read, at: int) -> bool:
    window = registers_asked(request.pdu)
    if read.address is None or window is None:
        return request.pdu == read.pdu
    same = request.pdu[0] in {read.function, read.also_function}
    return same and window[0] <= read.address + at < sum(window)


def _unready(
    asked: tuple[tuple[Request, bytes], ...], got: tuple[ReadAnswer, ...], plan: RegisterPlan
) -> Fault | None:
    for read in plan.waits:
        if read.wait and _is_missing(asked, got, read, 0):
            return _nothing(asked, plan)
        data = _last(got, read, 0, 2) if read.wait else b""
        if read.wait and data and int.from_bytes(data) != read.wait.equals:
            wanted = f"register {read.address} to become {read.wait.equals}; does it measure?"
            return Refused(wanted, data)
    return None


def _objects(got: tuple[ReadAnswer, ...], read: Read) -> Iterator[tuple[str, str]]:
    names = {**_BASIC_OBJECTS, **read.objects}
    for answer in got:
        if answer.pdu != read.pdu or read.shape.size is not None:
            continue
        at = 7
        while at + 2 <= len(answer.data):
            number, size = answer.data[at : at + 2]
            text = answer.data[at + 2 : at + 2 + size]
            if (name := names.get(str(number))) and text:
                yield name, _printable(text)
            at += 2 + size


def _text(item: Item, data: bytes) -> str:
    if item.form == "hex":
        return data.hex().upper()
    if item.form == "dotted":
        return f"{data[0]}.{data[1]}"
    if item.form == "text":
        return _printable(data)
    number = item.number(data)
    text = f"{number:.7g}"
    return item.names.get(text, text)


def _printable(data: bytes) -> str:
    return "".join(chr(byte) for byte in data if 0x20 <= byte < 0x7F).strip()


def _nothing(asked: tuple[tuple[Request, bytes], ...], plan: RegisterPlan) -> Fault:
    where = f"unit {asked[0][0].unit}" if asked else ""
    for request, came in asked:
        found = answers(came, request, plan.shapes.get(request.pdu, Shape(0)))
        if found and is_exception(found[-1]):
            name = exception_name(found[-1])
            return Refused(f"registers; the instrument says {name}", came, where)
    if came := b"".join(without_echo(came, request) for request, came in asked):
        return Garbled("a whole answer with the right CRC", came, where)
    return NoAnswer("an answer", where=where)


_MBAP = 7
_AROUND = 5  # unit, function, byte count; CRC


def possible_requests(data: bytes, sheet: Sheet) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
    """Each frame with the sheet's requests that it may answer, in the order of the sheet.

    Where as many frames came as there are requests of their shape, they are in that order. Raises
    Garbled for bytes that are no whole frames, or answer nothing that the sheet asks.
    """
    found = tuple((frame, _fitting(frame, request, sheet)) for frame, request in _frames(data))
    if not found:
        raise Garbled("an answer frame with its CRC, such as 01 03 02 00 FA 39 C7", data)
    shapes = [requests for _, requests in found]
    decided = []
    for at, (frame, requests) in enumerate(found):
        if shapes.count(requests) == len(requests):
            nth = shapes[:at].count(requests)
            requests = requests[nth : nth + 1]
        decided.append((frame, requests))
    return tuple(decided)


def _frames(data: bytes) -> Iterator[tuple[bytes, Request]]:
    """The frames one behind the other; on TCP known by their own length field."""
    at = 0
    while at < len(data):
        rest = data[at:]
        frame = rest[: _length(rest)]
        request = parse_request(frame)
        if request is None or len(request.pdu) < 2:
            raise Garbled("whole answer frames with the right CRC", rest)
        yield frame, request
        at += len(frame)


def _length(rest: bytes) -> int:
    if rest[2:4] == b"\0\0" and len(rest) > _MBAP and not has_crc(rest[:_AROUND]):
        return 6 + int.from_bytes(rest[4:6])
    if len(rest) < _AROUND or rest[1] & 0x80:
        return _AROUND
    return _AROUND + rest[2]


def _fitting(frame: bytes, request: Request, sheet: Sheet) -> tuple[bytes, ...]:
    reads = [read for read in plan_of(sheet).reads if _fits(request.pdu, read)]
    if not reads:
        asked = ", ".join(
            f"{r.shape.size} bytes to function {r.function}" for r in plan_of(sheet).reads
        )
        raise Garbled(f"an answer of {asked} ({sheet.model})", frame)
    function = bytes((request.pdu[0] & 0x7F,))
    pdus = [function + read.pdu[1:] for read in (reads[:1] if is_exception(request.pdu) else reads)]
    if request.transaction is None:
        return tuple(rtu_frame(request.unit, pdu) for pdu in pdus)
    return tuple(tcp_frame(request.transaction, request.unit, pdu) for pdu in pdus)


def _fits(pdu: bytes, read: Read) -> bool:
    function = pdu[0] & 0x7F
    if function != read.function and function != (read.also_function or read.function):
        return False
    return is_exception(pdu) or pdu[1] == read.shape.size == len(pdu) - 2
