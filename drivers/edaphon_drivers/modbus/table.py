"""The register table of a model sheet: what is asked, and what stands where in the answers.

Addresses are those on the wire, from 0; makers often print them one higher.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from edaphon_drivers.faults import Refused
from edaphon_drivers.modbus.frame import Shape
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import Sheet

# Device identification (V1.1b3, 6.21): the basic objects, or all that the instrument has.
_IDENTIFY, _IDENTIFY_ALL = bytes.fromhex("2B 0E 01 00"), bytes.fromhex("2B 0E 03 00")
_KINDS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "f64": "d"}
_ORDERS = ("big", "little")
_FIELDS = ("version", "serial", "model", "vendor")
_FORMS = ("number", "hex", "dotted", "text")
_STATUSES = tuple(sorted(status for status in Status if status is not Status.OK))
_MOST_REGISTERS = 125
_MOST_BYTES = 255

Row = TypeVar("Row")


class _Wrong(ValueError):
    """What would be right in a row of the table."""


@dataclass(frozen=True, slots=True)
class Item:
    """One number or text in an answer, `at` registers behind its beginning.

    The number is (raw * multiply + plus) / divide: whole factors keep it as exact as a printed one.
    `output` is the sheet's output; an item of an identity has a `field` or `setting`, a `form`
    (`dotted`: high and low byte of a version) and perhaps `names` for its values.
    """

    output: str = ""
    at: int = 0
    type: str = "u16"
    word_order: str = "big"
    byte_order: str = "big"
    multiply: float = 1
    plus: float = 0
    divide: float = 1
    field: str = ""
    setting: str = ""
    form: str = "number"
    registers: int = 0  # of a text or hexadecimal number; 0: as many as the type has
    names: Mapping[str, str] | None = None

    @property
    def n_bytes(self) -> int:
        return 2 * self.registers or struct.calcsize(">" + _KINDS[self.type])

    def raw(self, data: bytes) -> float | int:
        """The number as it stands in `n_bytes` bytes."""
        if self.word_order == "little":
            data = b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))
        if self.byte_order == "little":
            data = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
        number: float | int = struct.unpack(">" + _KINDS[self.type], data)[0]
        return number

    def number(self, data: bytes) -> float:
        return (self.raw(data) * self.multiply + self.plus) / self.divide


@dataclass(frozen=True, slots=True)
class State:
    """A register that says why outputs have no number: one of `bits` is set, or it `equals`."""

    status: Status
    at: int = 0
    bits: int = 0
    equals: int | None = None
    outputs: tuple[str, ...] = ()  # none named: all

    def holds(self, raw: int) -> bool:
        return bool(raw & self.bits) or raw == self.equals


@dataclass(frozen=True, slots=True)
class Wait:
    """The answer's first register must become `equals`; asked again after `wait_s` [s]."""

    equals: int = 1
    wait_s: float = 1.0
    tries: int = 5


@dataclass(frozen=True, slots=True)
class Read:
    """One request and what its answer holds; the instrument may refuse an `optional` one.

    `address` is None where the request is not one for registers. Registers that can also be read
    by another function have it as `also_function`. `objects` names a maker's own objects of the
    device identification by number.
    """

    pdu: bytes
    shape: Shape
    function: int
    address: int | None
    also_function: int
    items: tuple[Item, ...]
    states: tuple[State, ...]
    wait: Wait | None
    optional: bool
    objects: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """A sheet's table, read once."""

    reads: tuple[Read, ...]
    identity: tuple[Read, ...]

    @property
    def shapes(self) -> dict[bytes, Shape]:
        return {read.pdu: read.shape for read in (*self.reads, *self.identity)}


_PLANS: dict[int, tuple[Sheet, Plan]] = {}
_MOST_PLANS = 256


def plan_of(sheet: Sheet) -> Plan:
    """The sheet's table; raises Refused with the first thing that is wrong in it."""
    kept = _PLANS.get(id(sheet))
    if kept and kept[0] is sheet:
        return kept[1]
    try:
        plan = Plan(
            tuple(_read(row, sheet, False) for row in _rows(sheet, "read")),
            tuple(_read(row, sheet, True) for row in _rows(sheet, "identity")),
        )
    except _Wrong as wrong:
        raise Refused(str(wrong), where=sheet.model) from None
    if len(_PLANS) >= _MOST_PLANS:
        _PLANS.clear()
    _PLANS[id(sheet)] = (sheet, plan)
    return plan


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """What is wrong in the table, one sentence for each row; nothing when all is well."""
    filled: set[str] = set()
    for name in ("read", "identity"):
        try:
            rows = _rows(sheet, name)
        except _Wrong as wrong:
            yield str(wrong)
            continue
        for n, row in enumerate(rows, 1):
            try:
                filled |= {item.output for item in _read(row, sheet, name == "identity").items}
            except _Wrong as wrong:
                yield f"frame.{name} {n}: {wrong}"
    if unfilled := sheet.outputs.keys() - filled:
        yield f"frame.read: expected a value for each output, none fills {', '.join(unfilled)}"


def _rows(sheet: Sheet, name: str) -> list[Mapping[str, Any]]:
    rows = sheet.frame.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise _Wrong(f"frame.{name}: expected tables, written [[frame.{name}]]")
    if name == "read" and not rows:
        raise _Wrong("frame.read: expected at least one table [[frame.read]]")
    return rows


_READ_KEYS = {
    "function", "also_function", "address", "count", "request", "bytes", "values", "states",
    "wait", "optional", "device_identification", "objects",
}  # fmt: skip


def _read(row: Mapping[str, Any], sheet: Sheet, identity: bool) -> Read:
    _known(row, _READ_KEYS)
    function = _whole(row, "function", 1, 127, 0x2B if "device_identification" in row else 3)
    pdu, shape, address = _asked(row, function)
    items = tuple(_item(value, sheet, identity, shape) for value in _list(row, "values"))
    states = tuple(_state(state, sheet, shape) for state in _list(row, "states"))
    wait = _built(Wait, row["wait"]) if "wait" in row else None
    also = _whole(row, "also_function", 1, 127, function)
    optional = bool(row.get("optional", identity))
    objects = _texts(row.get("objects", {}))
    return Read(pdu, shape, function, address, also, items, states, wait, optional, objects)


def _asked(row: Mapping[str, Any], function: int) -> tuple[bytes, Shape, int | None]:
    if "device_identification" in row:
        return _IDENTIFY_ALL if "objects" in row else _IDENTIFY, Shape(None), None
    if "request" in row:
        try:
            asked = bytes.fromhex(str(row["request"]))
        except ValueError:
            raise _Wrong('request is hexadecimal, such as "00 08 02"') from None
        return bytes((function,)) + asked, Shape(_whole(row, "bytes", 1, _MOST_BYTES)), None
    if function not in {3, 4}:
        raise _Wrong(f"function is 3 or 4, or has a request and bytes; came {function}")
    address = _whole(row, "address", 0, 0xFFFF)
    count = _whole(row, "count", 1, _MOST_REGISTERS)
    return struct.pack(">BHH", function, address, count), Shape(2 * count), address


def _item(value: Any, sheet: Sheet, identity: bool, shape: Shape) -> Item:
    item = _built(Item, value)
    _one_of("type", item.type, tuple(_KINDS))
    _one_of("word_order", item.word_order, _ORDERS)
    _one_of("byte_order", item.byte_order, _ORDERS)
    _one_of("form", item.form, _FORMS)
    if not isinstance(item.divide, int | float) or not item.divide:
        raise _Wrong(f"divide is a number other than 0, not {item.divide!r}")
    _texts(item.names or {})
    if identity and not item.setting:
        _one_of("field", item.field, _FIELDS)
    if not identity:
        _one_of("output", item.output, tuple(sheet.outputs))
    _within(item.at, item.n_bytes, shape)
    return item


def _state(value: Any, sheet: Sheet, shape: Shape) -> State:
    if not isinstance(value, Mapping):
        raise _Wrong(f"states is a list of tables, not of {value!r}")
    _one_of("status", value.get("status"), _STATUSES)
    outputs = tuple(_list(value, "outputs"))
    for name in outputs:
        _one_of("outputs", name, tuple(sheet.outputs))
    state = _built(State, {**value, "status": Status(value["status"]), "outputs": outputs})
    _within(state.at, 2, shape)
    return state


def _within(at: int, n_bytes: int, shape: Shape) -> None:
    if not isinstance(at, int) or at < 0 or 2 * at + n_bytes > (shape.size or 0):
        raise _Wrong(f"at {at!r} lies outside of the answer's {(shape.size or 0) // 2} registers")


def _built(row: Callable[..., Row], value: Any) -> Row:
    if not isinstance(value, Mapping):
        raise _Wrong(f"expected a table such as {{ at = 0 }}, came {value!r}")
    kinds = {f.name: f.type for f in fields(row)}  # type: ignore[arg-type]
    _known(value, set(kinds))
    for name, given in value.items():
        wanted = kinds[name]
        numeric = wanted in {int, float, int | None}
        if numeric and (isinstance(given, bool) or not isinstance(given, int | float)):
            raise _Wrong(f"{name} is a number, not {given!r}")
        if wanted in {int, int | None} and not isinstance(given, int):
            raise _Wrong(f"{name} is a whole number, not {given!r}")
    return row(**value)


def _texts(found: Any) -> Mapping[str, str]:
    if not isinstance(found, Mapping) or not all(isinstance(v, str) for v in found.values()):
        raise _Wrong(f'a table of texts such as {{ 128 = "serial" }}, not {found!r}')
    return found


def _known(row: Mapping[str, Any], names: set[str]) -> None:
    if unknown := sorted(row.keys() - names):
        raise _Wrong(f"{unknown[0]!r} is unknown here; known: {', '.join(sorted(names))}")


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    found = row.get(name, [])
    if not isinstance(found, list | tuple):
        raise _Wrong(f"{name} is a list, not {found!r}")
    return list(found)


def _whole(
    row: Mapping[str, Any], name: str, least: int, most: int, usual: int | None = None
) -> int:
    found = row.get(name, usual)
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        raise _Wrong(f"{name} is a whole number from {least} to {most}, not {found!r}")
    return found


def _one_of(name: str, found: object, known: tuple[str, ...]) -> None:
    if found not in known:
        raise _Wrong(f"{name} is one of {', '.join(known)}, not {found!r}")
