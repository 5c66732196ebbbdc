"""Following files that a logger or an instrument's program writes: each new part is a record.

A piece holds whole records of the file and the header that explains them, so that it can be read
alone. Where each file was read to is kept beside the journal, may be older than it, and is then
brought up to date from the pieces that the journal holds: nothing is taken twice.
"""

import glob
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from edaphon.acquire.timekeeper import Timekeeper
from edaphon.journal import Journal, Kind, StateFile
from edaphon.nouns import Sequence
from edaphon_drivers.faults import Garbled
from edaphon_drivers.files import engine as files
from edaphon_drivers.payloads import Piece, pack_piece, unpack_piece
from edaphon_drivers.sheets import Sheet

__all__ = ["Follower"]

LOOK_EVERY_S = 2.0
ENDED_AFTER_S = 10.0  # a file that did not grow for so long has its last line whole
SLICE_BYTES = 1 << 18
LARGEST_PIECE_BYTES = 1 << 23  # one JSON file of a season; more is no record of an instrument
_HEAD_BYTES = 256
_BATCH = 4000


class _Place(NamedTuple):
    """How far a file was read, and how it began; another beginning is another file."""

    offset: int
    header: str  # the lines that explain what comes next, latin-1
    head: str

    @classmethod
    def behind(cls, piece: Piece) -> "_Place":
        end = piece.offset + len(piece.data)
        return cls(end, piece.header.decode("latin-1"), _head(Path(piece.name), end))


_START = _Place(0, "", "")


class Follower:
    """The files of one source; `run` is the life of its thread."""

    def __init__(
        self,
        path: str,
        pattern: Path,
        sheet: Sheet,
        journal: Journal,
        keeper: Timekeeper,
        state: StateFile,
        on_state: Callable[[str, str | None], None] = lambda *_: None,
    ) -> None:
        self.path = path
        self.taken = 0  # pieces handed to the journal
        self._pattern, self._sheet = pattern, sheet
        self._journal, self._keeper, self._state = journal, keeper, state
        self._on_state = on_state
        self._lock = threading.Lock()
        self._quiet: dict[str, tuple[int, int]] = {}  # size, and since when it has it [ns]
        self._places = self._known()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.look(stop)
            stop.wait(LOOK_EVERY_S)

    def look(self, stop: threading.Event) -> None:
        """Take what is new in each file, the oldest file first."""
        trouble = None
        for path in self._files():
            try:
                while not stop.is_set() and self._take(path):
                    pass
            except OSError as error:
                trouble = f"expected a file that this account can read, got {error}"
        self._on_state(self.path, trouble)

    def save(self, place: Sequence) -> None:
        """Keep how far was read up to a place of the journal that is committed."""
        with self._lock:
            places = {name: list(known) for name, known in self._places.items()}
        self._state.put(self._key, [list(place), places])

    @property
    def _key(self) -> str:
        return f"followed {self.path}"

    def _known(self) -> dict[str, _Place]:
        saved: Any = self._state.get(self._key)
        if saved is None:  # a new source: nothing of it can be in the journal
            self._state.put(self._key, [list(self._journal.last or (0, 0)), {}])
            return {}
        place, named = Sequence(*saved[0]), saved[1]
        places = {name: _Place(*known) for name, known in named.items()}
        for piece in self._pieces_behind(place):
            places[piece.name] = _Place.behind(piece)
        return places

    def _pieces_behind(self, place: Sequence) -> Iterator[Piece]:
        while batch := self._journal.after(place, _BATCH):
            for _, entry in batch:
                if entry.source == self.path and entry.kind == Kind.RECORD:
                    try:
                        yield unpack_piece(entry.payload)
                    except Garbled:
                        continue
            place = batch[-1][0]

    def _files(self) -> list[Path]:
        found = map(Path, glob.glob(str(self._pattern)))
        dated = [(path.stat().st_mtime_ns, path) for path in found if path.is_file()]
        return [path for _, path in sorted(dated)]

    def _take(self, path: Path) -> bool:
        """One piece of a file; whether there may be more."""
        name, size = str(path), path.stat().st_size
        place = self._place(path, size)
        ended = self._is_quiet(name, size)
        if size <= place.offset:
            return False
        data, header_bytes = self._read(path, place, size, ended)
        if not data:
            return False
        header = data[:header_bytes] or place.header.encode("latin-1")
        piece = Piece(name, place.offset + header_bytes, header, data[header_bytes:])
        if piece.data:
            self._keep(piece)
        with self._lock:
            self._places[name] = _Place.behind(piece)
        return True

    def _place(self, path: Path, size: int) -> _Place:
        """Where to go on; at the start for a file that was written anew, or is one record."""
        place = self._places.get(str(path), _START)
        if place.offset and size != place.offset and files.is_one_record(self._sheet):
            return _START
        if place.offset and (size < place.offset or _head(path, place.offset) != place.head):
            return _START
        return place

    def _is_quiet(self, name: str, size: int) -> bool:
        now = self._keeper.mono_ns()
        known, since = self._quiet.get(name, (-1, now))
        self._quiet[name] = (size, since if known == size else now)
        return known == size and now - since >= ENDED_AFTER_S * 1e9

    def _read(self, path: Path, place: _Place, size: int, ended: bool) -> tuple[bytes, int]:
        """(the whole records that come next, how many bytes at their start are a header)."""
        length = SLICE_BYTES
        while True:
            with path.open("rb") as file:
                file.seek(place.offset)
                data = file.read(length)
            last = place.offset + len(data) >= size
            cut = files.cut(data, self._sheet, ended and last, bool(place.header))
            if cut.whole or last:
                return data[: cut.whole], cut.header_bytes
            if length >= LARGEST_PIECE_BYTES:
                return data, 0  # no record is so long: kept as it is, and told when decoded
            length *= 2

    def _keep(self, piece: Piece) -> None:
        entry = self._keeper.entry(Kind.RECORD, self.path, pack_piece(piece))
        self._journal.append([entry])
        self.taken += 1


def _head(path: Path, offset: int) -> str:
    """A digest of a file's first bytes, as far as they were read; "" for one that is gone."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(min(_HEAD_BYTES, offset))).hexdigest()[:16]
    except OSError:
        return ""
