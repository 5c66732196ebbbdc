"""Sensirion's words on I2C: two bytes, high first, then their CRC-8."""

from edaphon_drivers.faults import Garbled


def crc8(data: bytes) -> int:
    """Polynomial 31, start FF, not reflected.

    >>> hex(crc8(b"\\xbe\\xef"))
    '0x92'
    """
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def read_words(data: bytes, count: int) -> tuple[int, ...]:
    """Exactly `count` words; raises Garbled for another length or a CRC that fails."""
    if len(data) != count * 3 or not data:
        raise Garbled(f"{count} words with their CRC", data)
    triples = [data[at : at + 3] for at in range(0, len(data), 3)]
    if any(crc8(triple[:2]) != triple[2] for triple in triples):
        raise Garbled("words that pass their CRC", data)
    return tuple(int.from_bytes(triple[:2], "big") for triple in triples)
