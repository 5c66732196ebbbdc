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

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.codecs import (
    NumberTable,
    RelayedTable,
    TaggedFrame,
    TypedRow,
    Whole,
    epoch_ns,
    output_errors,
    read_numbers,
    relayed_errors,
    relayed_readings,
    row_errors,
)
from edaphon_drivers.readings import Reading, Status, without_number
from edaphon_drivers.sheets import ListOf, Sheet, data_of, takes

_LENGTHS = data_of("lorawan/codecs/milesight")
_QUIET: Mapping[bytes, int] = {
    bytes((channel, int(kind, 16))): n_bytes + more
    for channel, name, more in (
        (0xFE, "settings", 0),
        (0xFF, "settings", 0),
        (0xF9, "extended", 0),
        (0xF8, "extended", 1),
        (0xFF, "attributes", 0),
    )
    for kind, n_bytes in _LENGTHS[name].items()
}


class MilesightRow(TypedRow):
    """[[frame.channel]] of a Milesight sheet."""

    longer: dict[str, Whole] = takes("a table of numbers of bytes", {})
    epoch: bool = takes("true or false", False)


class MilesightFrame(TaggedFrame):
    """[frame] with codec "milesight"; stored readings have their time."""

    channel: ListOf[MilesightRow] = takes("a list of tables [[frame.channel]]")

    @cached_property
    def rows(self) -> dict[bytes, MilesightRow]:
        return {row.tag: row for row in self.channel}

    def errors(self, sheet: Sheet) -> Iterator[str]:
        return row_errors("channel", self.channel, sheet)

    def length(self, tag: bytes, rest: bytes) -> int | None:
        """The sheet comes before the maker's common table."""
        row = self.rows.get(tag)
        if row is None:
            return _QUIET.get(tag)
        return row.longer.get(str(rest[0]) if rest else "", row.n_bytes)

    def of_tag(self, tag: bytes, value: bytes, sheet: Sheet) -> Iterable[Reading]:
        row = self.rows.get(tag)
        if row is None:
            return ()
        time_ns = epoch_ns(value[:4], "little") if row.epoch else None
        return read_numbers(value, row.number, "little", sheet, self.codes, time_ns)


_SDI12, _TEXT_BYTES, _STORED_BYTES = b"\x08\xdb", 36, 5
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


class Uc50xFrame(MilesightFrame):
    """[frame] with codec "milesight_uc50x"."""

    modbus: ListOf[str] = takes("a list of names of outputs", ())
    sdi12: ListOf[ProbeRow] = takes("a list of tables [[frame.sdi12]]", ())

    def errors(self, sheet: Sheet) -> Iterator[str]:
        yield from super().errors(sheet)
        yield from output_errors("frame.modbus", self.modbus, sheet)
        for n, row in enumerate(self.sdi12, 1):
            yield from relayed_errors(f"frame.sdi12 {n}", row, sheet)

    def length(self, tag: bytes, rest: bytes) -> int | None:
        return _relayed_length(tag, rest) or super().length(tag, rest)

    def of_tag(self, tag: bytes, value: bytes, sheet: Sheet) -> Iterable[Reading]:
        yield from self._relayed(tag, value, sheet)
        yield from super().of_tag(tag, value, sheet)

    def _relayed(self, tag: bytes, value: bytes, sheet: Sheet) -> Iterator[Reading]:
        if tag == _SDI12:
            yield from self._answer(value[0] + 1, value[1:], sheet)
        elif tag in {_MODBUS, _MODBUS_ALARM}:
            yield from self._register(value[0] - _FIRST_MODBUS + 1, value[1:], sheet)
        elif tag == _MODBUS_FAULT:
            for name in self._register_name(value[0] - _FIRST_MODBUS + 1):
                yield without_number(sheet.outputs[name], Status.FAILURE)
        elif tag in {_MODBUS_STORED, _SDI12_STORED}:
            yield from self._stored(tag, value, sheet)

    def _stored(self, tag: bytes, value: bytes, sheet: Sheet) -> Iterator[Reading]:
        read, size = (
            (self._answer, _TEXT_BYTES) if tag == _SDI12_STORED else (self._register, _STORED_BYTES)
        )
        for n, channel in enumerate(_stored_channels(value)):
            part = value[6 + n * size : 6 + (n + 1) * size]
            yield from read(channel, part, sheet, epoch_ns(value[:4], "little"))

    def _answer(
        self, channel: int, padded: bytes, sheet: Sheet, time_ns: int | None = None
    ) -> Iterator[Reading]:
        text = padded.rstrip(b"\0")
        if b"\0" in text:
            raise Garbled("a text with zeros behind it only", padded)
        for row in self.sdi12:
            if row.channel == channel:
                yield from relayed_readings([text] if text else [], row, sheet, time_ns)

    def _register(
        self, channel: int, value: bytes, sheet: Sheet, time_ns: int | None = None
    ) -> Iterator[Reading]:
        """A definition byte and a number; a stored one fills four bytes whatever it is."""
        kind = value[0] & 0x07
        n_bytes = _MODBUS_BYTES[kind] if time_ns is None else 4
        for name in self._register_name(channel):
            number = NumberTable.model_validate(
                {"output": name, "at": 1, "bytes": n_bytes, "float": kind in _MODBUS_FLOATS}
            )
            yield from read_numbers(value, [number], "little", sheet, self.codes, time_ns)

    def _register_name(self, channel: int) -> tuple[str, ...]:
        """The output of a Modbus channel, () for one that is not used."""
        return self.modbus[channel - 1 : channel] if channel > 0 else ()


def _relayed_length(tag: bytes, rest: bytes) -> int | None:
    if tag == _SDI12:
        return 1 + _TEXT_BYTES
    if tag == _MODBUS_FAULT:
        return 1
    if tag in {_MODBUS, _MODBUS_ALARM} and len(rest) >= 2:
        return 2 + _MODBUS_BYTES[rest[1] & 0x07] + (tag == _MODBUS_ALARM)
    if tag in {_MODBUS_STORED, _SDI12_STORED} and len(rest) >= 6:
        size = _STORED_BYTES if tag == _MODBUS_STORED else _TEXT_BYTES
        return 6 + len(_stored_channels(rest)) * size
    return None


def _stored_channels(value: bytes) -> list[int]:
    mask = int.from_bytes(value[4:6], "little")
    return [n + 1 for n in range(16) if mask >> n & 1]
