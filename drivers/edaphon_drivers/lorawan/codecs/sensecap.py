"""SenseCAP S210x payloads: (channel u8, id u16, value i32)* and a CRC, all little endian.

An id above 4096 is a measurement in thousandths of its unit; `frame.measurement` rows name those
that are used. The CRC is CRC-16/KERMIT over everything before it: the documents don't say so, but
all published frames hold it, save the one of an S2105 in the S210X User Guide (9.3.4), whose text
contradicts its bytes. S2120 and T1000 frames are built otherwise and fail it.

SenseCAP S2120 payloads: (packet u8, values big endian)* (S2120 User Guide, 10.2).

The sheet's `frame.packet` rows give id, bytes and the numbers; one without numbers is passed over.
Nothing of it is like the S210x, save the first byte.
"""

import struct
from collections.abc import Iterator
from functools import cached_property

from edaphon_drivers.checksums import crc16_kermit
from edaphon_drivers.faults import Garbled, Incomplete
from edaphon_drivers.lorawan.codecs import (
    ChannelRow,
    CodecFrame,
    TaggedFrame,
    Whole,
    output_errors,
    row_errors,
)
from edaphon_drivers.readings import Reading, reported
from edaphon_drivers.sheets import ListOf, Sheet, Table, takes

_VALUE = struct.Struct("<BHi")
_FIRST_MEASUREMENT = 4097
_BATTERY_ID = 7


class MeasurementRow(Table):
    """[[frame.measurement]]: what is used of an S210x."""

    id: Whole = takes("a whole number from 0 on")
    output: str = takes("the name of an [[output]]")


class SensecapFrame(CodecFrame):
    """[frame] with codec "sensecap"."""

    measurement: ListOf[MeasurementRow] = takes("a list of tables [[frame.measurement]]")

    def errors(self, sheet: Sheet) -> Iterator[str]:
        named = ["battery_level", *(row.output for row in self.measurement)]
        return output_errors("frame.measurement", named, sheet)

    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        """The measurements that the sheet names, and the battery where one is sent.

        Incomplete by a measurement that it doesn't name; what else a device says of itself has
        lower numbers and is passed over.
        """
        outputs = {row.id: row.output for row in self.measurement}
        readings, unknown = [], []
        for number_id, value in values_of(data, sheet):
            if number_id == _BATTERY_ID:
                readings.append(reported(sheet.outputs["battery_level"], value & 0xFFFF))
            elif number_id in outputs:
                readings.append(reported(sheet.outputs[outputs[number_id]], value / 1000))
            elif number_id >= _FIRST_MEASUREMENT:
                unknown.append(f"unknown measurement {number_id}")
        if unknown:
            detail = ", ".join(unknown)
            raise Incomplete(tuple(readings), tuple(unknown), detail, data, sheet.model)
        return tuple(readings)


def values_of(data: bytes, sheet: Sheet) -> Iterator[tuple[int, int]]:
    """The numbers of a frame by their ids; raises Garbled unless its CRC is right."""
    body, came = data[:-2], data[-2:]
    if not body or len(body) % _VALUE.size:
        raise Garbled("blocks of 7 bytes and a CRC of 2", data, sheet.model)
    right = crc16_kermit(body).to_bytes(2, "little")
    if came != right:
        raise Garbled(f"the CRC {right.hex()}", data, sheet.model)
    return ((number_id, value) for _, number_id, value in _VALUE.iter_unpack(body))


class S2120Frame(TaggedFrame):
    """[frame] with codec "sensecap_s2120"."""

    tag_bytes = 1

    packet: ListOf[ChannelRow] = takes("a list of tables [[frame.packet]]")

    @cached_property
    def rows(self) -> dict[bytes, ChannelRow]:
        return {bytes((row.id,)): row for row in self.packet}

    def errors(self, sheet: Sheet) -> Iterator[str]:
        return row_errors("packet", self.packet, sheet)

    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        """Garbled for a frame of the S210x, which has its CRC."""
        try:
            return super().readings(data, f_port, sheet)
        except Incomplete:
            if crc16_kermit(data[:-2]).to_bytes(2, "little") != data[-2:]:
                raise
            raise Garbled("packets of the S2120, not an S210x frame", data, sheet.model) from None
