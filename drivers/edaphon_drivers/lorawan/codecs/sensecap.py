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

from edaphon_drivers.checksums import crc16_kermit
from edaphon_drivers.faults import Garbled, Incomplete
from edaphon_drivers.lorawan.numbers import (
    ChannelRow,
    CodecTable,
    UplinkCodec,
    Whole,
    output_errors,
    row_errors,
    row_readings,
)
from edaphon_drivers.readings import Identity, Reading, reported
from edaphon_drivers.sheets import ListOf, Sheet, Table, frame_reader, takes

_VALUE = struct.Struct("<BHi")
_FIRST_MEASUREMENT = 4097
_VERSION_ID, _EUI_LOW_ID, _EUI_HIGH_ID, _BATTERY_ID = 0, 2, 3, 7


class MeasurementRow(Table):
    """[[frame.measurement]]: what is used of an S210x."""

    id: Whole = takes("a whole number from 0 on")
    output: str = takes("the name of an [[output]]")


class SensecapTable(Table):
    """[frame] with codec "sensecap"."""

    codec: str = takes("the name of a codec")
    measurement: ListOf[MeasurementRow] = takes("a list of tables [[frame.measurement]]")


def _errors(table: SensecapTable, sheet: Sheet) -> Iterator[str]:
    named = ["battery_level", *(row.output for row in table.measurement)]
    yield from output_errors("frame.measurement", named, sheet)


_table_of, _sheet_errors = frame_reader(SensecapTable, _errors)


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The measurements that the sheet names, and the battery where one is sent.

    Incomplete by a measurement that it doesn't name; what else a device says of itself has lower
    numbers and is passed over.
    """
    outputs = {row.id: row.output for row in _table_of(sheet).measurement}
    readings, unknown = [], []
    for number_id, value in _values(data, sheet):
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


def decode_identity(data: bytes, f_port: int, sheet: Sheet) -> Identity | None:
    """The probe's own EUI, which comes in two halves, or the logger's versions and interval.

    None from a frame that has neither.
    """
    values = {number_id: value & 0xFFFFFFFF for number_id, value in _values(data, sheet)}
    if _EUI_LOW_ID in values and _EUI_HIGH_ID in values:
        return Identity("SenseCAP", serial=f"{values[_EUI_HIGH_ID]:08X}{values[_EUI_LOW_ID]:08X}")
    if _VERSION_ID not in values:
        return None
    software, minor, hardware, revision = (values[_VERSION_ID] >> n & 0xFF for n in (8, 0, 24, 16))
    settings = {"hardware": f"{hardware}.{revision}"}
    if _BATTERY_ID in values:
        settings["interval"] = f"{values[_BATTERY_ID] >> 16} min"
    return Identity("SenseCAP", version=f"{software}.{minor}", settings=settings)


def _values(data: bytes, sheet: Sheet) -> Iterator[tuple[int, int]]:
    body, came = data[:-2], data[-2:]
    if not body or len(body) % _VALUE.size:
        raise Garbled("blocks of 7 bytes and a CRC of 2", data, sheet.model)
    right = crc16_kermit(body).to_bytes(2, "little")
    if came != right:
        raise Garbled(f"the CRC {right.hex()}", data, sheet.model)
    return ((number_id, value) for _, number_id, value in _VALUE.iter_unpack(body))


CODEC = UplinkCodec(decode, _sheet_errors, lambda _: ())


class PacketTable(CodecTable):
    """[frame] with codec "sensecap_s2120"."""

    packet: ListOf[ChannelRow] = takes("a list of tables [[frame.packet]]")


def _packet_errors(table: PacketTable, sheet: Sheet) -> Iterator[str]:
    yield from row_errors("packet", table.packet, sheet)


_packets_of, _packet_sheet_errors = frame_reader(PacketTable, _packet_errors)


def decode_s2120(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Incomplete by an unknown packet; Garbled for a frame of the S210x, which has its CRC."""
    table = _packets_of(sheet)
    rows = {bytes((row.id,)): row for row in table.packet}
    try:
        return row_readings(data, f_port, sheet, table, rows)
    except Incomplete:
        if crc16_kermit(data[:-2]).to_bytes(2, "little") == data[-2:]:
            raise Garbled("packets of the S2120, not an S210x frame", data, sheet.model) from None
        raise


S2120_CODEC = UplinkCodec(
    decode_s2120, _packet_sheet_errors, lambda sheet: _packets_of(sheet).f_port
)
