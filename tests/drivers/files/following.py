"""A follower of files as the service has one: reads what is new, cuts it, keeps the last header."""

from tests.readers import decode_piece

from edaphon_drivers.files.cutting import Rest
from edaphon_drivers.files.engine import cut
from edaphon_drivers.readings import Piece, pack_piece, unpack_piece


class Follower:
    """Collects the pieces of one growing file."""

    def __init__(self, sheet):
        self.sheet, self.header, self.pieces, self.offset = sheet, b"", [], 0

    def see(self, data, ended=False):
        """`data` is the whole file as it is now."""
        while True:
            rest = Rest.ENDED if ended else Rest.GROWING
            mark = b"" if self.offset else None
            found = cut(data[self.offset :], self.sheet, rest, bool(self.header), mark)
            if found.header_bytes:
                self.header = data[self.offset : self.offset + found.header_bytes]
            if not found.whole:
                return self
            whole = data[self.offset : self.offset + found.whole]
            self.pieces.append(Piece("file", self.offset, self.header, whole))
            self.offset += found.whole

    @property
    def readings(self):
        """From each piece alone, through the format of the journal."""
        alone = [unpack_piece(pack_piece(piece)) for piece in self.pieces]
        return [r for piece in alone for r in decode_piece(piece, self.sheet)]


def follow(data, sheet, *steps):
    """The file seen at these lengths, and at last whole and at rest."""
    follower = Follower(sheet)
    for length in steps:
        follower.see(data[:length])
    return follower.see(data, ended=True)
