"""Numbers inside an uplink's bytes, described by the tables of a model sheet; what codecs share.

A number's table: `output`, `at` (first byte, 0), `bytes` (2), then `signed`, `float`, `mask`,
`divide` (1) and `offset` (0, in the unit). `words` are the meanings of 0, 1, 2 ..; any other number
is invalid. `codes` are the bytes, as one hexadecimal number, that stand for a status, `frame.codes`
the same for every number of two bytes. `when` (at, mask, is) says that another byte decides whether
the number is there at all, `fails` (at, mask, codes) that it decides whether the number counts.
"""

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from edaphon_drivers.faults import Garbled, Incomplete
from edaphon_drivers.readings import Reading, Status, reported, without_number
from edaphon_drivers.sdi12.parse import parse_relayed
from edaphon_drivers.sheets import Output, Sheet, load_sheet

Order = Literal["big", "little"]
Table = Mapping[str, Any]
_FLOAT = {("big", 2): ">e", ("little", 2): "<e", ("big", 4): ">f", ("little", 4): "<f"}


def check_port(data: bytes, f_port: int, sheet: Sheet) -> None:
    """Garbled for a port that is not among `frame.f_port` (one or a list; absent: any)."""
    allowed = sheet.frame.get("f_port", f_port)
    ports = allowed if isinstance(allowed, list) else [allowed]
    if f_port not in ports:
        raise Garbled(f"f_port {' or '.join(map(str, ports))}, not {f_port}", data, sheet.model)


def epoch_ns(value: bytes, order: Order) -> int:
    """A time of its own: four bytes, seconds since 1970 UTC."""
    return int.from_bytes(value, order) * 1_000_000_000


def applies(when: Table | None, value: bytes) -> bool:
    """Whether the byte that decides says yes; True without a condition."""
    return when is None or (value[when["at"]] & when.get("mask", 0xFF)) in when["is"]


def read_numbers(
    value: bytes, numbers: Iterable[Table], order: Order, sheet: Sheet, time_ns: int | None = None
) -> Iterator[Reading]:
    """The readings of the numbers that are there."""
    for number in numbers:
        if applies(number.get("when"), value):
            at = number.get("at", 0)
            raw = value[at : at + number.get("bytes", 2)]
            status = _status(number, raw, value, order, sheet)
            output = sheet.outputs[number["output"]]
            if status is not Status.OK:
                yield without_number(output, status, time_ns)
            else:
                yield reported(output, _number(number, raw, order), time_ns)


def _status(number: Table, raw: bytes, value: bytes, order: Order, sheet: Sheet) -> Status:
    fails = number.get("fails")
    if fails:
        decided = str(value[fails["at"]] & fails.get("mask", 0xFF))
        if decided in fails["codes"]:
            return Status(fails["codes"][decided])
    unsigned = int.from_bytes(raw, order)
    everywhere = sheet.frame.get("codes", {}) if len(raw) == 2 else {}
    code = {**everywhere, **number.get("codes", {})}.get(f"{unsigned:0{2 * len(raw)}X}")
    if code:
        return Status(code)
    if "words" in number and unsigned & number.get("mask", unsigned) >= len(number["words"]):
        return Status.INVALID
    if number.get("float") and not math.isfinite(_number(number, raw, order)):
        return Status.INVALID
    return Status.OK


def _number(number: Table, raw: bytes, order: Order) -> float:
    divide: float = number.get("divide", 1)
    if number.get("float"):
        return float(struct.unpack(_FLOAT[order, len(raw)], raw)[0]) / divide
    integer = int.from_bytes(raw, order, signed=number.get("signed", False))
    mask: int = number.get("mask", -1)
    offset: float = number.get("offset", 0)
    return (integer & mask) / divide + offset


Length = Callable[[bytes, bytes], int | None]


def tagged_readings(
    data: bytes,
    tag_bytes: int,
    length: Length,
    read: Callable[[bytes, bytes], Iterable[Reading]],
    sheet: Sheet,
) -> tuple[Reading, ...]:
    """What `read(tag, value)` makes of each value, in order.

    Raises Incomplete when only some of them can be read: a value that `read` refuses costs itself,
    an unknown tag or a cut value all that stands behind it. Garbled when none can be read.
    """
    readings: list[Reading] = []
    unread: list[_Unread] = []
    known = 0
    try:
        for tag, value in split_tagged(data, tag_bytes, length, sheet):
            try:
                readings.extend(read(tag, value))
                known += 1
            except Garbled as fault:
                unread.append(_Unread(f"channel {_hex(tag)} without {fault.expected}", fault))
    except _Unread as fault:
        unread.append(fault)
    if unread and not known:
        raise unread[0]
    if unread:
        detail = "; ".join(one.detail for one in unread)
        names = tuple(one.what for one in unread)
        raise Incomplete(tuple(readings), names, detail, data, sheet.model)
    return tuple(readings)


def split_tagged(
    data: bytes, tag_bytes: int, length: Length, sheet: Sheet
) -> Iterator[tuple[bytes, bytes]]:
    """Tags and values in order; `length(tag, rest)` is the value's, None for an unknown tag.

    Raises Garbled for an unknown tag or a cut value: nothing behind it can be found any more.
    """
    if not data:
        raise Garbled("at least one value", data, sheet.model)
    at = 0
    while at < len(data):
        tag, rest = data[at : at + tag_bytes], data[at + tag_bytes :]
        n_bytes = length(tag, rest) if len(tag) == tag_bytes else None
        if n_bytes is None or len(rest) < n_bytes:
            cut = n_bytes is not None or len(tag) < tag_bytes
            what = f"{'cut' if cut else 'unknown'} channel {_hex(tag)}"
            fault = Garbled(f"a whole known channel at byte {at}", data, sheet.model)
            raise _Unread(what, fault, f" at byte {at}: {len(data) - at} bytes not read")
        yield tag, rest[:n_bytes]
        at += tag_bytes + n_bytes


class _Unread(Garbled):
    """A channel that can't be read, `what` of it is alike in every frame, and where it stands."""

    def __init__(self, what: str, fault: Garbled, place: str = "") -> None:
        super().__init__(fault.expected, fault.came, fault.where)
        self.what, self.detail = what, what + place


def _hex(tag: bytes) -> str:
    return tag.hex(" ").upper()


def relayed_readings(
    texts: Sequence[bytes], named: Mapping[str, Any], sheet: Sheet, time_ns: int | None = None
) -> Iterator[Reading]:
    """The values of answers, one after another, by `named`: a `probe` or a list of `outputs`.

    A probe's sheet names them by the outputs of its first command, so their number must be right;
    of `outputs` the first ones are used. No value at all is a failure of every output. Garbled for
    a text that is no SDI-12 answer.
    """
    values = [value for text in texts for value in parse_relayed(text)[1]]
    known = _outputs(named, sheet)
    if values and "probe" in named and len(values) != len(known):
        raise Garbled(f"{len(known)} values of {named['probe']}", b"\r\n".join(texts), sheet.model)
    if not values:
        yield from (without_number(o, Status.FAILURE, time_ns) for o in known if o is not None)
    for output, value in zip(known, values, strict=False):
        if output is not None:
            yield reported(output, value, time_ns)


def _outputs(named: Mapping[str, Any], sheet: Sheet) -> list[Output | None]:
    """In order; None for a value that is read and not used."""
    if "probe" not in named:
        return [sheet.outputs.get(name) for name in named["outputs"]]
    probe = load_sheet(named["probe"])
    outputs = {**probe.outputs, **sheet.outputs}
    return [outputs.get(name) for name in probe.commands[0].outputs]
