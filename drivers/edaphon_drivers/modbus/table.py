"""The register table of a model sheet: what is asked, and what stands where in the answers.

Addresses are those on the wire, from 0; makers often print them one higher.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Strict, model_validator

from edaphon_drivers.modbus.frame import Shape
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import (
    ListOf,
    Number,
    PerSheet,
    Sheet,
    Table,
    frame_reader,
    one_of,
    refuse,
    takes,
    that,
    whole,
)

# Device identification (V1.1b3, 6.21): the basic objects, or all that the instrument has.
_IDENTIFY, _IDENTIFY_ALL = bytes.fromhex("2B 0E 01 00"), bytes.fromhex("2B 0E 03 00")
_KINDS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "f64": "d"}
_MOST_REGISTERS = 125
_MOST_BYTES = 255


def _hexadecimal(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError:
        raise ValueError('is hexadecimal, such as "00 08 02"') from None
    return text


_WHOLE = "a whole number"
_NUMBER = "a number"
_NAMES = 'a table of texts such as { 128 = "serial" }'


class Item(Table):
    """One number or text in an answer, `at` registers behind its beginning.

    The number is (raw * multiply + plus) / divide: whole factors keep it as exact as a printed one.
    `output` is the sheet's output; an item of an identity has a `field` or `setting`, a `form`
    (`dotted`: high and low byte of a version) and perhaps `names` for its values.
    """

    output: str = takes("the name of an [[output]]", "")
    at: int = takes("a whole number from 0 on", 0, ge=0)
    type: Literal["u16", "i16", "u32", "i32", "f32", "u64", "f64"] = takes(one_of(_KINDS), "u16")
    word_order: Literal["big", "little"] = takes("one of big, little", "big")
    byte_order: Literal["big", "little"] = takes("one of big, little", "big")
    multiply: Number = takes(_NUMBER, 1)
    plus: Number = takes(_NUMBER, 0)
    divide: Annotated[Number, that(bool)] = takes("a number other than 0", 1)
    field: Literal["", "version", "serial", "model", "vendor"] = takes(
        "one of version, serial, model, vendor", ""
    )
    setting: str = takes("the name of a setting", "")
    form: Literal["number", "hex", "dotted", "text"] = takes(
        "one of number, hex, dotted, text", "number"
    )
    # of a text or hexadecimal number; 0: as many as the type has
    registers: int = takes(_WHOLE, 0, ge=0)
    names: dict[str, str] = takes(_NAMES, {})

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


class State(Table):
    """A register that says why outputs have no number: one of `bits` is set, or it `equals`."""

    status: Annotated[Status, Strict(False), that(lambda status: status is not Status.OK)] = takes(
        one_of(sorted(status for status in Status if status is not Status.OK))
    )
    at: int = takes("a whole number from 0 on", 0, ge=0)
    bits: int = takes(_WHOLE, 0)
    equals: int | None = takes(_WHOLE, None)
    outputs: ListOf[str] = takes("a list of names of outputs; none named: all", ())

    def holds(self, raw: int) -> bool:
        return bool(raw & self.bits) or raw == self.equals


class Wait(Table):
    """The answer's first register must become `equals`; asked again after `wait_s` [s]."""

    equals: int = takes(_WHOLE, 1)
    wait_s: Number = takes("a number of seconds", 1.0)
    tries: int = takes(_WHOLE, 5)


class ReadTable(Table):
    """[[frame.read]] or [[frame.identity]]: one request, and what its answer holds."""

    function: int | None = whole(1, 127)
    also_function: int | None = whole(1, 127)
    address: int | None = whole(0, 0xFFFF)
    count: int | None = whole(1, _MOST_REGISTERS)
    request: Annotated[str, AfterValidator(_hexadecimal)] | None = takes(
        'hexadecimal, such as "00 08 02"', None
    )
    bytes: int | None = whole(1, _MOST_BYTES)
    values: ListOf[Item] = takes("a list of tables such as { at = 0 }", ())
    states: ListOf[State] = takes("a list of tables", ())
    wait: Wait | None = takes("a table such as { equals = 1 }", None)
    optional: bool | None = takes("true or false", None)
    device_identification: bool | None = takes("true", None)
    objects: dict[str, str] = takes(_NAMES, {})

    @model_validator(mode="after")
    def _whole(self) -> "ReadTable":
        if self.device_identification is not None:
            return self
        if self.request is None and self.function not in {None, 3, 4}:
            raise ValueError(f"function is 3 or 4, or has a request and bytes; not {self.function}")
        given = self.model_fields_set
        needed = {"bytes"} if self.request is not None else {"address", "count"}
        for key in sorted(needed - given):
            raise ValueError(f"needs {key}, {ReadTable.model_fields[key].description}")
        return self

    def read(self, of_identity: bool) -> "Read":
        if self.device_identification is not None:
            function = self.function or 0x2B
            pdu, shape = _IDENTIFY_ALL if "objects" in self.model_fields_set else _IDENTIFY, None
        elif self.request is not None:
            function, shape = self.function or 3, self.bytes
            pdu = function.to_bytes() + bytes.fromhex(self.request)
        else:
            function, shape = self.function or 3, 2 * (self.count or 0)
            pdu = struct.pack(">BHH", function, self.address, self.count)
        plain = self.device_identification is None and self.request is None
        return Read(
            pdu=pdu,
            shape=Shape(shape),
            function=function,
            address=self.address if plain else None,
            also_function=self.also_function or function,
            items=self.values,
            states=self.states,
            wait=self.wait,
            optional=of_identity if self.optional is None else self.optional,
            objects=self.objects,
        )


class ModbusTable(Table):
    """[frame] of a Modbus sheet."""

    read: Annotated[ListOf[ReadTable], that(bool)] = takes("at least one table [[frame.read]]")
    identity: ListOf[ReadTable] = takes("a list of tables [[frame.identity]]", ())


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
class RegisterPlan:
    """A sheet's table, read once."""

    reads: tuple[Read, ...]
    identity: tuple[Read, ...]

    @property
    def shapes(self) -> dict[bytes, Shape]:
        return {read.pdu: read.shape for read in (*self.reads, *self.identity)}


def _further_errors(table: ModbusTable, sheet: Sheet) -> Iterator[str]:
    """Names that are no output, places outside of an answer, outputs without a value."""
    filled: set[str] = set()
    for name, rows in (("read", table.read), ("identity", table.identity)):
        for n, row in enumerate(rows, 1):
            where, read = f"frame.{name} {n}", row.read(name == "identity")
            yield from _read_errors(where, read, sheet, name == "identity")
            filled |= {item.output for item in read.items}
    if unfilled := sheet.outputs.keys() - filled:
        yield f"frame.read: expected a value for each output, none fills {', '.join(unfilled)}"


def _read_errors(where: str, read: Read, sheet: Sheet, of_identity: bool) -> Iterator[str]:
    outputs = one_of(sheet.outputs)
    for item in read.items:
        if not of_identity and item.output not in sheet.outputs:
            yield f"{where}: output is {outputs}, not {item.output!r}"
        if of_identity and not item.setting and not item.field:
            yield f"{where}: field is one of version, serial, model, vendor"
        yield from _outside(where, item.at, item.n_bytes, read.shape)
    for state in read.states:
        for output in state.outputs:
            if output not in sheet.outputs:
                yield f"{where}: outputs is {outputs}, not {output!r}"
        yield from _outside(where, state.at, 2, read.shape)


def _outside(where: str, at: int, n_bytes: int, shape: Shape) -> Iterator[str]:
    if 2 * at + n_bytes > (shape.size or 0):
        registers = (shape.size or 0) // 2
        yield f"{where}: at {at} lies outside of the answer's {registers} registers"


_table_of, sheet_errors = frame_reader(ModbusTable, _further_errors)


@PerSheet
def plan_of(sheet: Sheet) -> RegisterPlan:
    """The sheet's table; raises Refused with the first error in it."""
    refuse(sheet_errors(sheet), sheet)
    table = _table_of(sheet)
    return RegisterPlan(
        tuple(row.read(False) for row in table.read),
        tuple(row.read(True) for row in table.identity),
    )
