"""Dragino payloads: blocks of fixed length, big endian, known by port, length and a mode.

The sheet's `frame.block` rows give f_port, allowed lengths, `when` a byte decides which block it
is, and the fields, two bytes wide if nothing else is stated. With `record` the block is that many
bytes again and again; with `epoch_at` its readings have a time of their own: stored, sent later.

Dragino SDI-12-LB and -LS: battery, version of the payload, then what SDI-12 probes answered.

`frame.probe` names the sheet of the one probe behind it, or `frame.outputs` the values in order.
Bit 15 of the battery says that an interrupt woke the device; a byte from F0 on stands, with the one
behind it, between the answers of different commands (decoder of the maker).
"""

import re
from collections.abc import Iterator

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.numbers import (
    CodecTable,
    Decider,
    NumberTable,
    Port,
    RelayedTable,
    UplinkCodec,
    Whole,
    epoch_ns,
    number_errors,
    output_errors,
    read_numbers,
    relayed_errors,
    relayed_readings,
)
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import ListOf, Sheet, Table, frame_reader, takes


class BlockRow(Table):
    """[[frame.block]]: fields of a block of fixed length."""

    f_port: Port = takes("a port from 1 to 223")
    lengths: ListOf[Whole] = takes("a list of numbers of bytes", ())
    record: Whole = takes("a number of bytes", 0)
    epoch_at: Whole | None = takes("the number of a byte, from 0", None)
    when: Decider | None = takes("a table { at, mask, is }", None)
    field: ListOf[NumberTable] = takes("a list of tables [[frame.block.field]]")

    def fits(self, data: bytes) -> bool:
        if self.record:
            whole = len(data) > 0 and len(data) % self.record == 0
        else:
            whole = len(data) in self.lengths
        when = self.when
        return whole and (when is None or all(map(when.applies, self.records(data))))

    def records(self, data: bytes) -> list[bytes]:
        length = self.record or len(data)
        return [data[at : at + length] for at in range(0, len(data), length)]


class DraginoTable(CodecTable):
    """[frame] with codec "dragino"."""

    block: ListOf[BlockRow] = takes("a list of tables [[frame.block]]")


def _errors(table: DraginoTable, sheet: Sheet) -> Iterator[str]:
    for n, row in enumerate(table.block, 1):
        if not row.record and not row.lengths:
            yield f"frame.block {n} needs lengths or record"
        else:
            room = row.record or min(row.lengths)
            yield from number_errors(f"frame.block {n}", row.field, room, sheet)


_table_of, _sheet_errors = frame_reader(DraginoTable, _errors)


# The maker's manuals and decoders subtract 0xFFFF from a negative soil temperature, which makes it
# one step too warm and FFFF 0.00; the probes send two's complement (0x10000), and so it is read.
def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of the one block of the sheet that fits."""
    table = _table_of(sheet)
    blocks = [block for block in table.block if block.f_port == f_port]
    if not blocks:
        ports = sorted({block.f_port for block in table.block})
        raise Garbled(f"f_port {' or '.join(map(str, ports))}, not {f_port}", data, sheet.model)
    fitting = next((block for block in blocks if block.fits(data)), None)
    if fitting is None:
        lengths = sorted({length for block in blocks for length in block.lengths})
        raise Garbled(f"{' or '.join(map(str, lengths))} bytes in a known mode", data, sheet.model)
    readings: list[Reading] = []
    at = fitting.epoch_at
    for record in fitting.records(data):
        time_ns = None if at is None else epoch_ns(record[at : at + 4], "big")
        readings += read_numbers(record, fitting.field, "big", sheet, table.codes, time_ns)
    return tuple(readings)


CODEC = UplinkCodec(
    decode, _sheet_errors, lambda sheet: tuple(block.f_port for block in _table_of(sheet).block)
)

_PORTS = _DATA, _STATUS, _DEBUG = 2, 5, 100
_HEADER_BYTES, _STATUS_BYTES = 3, 7
_BETWEEN = re.compile(rb"[\xf0-\xff].?", re.DOTALL)
_VOLTAGE = {"output": "battery_voltage", "mask": 0x7FFF, "divide": 1000}
_BATTERY = NumberTable.model_validate(_VOLTAGE)
_STATUS_BATTERY = NumberTable.model_validate({**_VOLTAGE, "at": 5})


class DraginoSdi12Table(RelayedTable):
    """[frame] with codec "dragino_sdi12"."""

    codec: str = takes("the name of a codec")


def _sdi12_errors(table: DraginoSdi12Table, sheet: Sheet) -> Iterator[str]:
    yield from output_errors("frame", ["battery_voltage"], sheet)
    yield from relayed_errors("frame", table, sheet)


_sdi12_table_of, _sdi12_sheet_errors = frame_reader(DraginoSdi12Table, _sdi12_errors)


def decode_sdi12(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Battery and values; a status has the battery alone, the answer to a downlink nothing."""
    if f_port == _DEBUG:
        return ()
    if f_port == _STATUS and len(data) == _STATUS_BYTES:
        return tuple(read_numbers(data, [_STATUS_BATTERY], "big", sheet, {}))
    if f_port != _DATA:
        raise Garbled(f"f_port 2, or 5 with 7 bytes, not {f_port}", data, sheet.model)
    if len(data) < _HEADER_BYTES:
        raise Garbled("battery and version", data, sheet.model)
    battery = read_numbers(data, [_BATTERY], "big", sheet, {})
    return (*battery, *relayed_readings(_answers(data), _sdi12_table_of(sheet), sheet))


def answer_text(data: bytes) -> bytes:
    """What the probes answered, without what the device put between it."""
    return _BETWEEN.sub(b"", data[_HEADER_BYTES:])


def _answers(data: bytes) -> list[bytes]:
    pieces = _BETWEEN.sub(b"\r\n", data[_HEADER_BYTES:]).splitlines()
    return [piece for piece in pieces if piece]


SDI12_CODEC = UplinkCodec(decode_sdi12, _sdi12_sheet_errors, lambda _: _PORTS)
