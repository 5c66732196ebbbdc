"""SenseCAP S2120 payloads: (packet u8, values big endian)* (S2120 User Guide, 10.2).

The sheet's `frame.packet` rows give id, bytes and the numbers; one without numbers is passed over.
Nothing of it is like the S210x, save the first byte.
"""

from edaphon_drivers.lorawan.tagged import split_tagged
from edaphon_drivers.lorawan.uplink_numbers import check_port, read_numbers
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet

__all__ = ["decode"]


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Garbled for an unknown packet."""
    check_port(data, f_port, sheet)
    rows = {bytes((row["id"],)): row for row in sheet.frame["packet"]}
    lengths = {tag: row["bytes"] for tag, row in rows.items()}
    readings: list[Reading] = []
    for tag, value in split_tagged(data, 1, lambda tag, _: lengths.get(tag), sheet):
        readings.extend(read_numbers(value, rows[tag].get("number", ()), "big", sheet))
    return tuple(readings)
