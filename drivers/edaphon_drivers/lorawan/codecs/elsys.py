"""Elsys payloads: (type u8, value big endian)*, one table of types for all devices of the maker.

The sheet's `frame.type` rows give type, bytes and the numbers, and in `again` the outputs for the
second, third .. time that a type comes in one frame: more probes on one input. A position alone is
little endian, `order = "little"`. Types without a row are known by their length and passed over.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edaphon_drivers.lorawan.numbers import check_port, read_numbers, tagged_readings
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet

# Infrared image and debugging words (maker's decoder).
_LENGTHS = {0x13: 65, 0x3D: 4}


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Incomplete by a type that isn't in the maker's table."""
    check_port(data, f_port, sheet)
    rows = {row["type"]: row for row in sheet.frame["type"]}
    lengths = {**_LENGTHS, **{kind: row["bytes"] for kind, row in rows.items()}}
    times: Counter[int] = Counter()

    def read(tag: bytes, value: bytes) -> Iterator[Reading]:
        row = rows.get(tag[0], {})
        times[tag[0]] += 1
        numbers = _numbers(row, times[tag[0]] - 1)
        return read_numbers(value, numbers, row.get("order", "big"), sheet)

    return tagged_readings(data, 1, lambda tag, _: lengths.get(tag[0]), read, sheet)


def _numbers(row: Mapping[str, Any], time: int) -> Sequence[Mapping[str, Any]]:
    """The numbers of a type that has come `time` times before in this frame."""
    numbers: Sequence[Mapping[str, Any]] = row.get("number", ())
    if time == 0:
        return numbers
    return [{**numbers[0], "output": name} for name in row.get("again", ())[time - 1 : time]]
