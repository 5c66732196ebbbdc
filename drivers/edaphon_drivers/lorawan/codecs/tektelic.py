"""Tektelic payloads: (channel u8, type u8, value big endian)*, all of them in the sheet.

The sheet's `frame.channel` rows give id, type, bytes and the numbers; one without numbers is passed
over.
"""

from collections.abc import Iterator

from edaphon_drivers.lorawan.numbers import (
    CodecTable,
    TypedRow,
    UplinkCodec,
    row_errors,
    row_readings,
)
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import ListOf, Sheet, frame_reader, takes


class TektelicTable(CodecTable):
    """[frame] with codec "tektelic"."""

    channel: ListOf[TypedRow] = takes("a list of tables [[frame.channel]]")


def _errors(table: TektelicTable, sheet: Sheet) -> Iterator[str]:
    yield from row_errors("channel", table.channel, sheet)


_table_of, _sheet_errors = frame_reader(TektelicTable, _errors)


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Incomplete by an unknown channel."""
    table = _table_of(sheet)
    return row_readings(data, f_port, sheet, table, {row.tag: row for row in table.channel})


CODEC = UplinkCodec(decode, _sheet_errors, lambda sheet: _table_of(sheet).f_port)
