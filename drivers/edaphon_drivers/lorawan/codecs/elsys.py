"""Elsys payloads: (type u8, value big endian)*, one table of types for all devices of the maker.

The sheet's `frame.type` rows give type, bytes and the numbers, and in `again` the outputs for the
second, third .. time that a type comes in one frame: more probes on one input. A position alone is
little endian, `order = "little"`. Types without a row are known by their length and passed over.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

from edaphon_drivers.lorawan.codecs import (
    NumberTable,
    Order,
    PortsFrame,
    Whole,
    number_errors,
    output_errors,
    read_numbers,
    tagged_readings,
)
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import ListOf, Sheet, Table, takes

# Infrared image and debugging words (maker's decoder).
_LENGTHS = {0x13: 65, 0x3D: 4}


class TypeRow(Table):
    """[[frame.type]]: a type of the maker's table."""

    type: Whole = takes("a whole number from 0 on")
    n_bytes: Whole = takes("a whole number from 0 on", alias="bytes")
    number: ListOf[NumberTable] = takes("a list of tables", ())
    again: ListOf[str] = takes("a list of names of outputs", ())
    order: Order = takes("one of big, little", "big")

    def numbers(self, time: int) -> Sequence[NumberTable]:
        """The numbers of a type that has come `time` times before in this frame."""
        if time == 0:
            return self.number
        names = self.again[time - 1 : time]
        return [self.number[0].model_copy(update={"output": name}) for name in names]


class ElsysFrame(PortsFrame):
    """[frame] with codec "elsys"."""

    type: ListOf[TypeRow] = takes("a list of tables [[frame.type]]")

    @cached_property
    def rows(self) -> dict[int, TypeRow]:
        return {row.type: row for row in self.type}

    def errors(self, sheet: Sheet) -> Iterator[str]:
        for n, row in enumerate(self.type, 1):
            where = f"frame.type {n}"
            yield from number_errors(where, row.number, row.n_bytes, sheet)
            yield from output_errors(where, row.again, sheet)
            if row.again and not row.number:
                yield f"{where}: again needs a number, whose bytes it has"

    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        """Incomplete by a type that isn't in the maker's table."""
        times: Counter[int] = Counter()

        def length(tag: bytes, _: bytes) -> int | None:
            row = self.rows.get(tag[0])
            return row.n_bytes if row else _LENGTHS.get(tag[0])

        def read(tag: bytes, value: bytes, sheet: Sheet) -> Iterator[Reading]:
            row = self.rows.get(tag[0])
            times[tag[0]] += 1
            if row is not None:
                numbers = row.numbers(times[tag[0]] - 1)
                yield from read_numbers(value, numbers, row.order, sheet, self.codes)

        return tagged_readings(data, 1, length, read, sheet)
