"""Numbers inside an uplink's bytes, described by the tables of a model sheet.

A number's table: `output`, `at` (first byte, 0), `bytes` (2), then `signed`, `float`, `mask`,
`divide` (1) and `offset` (0, in the unit). `words` are the meanings of 0, 1, 2 ..; any other number
is invalid. `codes` are the bytes, as one hexadecimal number, that stand for a status, `frame.codes`
the same for every number of two bytes. `when` (at, mask, is) says that another byte decides whether
the number is there at all, `fails` (at, mask, codes) that it decides whether the number counts.
"""

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.reported import reported, without_number
from edaphon_drivers.sheets import Sheet

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
