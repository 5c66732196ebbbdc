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
from functools import cached_property

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.codecs import (
    CodecFrame,
    Decider,
    NumberTable,
    Port,
    PortsFrame,
    RelayedTable,
    Whole,
    epoch_ns,
    number_errors,
    output_errors,
    read_numbers,
    relayed_errors,
    relayed_readings,
)
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import ListOf, Sheet, Table, takes


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


class DraginoFrame(PortsFrame):
    """[frame] with codec "dragino"."""

    block: ListOf[BlockRow] = takes("a list of tables [[frame.block]]")

    @cached_property
    def ports(self) -> tuple[int, ...]:
        return tuple(sorted({block.f_port for block in self.block}))

    def errors(self, sheet: Sheet) -> Iterator[str]:
        for n, row in enumerate(self.block, 1):
            if not row.record and not row.lengths:
                yield f"frame.block {n} needs lengths or record"
            else:
                room = row.record or min(row.lengths)
                yield from number_errors(f"frame.block {n}", row.field, room, sheet)

    # The maker's manuals and decoders subtract 0xFFFF from a negative soil temperature, which makes
    # it one step too warm and FFFF 0.00; the probes send two's complement (0x10000), and so it is
    # read.
    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        """The readings of the one block of the sheet that fits."""
        blocks = [block for block in self.block if block.f_port == f_port]
        fitting = next((block for block in blocks if block.fits(data)), None)
        if fitting is None:
            lengths = sorted({length for block in blocks for length in block.lengths})
            wanted = f"{' or '.join(map(str, lengths))} bytes in a known mode"
            raise Garbled(wanted, data, sheet.model)
        readings: list[Reading] = []
        at = fitting.epoch_at
        for record in fitting.records(data):
            time_ns = None if at is None else epoch_ns(record[at : at + 4], "big")
            readings += read_numbers(record, fitting.field, "big", sheet, self.codes, time_ns)
        return tuple(readings)


_PORTS = _DATA, _STATUS, _DEBUG = 2, 5, 100
_HEADER_BYTES, _STATUS_BYTES = 3, 7
_BETWEEN = re.compile(rb"[\xf0-\xff].?", re.DOTALL)
_VOLTAGE = {"output": "battery_voltage", "mask": 0x7FFF, "divide": 1000}
_BATTERY = NumberTable.model_validate(_VOLTAGE)
_STATUS_BATTERY = NumberTable.model_validate({**_VOLTAGE, "at": 5})


class DraginoSdi12Frame(RelayedTable, CodecFrame):
    """[frame] with codec "dragino_sdi12"."""

    @property
    def ports(self) -> tuple[int, ...]:
        return _PORTS

    def errors(self, sheet: Sheet) -> Iterator[str]:
        yield from output_errors("frame", ["battery_voltage"], sheet)
        yield from relayed_errors("frame", self, sheet)

    def check_port(self, data: bytes, f_port: int, sheet: Sheet) -> None:
        if f_port not in _PORTS or (f_port == _STATUS and len(data) != _STATUS_BYTES):
            raise Garbled(f"f_port 2, or 5 with 7 bytes, not {f_port}", data, sheet.model)

    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        """Battery and values; a status has the battery alone, the answer to a downlink nothing."""
        if f_port == _DEBUG:
            return ()
        if f_port == _STATUS:
            return tuple(read_numbers(data, [_STATUS_BATTERY], "big", sheet, {}))
        if len(data) < _HEADER_BYTES:
            raise Garbled("battery and version", data, sheet.model)
        battery = read_numbers(data, [_BATTERY], "big", sheet, {})
        answers = _BETWEEN.sub(b"\r\n", data[_HEADER_BYTES:]).splitlines()
        return (*battery, *relayed_readings(list(filter(None, answers)), self, sheet))
