"""Cayenne LPP: (channel u8, type u8, value big endian)*; the owner says what a channel measures.

The sheet's `frame.channel` rows give id (the channel), type, and `outputs`, one name for each
number of the type. What the sheet doesn't name is passed over; what stands behind an
unknown type can't be found, for its length is unknown. (myDevices, Cayenne Docs, LoRa;
ElectronicCats CayenneLPP.)
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edaphon_drivers.lorawan.numbers import check_port, read_numbers, tagged_readings
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet


class Kind(NamedTuple):
    """A type: its numbers have `bytes` each, count in 1/`divide` of `units`."""

    bytes: int
    divide: tuple[int, ...]
    units: tuple[str, ...]
    signed: bool = False

    @property
    def length(self) -> int:
        return self.bytes * len(self.units)


_G = "standard_gravity"
KINDS: Mapping[int, Kind] = {
    0: Kind(1, (1,), ("dimensionless",)),  # digital input
    1: Kind(1, (1,), ("dimensionless",)),  # digital output
    2: Kind(2, (100,), ("dimensionless",), signed=True),  # analogue input
    3: Kind(2, (100,), ("dimensionless",), signed=True),  # analogue output
    100: Kind(4, (1,), ("dimensionless",)),  # generic sensor
    101: Kind(2, (1,), ("lx",)),
    102: Kind(1, (1,), ("dimensionless",)),  # presence
    103: Kind(2, (10,), ("degC",), signed=True),
    104: Kind(1, (2,), ("%",)),  # relative humidity
    113: Kind(2, (1000,) * 3, (_G,) * 3, signed=True),  # accelerometer x, y, z
    115: Kind(2, (10,), ("hPa",)),
    116: Kind(2, (100,), ("V",)),
    117: Kind(2, (1000,), ("A",)),
    118: Kind(4, (1,), ("Hz",)),
    120: Kind(1, (1,), ("%",)),
    121: Kind(2, (1,), ("m",), signed=True),  # altitude
    125: Kind(2, (1,), ("ppm",)),
    128: Kind(2, (1,), ("W",)),
    130: Kind(4, (1000,), ("m",)),  # distance
    131: Kind(4, (1000,), ("kWh",)),
    132: Kind(2, (1,), ("degree",)),
    133: Kind(4, (1,), ("s",)),  # seconds since 1970
    134: Kind(2, (100,) * 3, ("degree/s",) * 3, signed=True),  # gyrometer x, y, z
    135: Kind(1, (1,) * 3, ("count",) * 3),  # red, green, blue
    136: Kind(3, (10000, 10000, 100), ("degree", "degree", "m"), signed=True),  # position
    142: Kind(1, (1,), ("dimensionless",)),  # switch
}


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of the channels that the sheet names."""
    check_port(data, f_port, sheet)
    names = {bytes((row["id"], row["type"])): row["outputs"] for row in sheet.frame["channel"]}

    def read(tag: bytes, value: bytes) -> Iterator[Reading]:
        kind = KINDS[tag[1]]
        numbers = [
            {
                "output": name,
                "at": n * kind.bytes,
                "bytes": kind.bytes,
                "signed": kind.signed,
                "divide": kind.divide[n],
            }
            for n, name in enumerate(names.get(tag, ())[: len(kind.units)])
        ]
        return read_numbers(value, numbers, "big", sheet)

    return tagged_readings(data, 2, _length, read, sheet)


def _length(tag: bytes, rest: bytes) -> int | None:
    kind = KINDS.get(tag[1])
    return kind.length if kind else None
