"""The three-character CRC of SDI-12 answers (specification v1.4, 4.4.12: CRC-16/ARC)."""

_REFLECTED_POLYNOMIAL = 0xA001


def crc16(data: bytes) -> int:
    """CRC-16/ARC: start 0, reflected; b"123456789" gives 0xBB3D."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_REFLECTED_POLYNOMIAL if crc & 1 else 0)
    return crc


def crc_characters(data: bytes) -> bytes:
    """The characters that follow `data` (address and values) on the wire."""
    crc = crc16(data)
    return bytes((0x40 | crc >> 12, 0x40 | crc >> 6 & 0x3F, 0x40 | crc & 0x3F))
