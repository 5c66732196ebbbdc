"""Milesight payloads: (channel u8, type u8, value)*, values little endian, lengths by the sheet.

The sheet's `frame.channel` rows give id, type, the bytes of the value, and the numbers in it;
`longer` has the bytes of a value whose first byte, as the key, makes it longer. With `epoch = true`
the value begins with its own time, u32 in seconds since 1970 UTC: a stored reading sent later.
Types have Cayenne LPP's numbers and nothing else of it.

Milesight UC501 and UC502: Milesight channels, and what Modbus and SDI-12 probes answered to them.

Beside `frame.channel` the sheet has `frame.modbus`, the outputs of Modbus channels 1, 2 .., and
`frame.sdi12` rows: channel, then `probe` or `outputs` for the values of its answer. Channels that
the sheet doesn't name are passed over.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property, partial

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.numbers import (
    CodecTable,
    NumberTable,
    RelayedTable,
    TypedRow,
    UplinkCodec,
    Whole,
    check_port,
    epoch_ns,
    output_errors,
    read_numbers,
    relayed_errors,
    relayed_readings,
    row_errors,
    split_tagged,
    tagged_readings,
)
from edaphon_drivers.readings import Identity, Reading, Status, without_number
from edaphon_drivers.sheets import ListOf, Sheet, frame_reader, takes

# What a device says of itself on channel FF: type -> bytes (README, Attribute; the table gives the
# serial number two bytes, its own description and every decoder eight).
_ATTRIBUTES = {0x01: 1, 0x09: 2, 0x0A: 2, 0x0B: 1, 0x0F: 1, 0x16: 8, 0xFE: 1, 0xFF: 2}

# Echoes of settings on channels FE and FF, alike in all models here: type -> bytes (decoders).
# 0x1A and 0x79 differ between models; the sheet that needs them has them.
_SETTINGS = {
    **{0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x11: 4, 0x17: 2, 0x18: 2, 0x1C: 2, 0x25: 1},
    **{0x27: 1, 0x28: 1, 0x2C: 1, 0x2D: 1, 0x2E: 1, 0x35: 8, 0x39: 5, 0x3A: 2, 0x3B: 1},
    **{0x3C: 1, 0x3D: 1, 0x3E: 1, 0x4A: 1, 0x4E: 2, 0x65: 2, 0x66: 1, 0x68: 1, 0x69: 1},
    **{0x6A: 3, 0x6D: 1, 0x84: 1, 0x87: 3, 0x8E: 3, 0x91: 5, 0x92: 5, 0x96: 8, 0xA1: 7},
    **{0xA2: 9, 0xA3: 2, 0xA4: 2, 0xAB: 3, 0xC3: 1, 0xD6: 6, 0xD7: 1, 0xE9: 1, 0xEA: 3},
    **{0xEB: 1, 0xF0: 4, 0xF1: 4, 0xF2: 2, 0xF4: 1, 0xF5: 1},
}
# Echoes on F9, and on F8 with a result code behind them (TS201, EM320-TH decoders).
_EXTENDED = {0x0B: 7, 0x0C: 4, 0x0D: 3, 0x0E: 2, 0x31: 1, 0x32: 3, 0xC9: 1}

_QUIET: Mapping[bytes, int] = {
    **{bytes((channel, kind)): n for channel in (0xFE, 0xFF) for kind, n in _SETTINGS.items()},
    **{bytes((0xF9, kind)): n for kind, n in _EXTENDED.items()},
    **{bytes((0xF8, kind)): n + 1 for kind, n in _EXTENDED.items()},
    **{bytes((0xFF, kind)): n for kind, n in _ATTRIBUTES.items()},
}


class MilesightRow(TypedRow):
    """[[frame.channel]] of a Milesight sheet."""

    longer: dict[str, Whole] = takes("a table of numbers of bytes", {})
    epoch: bool = takes("true or false", False)


class MilesightTable(CodecTable):
    """[frame] with codec "milesight"."""

    channel: ListOf[MilesightRow] = takes("a list of tables [[frame.channel]]")

    @cached_property
    def rows(self) -> dict[bytes, MilesightRow]:
        return {row.tag: row for row in self.channel}


def _errors(table: MilesightTable, sheet: Sheet) -> Iterator[str]:
    yield from row_errors("channel", table.channel, sheet)


_table_of, _sheet_errors = frame_reader(MilesightTable, _errors)
Rows = Mapping[bytes, MilesightRow]


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """All readings of a frame, stored ones with their time; Incomplete by an unknown channel."""
    table = _table_of(sheet)
    check_port(data, f_port, sheet, table.f_port)
    rows = table.rows
    return tagged_readings(
        data,
        2,
        partial(_value_length, rows),
        lambda tag, value: _readings(rows.get(tag), value, sheet, table),
        sheet,
    )


def decode_identity(data: bytes, f_port: int, sheet: Sheet) -> Identity | None:
    """Serial number and versions, as sent after a join; None from a frame without them."""
    table = _table_of(sheet)
    check_port(data, f_port, sheet, table.f_port)
    found = dict(split_tagged(data, 2, partial(_value_length, table.rows), sheet))
    serial, firmware = found.get(b"\xff\x16", b""), found.get(b"\xff\x0a", b"")
    if not serial and not firmware:
        return None
    version = f"{firmware[0]:x}.{firmware[1]:x}" if firmware else ""
    return Identity("Milesight", version=version, serial=serial.hex())


def _value_length(rows: Rows, tag: bytes, rest: bytes) -> int | None:
    """The bytes of a channel's value; the sheet before the maker's common table."""
    row = rows.get(tag)
    if row is None:
        return _QUIET.get(tag)
    return row.longer.get(str(rest[0]) if rest else "", row.n_bytes)


def _readings(
    row: MilesightRow | None, value: bytes, sheet: Sheet, table: MilesightTable
) -> list[Reading]:
    """The readings of one channel."""
    if row is None:
        return []
    time_ns = epoch_ns(value[:4], "little") if row.epoch else None
    return list(read_numbers(value, row.number, "little", sheet, table.codes, time_ns))


CODEC = UplinkCodec(decode, _sheet_errors, lambda sheet: _table_of(sheet).f_port)

_SDI12, _TEXT_BYTES = b"\x08\xdb", 36
_MODBUS, _MODBUS_ALARM, _MODBUS_FAULT = b"\xff\x0e", b"\x80\x0e", b"\xff\x15"
_MODBUS_STORED, _SDI12_STORED = b"\x20\xdd", b"\x20\xe0"
_FIRST_MODBUS = 7  # channel 1 is sent as 7
# Bytes of a Modbus number by the three low bits of its definition: coil, discrete input, input
# and holding register, then 32 bits whole or as float (README, RS485).
_MODBUS_BYTES = (1, 1, 2, 2, 4, 4, 4, 4)
_MODBUS_FLOATS = (5, 7)


class ProbeRow(RelayedTable):
    """[[frame.sdi12]]: a channel behind which an SDI-12 probe is."""

    channel: Whole = takes("a whole number from 1 on")


class Uc50xTable(MilesightTable):
    """[frame] with codec "milesight_uc50x"."""

    modbus: ListOf[str] = takes("a list of names of outputs", ())
    sdi12: ListOf[ProbeRow] = takes("a list of tables [[frame.sdi12]]", ())

    def register_name(self, channel: int) -> tuple[str, ...]:
        """The output of a Modbus channel, () for one that is not used."""
        return self.modbus[channel - 1 : channel] if channel > 0 else ()


def _uc50x_errors(table: Uc50xTable, sheet: Sheet) -> Iterator[str]:
    yield from _errors(table, sheet)
    yield from output_errors("frame.modbus", table.modbus, sheet)
    for n, row in enumerate(table.sdi12, 1):
        yield from relayed_errors(f"frame.sdi12 {n}", row, sheet)


_uc50x_table_of, _uc50x_sheet_errors = frame_reader(Uc50xTable, _uc50x_errors)


def decode_uc50x(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """All readings of a frame, stored ones with their time; Incomplete by an unknown channel."""
    table = _uc50x_table_of(sheet)
    check_port(data, f_port, sheet, table.f_port)
    rows = table.rows

    def read(tag: bytes, value: bytes) -> list[Reading]:
        own = _readings(rows.get(tag), value, sheet, table)
        return [*_relayed(tag, value, sheet, table), *own]

    return tagged_readings(data, 2, partial(_uc50x_length, rows), read, sheet)


def answer_texts(data: bytes, sheet: Sheet) -> dict[int, bytes]:
    """What SDI-12 probes answered, by channel, without the zeros behind it."""
    length = partial(_uc50x_length, _uc50x_table_of(sheet).rows)
    pairs = split_tagged(data, 2, length, sheet)
    return {value[0] + 1: _text(value[1:]) for tag, value in pairs if tag == _SDI12}


def _uc50x_length(rows: Rows, tag: bytes, rest: bytes) -> int | None:
    return _relayed_length(tag, rest) or _value_length(rows, tag, rest)


def _relayed_length(tag: bytes, rest: bytes) -> int | None:
    if tag == _SDI12:
        return 1 + _TEXT_BYTES
    if tag == _MODBUS_FAULT:
        return 1
    if tag in {_MODBUS, _MODBUS_ALARM} and len(rest) >= 2:
        return 2 + _MODBUS_BYTES[rest[1] & 0x07] + (tag == _MODBUS_ALARM)
    if tag in {_MODBUS_STORED, _SDI12_STORED} and len(rest) >= 6:
        return 6 + len(_stored_channels(rest)) * (5 if tag == _MODBUS_STORED else _TEXT_BYTES)
    return None


def _relayed(tag: bytes, value: bytes, sheet: Sheet, table: Uc50xTable) -> Iterator[Reading]:
    if tag == _SDI12:
        yield from _answer(value[0] + 1, value[1:], sheet, table)
    elif tag in {_MODBUS, _MODBUS_ALARM}:
        yield from _register(value[0] - _FIRST_MODBUS + 1, value[1:], sheet, table)
    elif tag == _MODBUS_FAULT:
        for name in table.register_name(value[0] - _FIRST_MODBUS + 1):
            yield without_number(sheet.outputs[name], Status.FAILURE)
    elif tag in {_MODBUS_STORED, _SDI12_STORED}:
        yield from _stored(tag, value, sheet, table)


def _stored(tag: bytes, value: bytes, sheet: Sheet, table: Uc50xTable) -> Iterator[Reading]:
    time_ns, at = epoch_ns(value[:4], "little"), 6
    for channel in _stored_channels(value):
        if tag == _SDI12_STORED:
            yield from _answer(channel, value[at : at + _TEXT_BYTES], sheet, table, time_ns)
            at += _TEXT_BYTES
        else:
            yield from _register(channel, value[at : at + 5], sheet, table, time_ns)
            at += 5


def _stored_channels(value: bytes) -> list[int]:
    mask = int.from_bytes(value[4:6], "little")
    return [n + 1 for n in range(16) if mask >> n & 1]


def _answer(
    channel: int, padded: bytes, sheet: Sheet, table: Uc50xTable, time_ns: int | None = None
) -> Iterator[Reading]:
    text = _text(padded)
    for row in table.sdi12:
        if row.channel == channel:
            yield from relayed_readings([text] if text else [], row, sheet, time_ns)


def _text(padded: bytes) -> bytes:
    text = padded.rstrip(b"\0")
    if b"\0" in text:
        raise Garbled("a text with zeros behind it only", padded)
    return text


def _register(
    channel: int, value: bytes, sheet: Sheet, table: Uc50xTable, time_ns: int | None = None
) -> Iterator[Reading]:
    """A definition byte and a number; a stored one fills four bytes whatever it is."""
    kind = value[0] & 0x07
    n_bytes = _MODBUS_BYTES[kind] if time_ns is None else 4
    for name in table.register_name(channel):
        is_float = kind in _MODBUS_FLOATS
        number = NumberTable.model_validate(
            {"output": name, "at": 1, "bytes": n_bytes, "float": is_float}
        )
        yield from read_numbers(value, [number], "little", sheet, table.codes, time_ns)


UC50X_CODEC = UplinkCodec(
    decode_uc50x, _uc50x_sheet_errors, lambda sheet: _uc50x_table_of(sheet).f_port
)
