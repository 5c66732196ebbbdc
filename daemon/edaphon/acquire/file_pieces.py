"""Files of a pattern, found under any name, and the next piece of one: whole records.

What is in a file and is no text is passed by and declared with its hash: runs of NUL bytes,
such as the holes of sparse files; bytes in which next to no line is text; the rest of a line that
is longer than a piece may be. A piece without data keeps the place behind it in the journal.
"""

import glob
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from errno import EACCES, ENXIO
from io import FileIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, NamedTuple

from edaphon.acquire.budget import PIECE_BYTES, ROW_BYTES, Budgets, Floods
from edaphon.acquire.file_state import (
    LARGEST_PIECE_BYTES,
    START,
    Block,
    FilePlace,
    Stat,
    begins_alike,
    checked,
    read_at,
)
from edaphon.clock import SECOND_NS
from edaphon.config.model import is_secret_file
from edaphon.journal import Entry
from edaphon.toml_input.values import is_text
from edaphon_drivers.faults import Fault
from edaphon_drivers.files import engine as files
from edaphon_drivers.files.cutting import Cut, Rest
from edaphon_drivers.files.lines import RefusedLine, last_character, line_end, mark_of, split_lines
from edaphon_drivers.outside import leaves, open_file
from edaphon_drivers.readings import Follows, Piece
from edaphon_drivers.sheets import Sheet

PASS_BYTES = 1 << 22  # of a long line, at once
_CHUNK_BYTES = 1 << 20
_LEAST_BYTES = 1 << 15  # less is kept, whatever it is
_LEAST_TEXT = 0.01  # of the bytes, in lines without a control character
_TEXT_LINE = re.compile(rb"^[^\x00-\x08\n\x0e-\x1f]+$", re.MULTILINE)
_SAMPLE_BYTES = 64
SLICE_BYTES = 1 << 18
NULS = Cut(0, 0)  # there is nothing else in a slice
SecretFiles = frozenset[Path]
_NO_SECRETS: SecretFiles = frozenset()
_COMPARED_BYTES = 1 << 18
_MOST_LOOKED_AT = 32
OPEN_S = 25 * 3600.0  # a file that changed within a day is kept open: its tail outlives its name
MOST_OPEN = 32
LOOK_BYTES = 65_536
_LARGEST_RECORD_BYTES = 1 << 23
_REFUSED_SHOWN = 3
SHOWN_S = 600.0


class Passed(NamedTuple):
    """The bytes of a file from `start` to the offset of the piece that stands for them."""

    start: int
    piece: Piece
    why: str


class Region(NamedTuple):
    """What a region of a file holds: its SHA-256, its first bytes, and how much is in holes."""

    sha256: str
    sample: bytes
    hole_bytes: int


def holds_text(data: bytes, mark: bytes) -> bool:
    """Whether some of the lines may be rows; a few bytes, and UTF-16, are not judged."""
    if mark or len(data) < _LEAST_BYTES:
        return True
    text = sum(len(found.group()) for found in _TEXT_LINE.finditer(data))
    return text >= _LEAST_TEXT * len(data)


def nul_end(file: BinaryIO, start: int, size: int) -> int:
    """Where the NUL bytes from `start` on end; holes are not read."""
    end = start
    for at, chunk in _chunks(file, start, size):
        if isinstance(chunk, int):
            end = at + chunk
        elif (end := at + len(chunk) - len(chunk.lstrip(b"\0"))) < at + len(chunk):
            break
    return end


def region(file: BinaryIO, start: int, end: int) -> Region:
    """Holes are hashed as the words `hole of N bytes`, all else as it is."""
    digest, holes, sample = hashlib.sha256(), 0, b""
    for at, chunk in _chunks(file, start, end):
        if isinstance(chunk, int):
            holes += chunk
            digest.update(b"hole of %d bytes" % chunk)
        else:
            sample = sample or (chunk[:_SAMPLE_BYTES] if at == start else b"")
            digest.update(chunk)
    return Region(digest.hexdigest(), sample, holes)


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes | int]]:
    """(place, bytes), or (place, length) of a hole."""
    at = start
    while at < end:
        behind = min(end, _data_from(file, at, end))
        if behind > at:
            yield at, behind - at
        chunk = read_at(file, behind, min(_CHUNK_BYTES, end - behind))
        if chunk:
            yield behind, chunk
        elif behind < end:  # the file was cut meanwhile
            return
        at = behind + len(chunk)


def _data_from(file: BinaryIO, at: int, size: int) -> int:
    """Where the next bytes are that were written; `at` on a file system that knows no holes."""
    try:
        return os.lseek(file.fileno(), at, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == ENXIO else at


def reading_place(place: FilePlace, size: int, sheet: Sheet) -> FilePlace | None:
    """Where a file of that size is read on, None where nothing new can be in it.

    A file that is one record is read as a whole again; a last line, or a header, without its end
    is repeated.
    """
    if size == place.offset:
        return None
    if place.offset and not place.inside and files.is_one_record(sheet):
        return replace(START, follows=Follows.CHANGED)
    return place.before_unended() if place.unended else place


def has_rows(place: FilePlace, sheet: Sheet) -> bool:
    """Whether more than a header was read: by that alone no file is known again."""
    rows = place.offset > len(place.header) and any(b.digest for b in place.blocks)
    return rows and is_explained(place, sheet)


def is_explained(place: FilePlace, sheet: Sheet) -> bool:
    """Whether what comes next can be read: below a header, or without one."""
    headed = len(place.header) > len(mark_of(place.header))
    return headed or not files.needs_header(sheet)


def next_piece(
    file: BinaryIO, name: str, place: FilePlace, copy: int, size: int, rest: Rest, sheet: Sheet
) -> Piece | Passed | None:
    """None while nothing more of the first `size` bytes is whole."""
    data, cut = _read(file, place, size, rest, sheet)
    if cut is NULS:
        end = nul_end(file, place.offset, size)
        end -= (end - place.offset) % len(mark_of(place.header) or b"1")
        # At the end of a file they are room that a program took ahead.
        return _passed(place, name, copy, end, "NUL bytes") if end < size else None
    if not cut.whole:
        return None
    end = place.offset + cut.whole
    if place.inside:
        why = "the rest of a line that is too long"
        return _passed(place, name, copy, end, why, cut.last_bytes > 0)
    mark = mark_of(data) if not place.offset else mark_of(place.header)
    header = data[: cut.header_bytes]
    if not header and not files.is_one_record(sheet) and not holds_text(data[: cut.whole], mark):
        return _passed(place, name, copy, end, "no text")
    if header and place.offset:
        header = mark + header
    return Piece(
        name,
        place.offset + cut.header_bytes,
        header or place.header,
        data[cut.header_bytes : cut.whole],
        place.line,
        cut.lines,
        copy,
        place.follows,
        cut.header_lines > 0,
        cut.last_bytes > 0,
    )


def _passed(
    place: FilePlace, name: str, copy: int, end: int, why: str, unended: bool = False
) -> Passed:
    """A piece without data keeps the place; `unended`: it lies within a line that goes on."""
    line, header = place.line, place.header
    piece = Piece(name, end, header, b"", line, 0, copy, place.follows, False, unended)
    return Passed(place.offset, piece, why)


def _read(
    file: BinaryIO, place: FilePlace, size: int, rest: Rest, sheet: Sheet
) -> tuple[bytes, Cut]:
    """Bytes from the place on, and how many of them are whole records."""
    mark = mark_of(place.header) if place.offset else None
    headed = len(place.header) > len(mark or b"")
    before = _character_before(file, place.offset, mark or b"")
    length = PASS_BYTES if place.inside else SLICE_BYTES
    while True:
        data = read_at(file, place.offset, min(length, size - place.offset))
        last = place.offset + len(data) >= size or len(data) < length
        if place.inside:
            return data, _rest_of_long(data, mark or b"", rest if last else Rest.ENDED, sheet)
        if len(data) == SLICE_BYTES and not data.strip(b"\0"):
            return data, NULS
        cut = files.cut(data, sheet, rest if last else Rest.GROWING, headed, mark, before)
        if cut.whole or last:
            return data, cut
        if length >= LARGEST_PIECE_BYTES:
            return data, _long(data, place)
        length *= 2


def _character_before(file: BinaryIO, offset: int, mark: bytes) -> str:
    """The one that ended the line before, "" at the start of a file."""
    size = len(mark) or 1
    return last_character(read_at(file, offset - size, size), mark) if offset > len(mark) else ""


def _long(data: bytes, place: FilePlace) -> Cut:
    """No record is so long: its start is kept as it is, its line counted once."""
    mark = b"" if place.offset else mark_of(data)
    lines = split_lines(data[len(mark) :], mark or mark_of(place.header))
    return Cut(len(mark), len(data), len(lines), 0, len(lines[-1]))


def _rest_of_long(data: bytes, mark: bytes, rest: Rest, sheet: Sheet) -> Cut:
    """What goes on with a line that was counted: up to its end."""
    if not files.is_one_record(sheet):
        first = split_lines(data, mark)[:1]
        if line_end(first, mark) == ("\n", True):
            return Cut(0, len(first[0]))
    return Cut(0, len(data), last_bytes=len(data)) if rest >= Rest.RESTED else Cut(0, 0)


def open_followed(pattern: Path, name: str, secrets: SecretFiles = _NO_SECRETS) -> FileIO:
    """A file that is followed, or one that is imported besides; OSError for what is none.

    A link that leaves the folder of the pattern is refused, and a secret by whatever name: who may
    write there does not decide what else this account reads. The folder itself may be a link.
    """
    folder, path = _folder(pattern), Path(name)
    file = open_file(name, folder if path.is_relative_to(folder) else path.parent)
    if is_secret_file(os.fstat(file.fileno()), secrets):
        file.close()
        raise OSError(EACCES, "a secret of the configuration", name)
    return file


def _folder(pattern: Path) -> Path:
    """The last folder of a pattern that is no pattern itself."""
    return next((p for p in pattern.parents if not glob.has_magic(str(p))), pattern.parent)


def files_now(
    pattern: Path, secrets: SecretFiles = _NO_SECRETS
) -> tuple[dict[str, Stat], str | None]:
    """The files of a pattern, the one that was changed longest ago first, and what is wrong."""
    found, problem = files_of(glob.glob(str(pattern)), _folder(pattern), secrets)
    return found, problem if found or problem else _closed(pattern)


def files_of(
    names: Iterable[str], folder: Path | None = None, secrets: SecretFiles = _NO_SECRETS
) -> tuple[dict[str, Stat], str | None]:
    """Those that are there, the one that was changed longest ago first, and what is wrong.

    Names that are no files are passed over; where there is nothing else, that is wrong too. A link
    that leaves the folder (or, without one, its own) and a secret are wrong in any case.
    """
    found: dict[str, Stat] = {}
    problem, other = None, None
    for name in names:
        try:
            now = os.stat(name)
        except (FileNotFoundError, NotADirectoryError):  # renamed since
            continue
        except OSError as error:
            problem = f"expected a file that this account can read, got {error}"
            continue
        within = folder or Path(name).parent
        if leaves(name, within):
            problem = f"expected a file in {within}, got the link {name}, which leaves it"
            problem += f": to {os.path.realpath(name)}; follow the file itself"
        elif not S_ISREG(now.st_mode):
            other = _no_file(name, now.st_mode)
        elif is_secret_file(now, secrets):
            problem = f"expected a file that is no secret, got {name}, which the configuration"
            problem += " names as one; move it out of the folder"
        elif not is_text(name):  # neither the journal nor a status can hold its name
            came = os.fsencode(name)
            problem = f"expected names of files in UTF-8, got {came!r}; rename the file"
        else:
            found[name] = Stat.of(now)
    problem = problem or (None if found else other)
    return dict(sorted(found.items(), key=lambda one: (one[1].mtime_ns, one[0]))), problem


def _no_file(name: str, mode: int) -> str:
    if S_ISDIR(mode):
        inside = f"{name.rstrip('/')}/*"
        return f"expected a file, got the folder {name}; {inside} stands for the files in it"
    return f"expected a file that a program writes and keeps, got a pipe or device: {name}"


def _closed(pattern: Path) -> str | None:
    """Why no name can be found: the folder is not there, or not for this account."""
    folder = _folder(pattern)
    try:
        with os.scandir(folder):
            return None
    except OSError as error:
        why = error.strerror or error
        return f"expected the folder {folder} to be there and for this account, got {why}"


def holds(file: BinaryIO, place: FilePlace) -> tuple[Block, ...] | None:
    """The blocks of all that was read if it is in a file, else None."""
    return checked(file, place.blocks) if begins_alike(file, place.blocks) else None


def goes_on_in(old: BinaryIO, new: BinaryIO, at: int) -> bool:
    """Whether what one file has from `at` to its end is in the other as well."""
    while part := read_at(old, at, _COMPARED_BYTES):
        if read_at(new, at, len(part)) != part:
            return False
        at += len(part)
    return True


def find_renamed(name: str, place: FilePlace) -> str | None:
    """Another file of its folder that begins with all that was read."""
    for path in _candidates(Path(name), place):
        if path != name:
            with suppress(OSError), open_file(path, Path(name).parent) as file:
                if holds(file, place) is not None:
                    return path
    return None


def _candidates(name: Path, place: FilePlace) -> list[str]:
    """Files of the folder that may be it: that of its inode, those named like it, then others."""
    found: list[tuple[bool, bool, int, str]] = []
    stem = name.name.split(".")[0]
    with suppress(OSError), os.scandir(name.parent) as entries:
        for entry in entries:
            with suppress(OSError):
                stat = entry.stat(follow_symlinks=False)
                if S_ISREG(stat.st_mode) and stat.st_size >= place.offset:
                    same = Stat.of(stat).is_file_of(place.stat)
                    like = entry.name.startswith(stem)
                    found.append((same, like, stat.st_mtime_ns, entry.path))
    return [path for *_, path in sorted(found, reverse=True)[:_MOST_LOOKED_AT]]


@dataclass(slots=True)
class WatchedName:
    """A name while the service runs; times are monotonic, `begun_ns` is wall time."""

    since_ns: int  # the file has not changed since
    checked_ns: int  # all that was read was compared
    begun_ns: int  # when a new file was first seen, 0 for one that is known from before
    stat: Stat | None = None
    file: BinaryIO | None = None
    seen: bool = False  # looked at since the start of the service
    unchecked: bool = False  # it has grown since all was compared
    tried: tuple[Stat, Rest] | None = None  # when there was nothing more to take

    def hold(self, file: BinaryIO | None) -> None:
        if self.file is not None:
            self.file.close()
        self.file = file

    @property
    def has_left(self) -> bool:
        """Whether no file had the name at the last look."""
        return self.seen and self.stat is None

    def is_held_elsewhere(self, stat: Stat | None) -> bool:
        """Whether the file that is held open no longer has its name."""
        if self.file is None:
            return False
        return stat is None or not stat.is_file_of(Stat.of(os.fstat(self.file.fileno())))


def hold_newest(
    pattern: Path, watches: Mapping[str, WatchedName], found: Mapping[str, Stat], now_ns: int
) -> None:
    """The files that changed last stay open: what is appended before a rename is read."""
    young = [n for n, s in found.items() if now_ns - s.mtime_ns < OPEN_S * SECOND_NS]
    newest = set(young[-MOST_OPEN:])
    for name, watch in watches.items():
        if watch.file is not None and name not in newest:
            watch.hold(None)
        elif watch.file is None and name in newest and watch.stat == found[name]:
            _try_hold(pattern, name, watch)


def _try_hold(pattern: Path, name: str, watch: WatchedName) -> None:
    with suppress(OSError):
        file = open_followed(pattern, name)
        if Stat.of(os.fstat(file.fileno())).is_file_of(watch.stat):
            watch.hold(file)
        else:
            file.close()


def why_no_rows(file: Path, sheet: Sheet) -> str | None:
    """None where the beginning of a file holds a row; else its first lines with what they lack."""
    with open_file(file, file.parent) as opened:
        one_record = files.is_one_record(sheet)
        data = opened.read(_LARGEST_RECORD_BYTES if one_record else LOOK_BYTES)
    header: bytes = b""
    while data:
        cut = files.cut(data, sheet, Rest.ENDED, bool(header))
        if not cut.whole:
            break
        header = data[: cut.header_bytes] or header
        piece = Piece(str(file), 0, header, data[cut.header_bytes : cut.whole])
        found = _first_refusal(piece, sheet)
        if found is None:
            return None
        if found:
            return found
        data = data[cut.whole :]
    return ""


def _first_refusal(piece: Piece, sheet: Sheet) -> str | None:
    """None where the piece holds a row; else the first lines that are none, "" for no lines."""
    refused: list[RefusedLine] = []
    try:
        for part in files.read_piece(piece, sheet):
            if part.readings or part.counts.rows:
                return None
            refused += part.refused[: _REFUSED_SHOWN - len(refused)]
    except Fault as fault:
        return f": {fault}"
    return "".join(f"\n  line {r.line}: {r.reason}: {_printable(r.text)}" for r in refused)


def _printable(data: bytes) -> str:
    """Bytes that a terminal would act on are shown as \\xNN."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class FileBudget:
    """Of one source; used by its follower's thread."""

    def __init__(self, path: str, budgets: Budgets, floods: Floods) -> None:
        self._path, self._budgets, self._floods = path, budgets, floods
        self._waited_s = float("-inf")  # when something waited last

    def has_room(self, rest_bytes: int) -> bool:
        """Whether the next piece of a file may come, of which `rest_bytes` are not read."""
        room = self._budgets.has_room(self._path, rest_bytes > PIECE_BYTES)
        if not room:
            self._waited_s = time.monotonic()
        return room

    def spend(self, payload: bytes, rest_bytes: int = 0) -> None:
        self._budgets.spend(self._path, len(payload) + ROW_BYTES, rest_bytes > PIECE_BYTES)

    def keeps(self, payload: bytes) -> bool:
        """Whether a note about a file is kept; if not, it is counted."""
        if self._budgets.takes(self._path, len(payload) + ROW_BYTES):
            return True
        self._floods.count(self._path, payload, len(payload))
        return False

    def problem(self) -> str | None:
        """What a person should know; for a while, so that it does not come and go in the log."""
        if time.monotonic() - self._waited_s > SHOWN_S:
            return None
        return (
            "more was written than the budget of a source: the rest waits in its files, and is"
            " read as the budget fills; for more, set source_mb_per_day in [budget]"
        )

    def declared(self, file: BinaryIO, name: str, start: int, end: int, why: str) -> Entry:
        """The gap entry of bytes of a file that are not kept."""
        found = region(file, start, end)
        words = f"{end - start} bytes behind byte {start} of {name} were not kept: {why}"
        if found.hole_bytes:
            words += f"; {found.hole_bytes} of them are holes"
        words += f"; SHA-256 {found.sha256}"
        return self._floods.declared(self._path, end - start, words, found.sample)
