"""Cayenne LPP: (channel u8, type u8, value big endian)*; the owner says what a channel measures.

The sheet's `frame.channel` rows give id (the channel), type, and `outputs`, one name for each
number of the type. What the sheet doesn't name is passed over; what stands behind an
unknown type can't be found, for its length is unknown. (myDevices, Cayenne Docs, LoRa;
ElectronicCats CayenneLPP.)
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

from edaphon_drivers.lorawan.numbers import (
    CodecTable,
    NumberTable,
    UplinkCodec,
    Whole,
    check_port,
    output_errors,
    read_numbers,
    tagged_readings,
)
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import ListOf, PerSheet, Sheet, Table, frame_reader, one_of, takes, that


class LppType(NamedTuple):
    """A type: its numbers have `bytes` each, count in 1/`divide` of `units`."""

    bytes: int
    divide: tuple[int, ...]
    units: tuple[str, ...]
    signed: bool = False

    @property
    def length(self) -> int:
        return self.bytes * len(self.units)


_G = "standard_gravity"
KINDS: Mapping[int, LppType] = {
    0: LppType(1, (1,), ("dimensionless",)),  # digital input
    1: LppType(1, (1,), ("dimensionless",)),  # digital output
    2: LppType(2, (100,), ("dimensionless",), signed=True),  # analogue input
    3: LppType(2, (100,), ("dimensionless",), signed=True),  # analogue output
    100: LppType(4, (1,), ("dimensionless",)),  # generic sensor
    101: LppType(2, (1,), ("lx",)),
    102: LppType(1, (1,), ("dimensionless",)),  # presence
    103: LppType(2, (10,), ("degC",), signed=True),
    104: LppType(1, (2,), ("%",)),  # relative humidity
    113: LppType(2, (1000,) * 3, (_G,) * 3, signed=True),  # accelerometer x, y, z
    115: LppType(2, (10,), ("hPa",)),
    116: LppType(2, (100,), ("V",)),
    117: LppType(2, (1000,), ("A",)),
    118: LppType(4, (1,), ("Hz",)),
    120: LppType(1, (1,), ("%",)),
    121: LppType(2, (1,), ("m",), signed=True),  # altitude
    125: LppType(2, (1,), ("ppm",)),
    128: LppType(2, (1,), ("W",)),
    130: LppType(4, (1000,), ("m",)),  # distance
    131: LppType(4, (1000,), ("kWh",)),
    132: LppType(2, (1,), ("degree",)),
    133: LppType(4, (1,), ("s",)),  # seconds since 1970
    134: LppType(2, (100,) * 3, ("degree/s",) * 3, signed=True),  # gyrometer x, y, z
    135: LppType(1, (1,) * 3, ("count",) * 3),  # red, green, blue
    136: LppType(3, (10000, 10000, 100), ("degree", "degree", "m"), signed=True),  # position
    142: LppType(1, (1,), ("dimensionless",)),  # switch
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


class CayenneTable(CodecTable):
    """[frame] with codec "cayenne"."""

    channel: ListOf[LppRow] = takes("a list of tables [[frame.channel]]")


def _errors(table: CayenneTable, sheet: Sheet) -> Iterator[str]:
    for n, row in enumerate(table.channel, 1):
        where = f"frame.channel {n}"
        yield from output_errors(where, row.outputs, sheet)
        for name, unit in zip(row.outputs, KINDS[row.type].units, strict=False):
            if name in sheet.outputs and sheet.outputs[name].unit != unit:
                yield f"{where}: numbers of type {row.type} are in {unit}, {name} is not"


_table_of, _sheet_errors = frame_reader(CayenneTable, _errors)


@PerSheet
def _numbers_of(sheet: Sheet) -> dict[bytes, list[NumberTable]]:
    return {bytes((row.id, row.type)): row.numbers for row in _table_of(sheet).channel}


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of the channels that the sheet names."""
    table, numbers = _table_of(sheet), _numbers_of(sheet)
    check_port(data, f_port, sheet, table.f_port)

    def read(tag: bytes, value: bytes) -> Iterator[Reading]:
        return read_numbers(value, numbers.get(tag, ()), "big", sheet, table.codes)

    return tagged_readings(data, 2, _length, read, sheet)


def _length(tag: bytes, rest: bytes) -> int | None:
    kind = KINDS.get(tag[1])
    return kind.length if kind else None


CODEC = UplinkCodec(decode, _sheet_errors, lambda sheet: _table_of(sheet).f_port)
