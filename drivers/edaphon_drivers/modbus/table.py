"""The register table of a model sheet: what is asked, and what stands where in the answers.

Addresses are those on the wire, from 0; makers often print them one higher.
"""

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Strict, model_validator

from edaphon_drivers.modbus.frame import Shape
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import (
    ListOf,
    Number,
    Sheet,
    Table,
    frame_reader,
    one_of,
    per_sheet,
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

    @cached_property
    def n_bytes(self) -> int:
        return 2 * self.registers or self._struct.size

    @cached_property
    def _struct(self) -> struct.Struct:
        return struct.Struct(">" + _KINDS[self.type])

    @cached_property
    def _is_turned(self) -> bool:
        return "little" in {self.word_order, self.byte_order}

    def raw(self, data: bytes) -> float | int:
        """The number as it is written in `n_bytes` bytes."""
        if self._is_turned:
            words = [data[at : at + 2] for at in range(0, len(data), 2)]
            words = words[::-1] if self.word_order == "little" else words
            data = b"".join(w[::-1] if self.byte_order == "little" else w for w in words)
        number: float | int = self._struct.unpack(data)[0]
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


class Read(Table):
    """[[frame.read]] or [[frame.identity]]: one request, and what its answer holds.

    `address` is None where the request is not one for registers. Registers that can also be read
    by another function have it as `also_function`. The instrument may refuse an `optional` one.
    `objects` names a maker's own objects of the device identification by number.
    """

    given_function: int | None = whole(1, 127, alias="function")
    given_also: int | None = whole(1, 127, alias="also_function")
    address: int | None = whole(0, 0xFFFF)
    count: int | None = whole(1, _MOST_REGISTERS)
    request: Annotated[str, AfterValidator(_hexadecimal)] | None = takes(
        'hexadecimal, such as "00 08 02"', None
    )
    n_bytes: int | None = whole(1, _MOST_BYTES, alias="bytes")
    items: ListOf[Item] = takes("a list of tables such as { at = 0 }", (), alias="values")
    states: ListOf[State] = takes("a list of tables", ())
    wait: Wait | None = takes("a table such as { equals = 1 }", None)
    optional: bool | None = takes("true or false", None)
    device_identification: bool | None = takes("true", None)
    objects: dict[str, str] = takes(_NAMES, {})

    @model_validator(mode="after")
    def _whole(self) -> "Read":
        if self.device_identification is not None:
            return self
        if self.request is None and self.given_function not in {None, 3, 4}:
            raise ValueError(
                f"function is 3 or 4, or has a request and bytes; not {self.given_function}"
            )
        needed = ("n_bytes",) if self.request is not None else ("address", "count")
        for name in needed:
            if name not in self.model_fields_set:
                field = Read.model_fields[name]
                raise ValueError(f"needs {field.alias or name}, {field.description}")
        if self.request is not None and self.address is not None:
            raise ValueError("has a request or an address, not both")
        return self

    @cached_property
    def function(self) -> int:
        return self.given_function or (3 if self.device_identification is None else 0x2B)

    @cached_property
    def also_function(self) -> int:
        return self.given_also or self.function

    @cached_property
    def shape(self) -> Shape:
        if self.device_identification is not None:
            return Shape(None)
        return Shape(self.n_bytes if self.request is not None else 2 * (self.count or 0))

    @cached_property
    def pdu(self) -> bytes:
        if self.device_identification is not None:
            return _IDENTIFY_ALL if "objects" in self.model_fields_set else _IDENTIFY
        if self.request is not None:
            return self.function.to_bytes() + bytes.fromhex(self.request)
        return struct.pack(">BHH", self.function, self.address, self.count)


class RegisterPlan(Table):
    """[frame] of a Modbus sheet."""

    reads: Annotated[ListOf[Read], that(bool)] = takes(
        "at least one table [[frame.read]]", alias="read"
    )
    asked_who: ListOf[Read] = takes("a list of tables [[frame.identity]]", (), alias="identity")

    @cached_property
    def identity(self) -> tuple[Read, ...]:
        """Who does not say who it is may still measure."""
        optional = {"optional": True}
        return tuple(
            read.model_copy(update=optional if read.optional is None else {})
            for read in self.asked_who
        )

    @cached_property
    def shapes(self) -> dict[bytes, Shape]:
        return {read.pdu: read.shape for read in (*self.reads, *self.identity)}

    @cached_property
    def states(self) -> tuple[tuple[Read, State], ...]:
        return tuple((read, state) for read in self.reads for state in read.states)

    @cached_property
    def waits(self) -> tuple[Read, ...]:
        return tuple(read for read in self.reads if read.wait)


def _further_errors(table: RegisterPlan, sheet: Sheet) -> Iterator[str]:
    """Names that are no output, places outside of an answer, outputs without a value."""
    filled: set[str] = set()
    for name, rows in (("read", table.reads), ("identity", table.asked_who)):
        for n, row in enumerate(rows, 1):
            yield from _read_errors(f"frame.{name} {n}", row, sheet, name == "identity")
            filled |= {item.output for item in row.items}
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


_table_of, sheet_errors = frame_reader(RegisterPlan, _further_errors)


@per_sheet
def plan_of(sheet: Sheet) -> RegisterPlan:
    """The sheet's table; raises Refused with the first error in it."""
    refuse(sheet_errors(sheet), sheet)
    return _table_of(sheet)
