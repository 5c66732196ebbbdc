"""Cayenne LPP: (channel u8, type u8, value big endian)*; the owner says what a channel measures.

The sheet's `frame.channel` rows give id (the channel), type, and `outputs`, one name for each
number of the type. What the sheet doesn't name is passed over; what stands behind an
unknown type can't be found, for its length is unknown. (myDevices, Cayenne Docs, LoRa;
ElectronicCats CayenneLPP.)
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated

from edaphon_drivers.lorawan.codecs import (
    NumberTable,
    PortsFrame,
    Whole,
    output_errors,
    read_numbers,
    tagged_readings,
)
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import ListOf, Sheet, Table, data_of, one_of, takes, that


class LppType(Table):
    """A type: its numbers have `bytes` each, count in 1/`divide` of `units`."""

    bytes: int
    divide: ListOf[int]
    units: ListOf[str]
    signed: bool = False

    @property
    def length(self) -> int:
        return self.bytes * len(self.units)


KINDS: Mapping[int, LppType] = {
    int(kind): LppType.model_validate(row)
    for kind, row in data_of("lorawan/codecs/cayenne").items()
}


class LppRow(Table):
    """[[frame.channel]]: a channel of the device."""

    id: Whole = takes("a whole number from 0 on")
    type: Annotated[int, that(KINDS.__contains__)] = takes(one_of(map(str, KINDS)))
    outputs: ListOf[str] = takes("a list of names of outputs")

    @property
    def numbers(self) -> list[NumberTable]:
        kind = KINDS[self.type]
        return [
            NumberTable.model_validate(
                {
                    "output": name,
                    "at": n * kind.bytes,
                    "bytes": kind.bytes,
                    "signed": kind.signed,
                    "divide": kind.divide[n],
                }
            )
            for n, name in enumerate(self.outputs[: len(kind.units)])
        ]


class CayenneFrame(PortsFrame):
    """[frame] with codec "cayenne"."""

    channel: ListOf[LppRow] = takes("a list of tables [[frame.channel]]")

    @cached_property
    def numbers(self) -> dict[bytes, list[NumberTable]]:
        """Those of the channels that the sheet names, by tag."""
        return {bytes((row.id, row.type)): row.numbers for row in self.channel}

    def errors(self, sheet: Sheet) -> Iterator[str]:
        for n, row in enumerate(self.channel, 1):
            where = f"frame.channel {n}"
            yield from output_errors(where, row.outputs, sheet)
            for name, unit in zip(row.outputs, KINDS[row.type].units, strict=False):
                if name in sheet.outputs and sheet.outputs[name].unit != unit:
                    yield f"{where}: numbers of type {row.type} are in {unit}, {name} is not"

    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        """The readings of the channels that the sheet names."""

        def read(tag: bytes, value: bytes, sheet: Sheet) -> Iterator[Reading]:
            return read_numbers(value, self.numbers.get(tag, ()), "big", sheet, self.codes)

        return tagged_readings(data, 2, _length, read, sheet)


def _length(tag: bytes, rest: bytes) -> int | None:
    kind = KINDS.get(tag[1])
    return kind.length if kind else None
