"""SenseCAP S2120 payloads: (packet u8, values big endian)* (S2120 User Guide, 10.2).

The sheet's `frame.packet` rows give id, bytes and the numbers; one without numbers is passed over.
Nothing of it is like the S210x, save the first byte.
"""

from edaphon_drivers.faults import Garbled, Incomplete
from edaphon_drivers.lorawan.codecs.sensecap import crc16_kermit
from edaphon_drivers.lorawan.tagged import tagged_readings
from edaphon_drivers.lorawan.uplink_numbers import check_port, read_numbers
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Incomplete by an unknown packet; Garbled for a frame of the S210x, which has its CRC."""
    check_port(data, f_port, sheet)
    rows = {bytes((row["id"],)): row for row in sheet.frame["packet"]}
    lengths = {tag: row["bytes"] for tag, row in rows.items()}
    try:
        return tagged_readings(
            data,
            1,
            lambda tag, _: lengths.get(tag),
            lambda tag, value: read_numbers(value, rows[tag].get("number", ()), "big", sheet),
            sheet,
        )
    except Incomplete:
        if crc16_kermit(data[:-2]).to_bytes(2, "little") == data[-2:]:
            raise Garbled("packets of the S2120, not an S210x frame", data, sheet.model) from None
        raise
