"""The payload formats that outlive all code: what was written once can be read for ever."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import (
    Follows,
    Piece,
    Turn,
    pack_exchange,
    pack_piece,
    unpack_exchange,
    unpack_piece,
)

# Golden: written by the first version, and by the one that counts lines. Never change them.
PIECE_V1 = bytes.fromhex("01000200000000000005000c00000061") + b".datTIMESTAMP,T\n2026-04-01,9.5\n"
PIECE_V2 = (
    bytes.fromhex("0200020000000000000500 0c000000 07000000 02000000 03000000 0e")
    + b"a.datTIMESTAMP,T\n2026-04-01,9.5\n"
)
ROW = b"2026-04-01,9.5\n"


def test_a_piece_of_the_first_version_is_read_for_ever() -> None:
    piece = unpack_piece(PIECE_V1)
    assert piece == Piece("a.dat", 512, b"TIMESTAMP,T\n", ROW)
    assert (piece.copy, piece.line, piece.lines) == (0, 0, 0)
    assert pack_piece(piece) == PIECE_V1


def test_a_piece_with_counted_lines_is_read_for_ever() -> None:
    piece = unpack_piece(PIECE_V2)
    shown = Piece("a.dat", 512, b"TIMESTAMP,T\n", ROW, 7, 2, 3, Follows.AGAIN, True, True)
    assert piece == shown
    assert pack_piece(piece) == PIECE_V2


@pytest.mark.parametrize("payload", [PIECE_V1, PIECE_V2])
def test_half_a_piece_is_garbled_and_nothing_else(payload: bytes) -> None:
    whole = len(payload) - len(ROW)
    for n in range(whole):
        with pytest.raises(Garbled):
            unpack_piece(payload[:n])
    assert unpack_piece(payload[:whole]).data == b""


def exchange(mark: int, length: int, data: bytes = b"1!") -> bytes:
    packed = bytearray(pack_exchange([Turn(5, True, data)]))
    packed[5], packed[6] = mark, length
    return bytes(packed)


def test_a_turn_goes_out_or_comes_in_and_is_as_long_as_it_says() -> None:
    assert unpack_exchange(exchange(0x3E, 2)) == (Turn(5, True, b"1!"),)
    assert unpack_exchange(exchange(0x3C, 2)) == (Turn(5, False, b"1!"),)
    for mark, length in ((0x41, 2), (0x3E, 3)):
        with pytest.raises(Garbled, match="a whole turn"):
            unpack_exchange(exchange(mark, length))
