"""Milesight UC501 and UC502: Milesight channels, and what Modbus and SDI-12 probes said to them.

Beside `frame.channel` the sheet has `frame.modbus`, the outputs of Modbus channels 1, 2 .., and
`frame.sdi12` rows: channel, then `probe` or `outputs` for the values of its answer. Channels that
the sheet doesn't name are passed over.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.codecs.milesight import channels, readings_of, value_length
from edaphon_drivers.lorawan.relayed import relayed_readings
from edaphon_drivers.lorawan.tagged import split_tagged, tagged_readings
from edaphon_drivers.lorawan.uplink_numbers import check_port, epoch_ns, read_numbers
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.reported import without_number
from edaphon_drivers.sheets import Sheet

_SDI12, _TEXT_BYTES = b"\x08\xdb", 36
_MODBUS, _MODBUS_ALARM, _MODBUS_FAULT = b"\xff\x0e", b"\x80\x0e", b"\xff\x15"
_MODBUS_STORED, _SDI12_STORED = b"\x20\xdd", b"\x20\xe0"
_FIRST_MODBUS = 7  # channel 1 is sent as 7
# Bytes of a Modbus number by the three low bits of its definition: coil, discrete input, input
# and holding register, then 32 bits whole or as float (README, RS485).
_MODBUS_BYTES = (1, 1, 2, 2, 4, 4, 4, 4)
_MODBUS_FLOATS = (5, 7)


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """All readings of a frame, stored ones with their time; Incomplete by an unknown channel."""
    check_port(data, f_port, sheet)
    rows = channels(sheet)

    def read(tag: bytes, value: bytes) -> list[Reading]:
        return [*_relayed(tag, value, sheet), *readings_of(rows.get(tag, {}), value, sheet)]

    return tagged_readings(data, 2, partial(_length, rows), read, sheet)


def answer_texts(data: bytes, sheet: Sheet) -> dict[int, bytes]:
    """What SDI-12 probes answered, by channel, without the zeros behind it."""
    return {value[0] + 1: _text(value[1:]) for tag, value in _split(data, sheet) if tag == _SDI12}


def _split(data: bytes, sheet: Sheet) -> Iterator[tuple[bytes, bytes]]:
    return split_tagged(data, 2, partial(_length, channels(sheet)), sheet)


def _length(rows: Mapping[bytes, Mapping[str, Any]], tag: bytes, rest: bytes) -> int | None:
    return _relayed_length(tag, rest) or value_length(tag, rest, rows)


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


def _relayed(tag: bytes, value: bytes, sheet: Sheet) -> Iterator[Reading]:
    if tag == _SDI12:
        yield from _answer(value[0] + 1, value[1:], sheet)
    elif tag in {_MODBUS, _MODBUS_ALARM}:
        yield from _register(value[0] - _FIRST_MODBUS + 1, value[1:], sheet)
    elif tag == _MODBUS_FAULT:
        for name in _modbus_name(value[0] - _FIRST_MODBUS + 1, sheet):
            yield without_number(sheet.outputs[name], Status.FAILURE)
    elif tag in {_MODBUS_STORED, _SDI12_STORED}:
        yield from _stored(tag, value, sheet)


def _stored(tag: bytes, value: bytes, sheet: Sheet) -> Iterator[Reading]:
    time_ns, at = epoch_ns(value[:4], "little"), 6
    for channel in _stored_channels(value):
        if tag == _SDI12_STORED:
            yield from _answer(channel, value[at : at + _TEXT_BYTES], sheet, time_ns)
            at += _TEXT_BYTES
        else:
            yield from _register(channel, value[at : at + 5], sheet, time_ns)
            at += 5


def _stored_channels(value: bytes) -> list[int]:
    mask = int.from_bytes(value[4:6], "little")
    return [n + 1 for n in range(16) if mask >> n & 1]


def _answer(
    channel: int, padded: bytes, sheet: Sheet, time_ns: int | None = None
) -> Iterator[Reading]:
    text = _text(padded)
    for row in sheet.frame.get("sdi12", ()):
        if row["channel"] == channel:
            yield from relayed_readings([text] if text else [], row, sheet, time_ns)


def _text(padded: bytes) -> bytes:
    text = padded.rstrip(b"\0")
    if b"\0" in text:
        raise Garbled("a text with zeros behind it only", padded)
    return text


def _register(
    channel: int, value: bytes, sheet: Sheet, time_ns: int | None = None
) -> Iterator[Reading]:
    """A definition byte and a number; a stored one fills four bytes whatever it is."""
    kind = value[0] & 0x07
    n_bytes = _MODBUS_BYTES[kind] if time_ns is None else 4
    for name in _modbus_name(channel, sheet):
        number = {"output": name, "at": 1, "bytes": n_bytes, "float": kind in _MODBUS_FLOATS}
        yield from read_numbers(value, [number], "little", sheet, time_ns)


def _modbus_name(channel: int, sheet: Sheet) -> list[str]:
    names: list[str] = sheet.frame.get("modbus", [])
    return names[channel - 1 : channel] if channel > 0 else []
