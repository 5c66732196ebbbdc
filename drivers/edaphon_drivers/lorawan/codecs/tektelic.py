"""Tektelic payloads: (channel u8, type u8, value big endian)*, all of them in the sheet.

The sheet's `frame.channel` rows give id, type, bytes and the numbers; one without numbers is passed
over.
"""

from edaphon_drivers.lorawan.numbers import check_port, read_numbers, tagged_readings
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Incomplete by an unknown channel."""
    check_port(data, f_port, sheet)
    rows = {bytes((row["id"], row["type"])): row for row in sheet.frame["channel"]}
    lengths = {tag: row["bytes"] for tag, row in rows.items()}
    return tagged_readings(
        data,
        2,
        lambda tag, _: lengths.get(tag),
        lambda tag, value: read_numbers(value, rows[tag].get("number", ()), "big", sheet),
        sheet,
    )
