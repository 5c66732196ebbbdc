"""The CRC at the end of Modbus RTU frames (Modbus over serial line V1.02, 6.2.2)."""

_REFLECTED_POLYNOMIAL = 0xA001


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_REFLECTED_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_remainder, range(256)))


def crc16(data: bytes) -> int:
    """CRC-16/Modbus: start FFFF, reflected; b"123456789" gives 0x4B37."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def with_crc(data: bytes) -> bytes:
    """The frame of unit, function and data: the CRC follows with its low byte first."""
    return data + crc16(data).to_bytes(2, "little")


def has_crc(frame: bytes) -> bool:
    """Whether the frame ends with its own CRC: over data and CRC together the rest is zero."""
    return len(frame) > 2 and crc16(frame) == 0
