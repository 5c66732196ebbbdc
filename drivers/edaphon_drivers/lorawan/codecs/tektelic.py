"""Tektelic payloads: (channel u8, type u8, value big endian)*, all of them in the sheet.

The sheet's `frame.channel` rows give id, type, bytes and the numbers; one without numbers is passed
over.
"""

from collections.abc import Iterator

from edaphon_drivers.lorawan.numbers import (
    CodecTable,
    TypedRow,
    UplinkCodec,
    check_port,
    number_errors,
    read_numbers,
    tagged_readings,
)
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import ListOf, Sheet, frame_reader, takes


class TektelicTable(CodecTable):
    """[frame] with codec "tektelic"."""

    channel: ListOf[TypedRow] = takes("a list of tables [[frame.channel]]")


def _errors(table: TektelicTable, sheet: Sheet) -> Iterator[str]:
    for n, row in enumerate(table.channel, 1):
        yield from number_errors(f"frame.channel {n}", row.number, row.n_bytes, sheet)


_table_of, _sheet_errors = frame_reader(TektelicTable, _errors)


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Incomplete by an unknown channel."""
    table = _table_of(sheet)
    check_port(data, f_port, sheet, table.f_port)
    rows = {row.tag: row for row in table.channel}
    return tagged_readings(
        data,
        2,
        lambda tag, _: rows[tag].n_bytes if tag in rows else None,
        lambda tag, value: read_numbers(value, rows[tag].number, "big", sheet, table.codes),
        sheet,
    )


CODEC = UplinkCodec(decode, _sheet_errors, lambda sheet: _table_of(sheet).f_port)
