"""A folder with a logger's files, a journal, and one follower after another."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.readers import decode_piece, lines_of_piece

from edaphon.acquire.budget import Budgets, Floods, Pace
from edaphon.acquire.file_pieces import FileBudget
from edaphon.acquire.files import Follower
from edaphon.acquire.slots import Gap, Timekeeper, is_flood
from edaphon.journal import Entry, Journal, Kind, StateFile
from edaphon.model import EntryId
from edaphon_drivers.readings import Follows, Piece, unpack_piece
from edaphon_drivers.registry import completed
from edaphon_drivers.sheets import Sheet, parse_sheet

SECOND = 10**9
HEAD = b"time,t\n"
SHEET = completed(
    parse_sheet(
        "own.csv",
        {
            "title": "a logger's table",
            "engine": "file",
            "checked": "unverified",
            "source": "composed",
            "frame": {
                "form": "table",
                "separator": "comma",
                "time": {"columns": ["time"], "formats": ["%Y-%m-%d %H:%M:%S"]},
                "column": [{"name": "t", "output": "soil_temperature"}],
            },
            "output": [
                {"name": "soil_temperature", "quantity": "soil_temperature", "unit": "degC"}
            ],
        },
    ),
    {"utc_offset": "+01:00"},
)


class Clock:
    """Begins now, for files have the machine's times, and goes on when a test says so."""

    def __init__(self) -> None:
        self.now, self.began = 0, time.time_ns()

    def wall_ns(self) -> int:
        return self.began + self.now

    def mono_ns(self) -> int:
        return self.now

    def wait_until(self, mono_ns, stop) -> bool:
        return stop.is_set()


def no_wait() -> Pace:
    """All that comes in is derived at once."""
    return Pace(lambda: EntryId(2**31, 0), ahead_bytes=2**60)


class Plot:
    """A folder with a logger's files, a journal next to it, and one follower after another."""

    def __init__(self, folder: Path, journal: "MemoryJournal | None" = None) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        self.clock = Clock()
        self.journal = journal or Journal(folder / "journal", self.clock)
        self.state = StateFile(folder)
        self.keeper = Timekeeper(self.clock, "boot")
        self.follower: Follower | None = None
        self.problem: str | None = None  # of the last look
        self.budgets = Budgets(500_000_000, 64_000_000, 1, lambda: 10**11, self._now_s)
        self.start()

    def start(self, name: str = "*.csv", sheet: Sheet = SHEET) -> None:
        self.stop()
        pattern = self.folder / "data" / name
        self.floods = Floods(self.journal, self.state, self.keeper)
        budget = FileBudget("file/x", self.budgets, self.floods)
        self.follower = Follower(
            "file/x", pattern, sheet, self.journal, self.keeper, self.state, no_wait(), budget,
            self._on_state,
        )  # fmt: skip

    def _on_state(self, _: str, problem: str | None) -> None:
        self.problem = problem

    def _now_s(self) -> float:
        return self.clock.now / SECOND

    def stop(self) -> None:
        if self.follower is not None:
            self.follower.close()

    def write(self, name: str, data: bytes, mode: str = "ab") -> None:
        """By the clock of the plot."""
        with (self.folder / "data" / name).open(mode) as file:
            file.write(data)
        now_ns = self.clock.wall_ns()
        os.utime(self.folder / "data" / name, ns=(now_ns, now_ns))

    def look(self, after_s: float = 2) -> None:
        self.clock.now += int(after_s * SECOND)
        self.follower.look(threading.Event())
        self.journal.append_now(self.keeper.entry(Kind.NOTE, "", b""))

    def save(self) -> None:
        self.follower.save(self.journal.last or EntryId(0, 0))

    def pieces(self) -> list[Piece]:
        self.journal.append_now(self.keeper.entry(Kind.NOTE, "", b""))
        return [unpack_piece(e.payload) for _, e in self.journal.scan() if e.kind == Kind.RECORD]

    def numbers(self) -> list[float]:
        return [r.number for piece in self.pieces() for r in decode_piece(piece, SHEET)]


def passed(plot: Plot) -> list[tuple[int, str]]:
    """(length, SHA-256) of all that the journal declares as not kept."""
    gaps = [Gap.of_payload(e.payload).detail for _, e in plot.journal.scan() if is_flood(e)]
    return [(int(words.split()[0]), words.rsplit("SHA-256 ")[-1]) for words in gaps]


def row(n: int) -> bytes:
    return b"2026-03-%02d 00:00:00,%d.5\n" % (n, n)


WIDE = b"time,t," + b",".join(b"column_%d" % n for n in range(100)) + b"\n"


def wide(n: int) -> bytes:
    return row(n).rstrip(b"\n") + 100 * b",1" + b"\n"


def versions(pieces: list[Piece]) -> dict[tuple[str, int], bytes]:
    """The bytes of each copy as its pieces say them: a line that is repeated counts once."""
    whole: dict[tuple[str, int], bytes] = {}
    for piece in pieces:
        key = piece.name, piece.copy
        own = piece.header if piece.headed else b""
        before, start = whole.get(key, b""), piece.offset - len(own)
        assert start == len(before) or piece.follows in {Follows.AGAIN, Follows.BEGINS}
        whole[key] = before[:start].ljust(start, b"?") + own + piece.data
    return whole


def line_numbers(pieces: list[Piece]) -> dict[tuple[str, int], int]:
    """How many lines each copy has by its pieces; each must go on where the last one ended."""
    lines: dict[tuple[str, int], int] = {}
    for piece in pieces:
        key = piece.name, piece.copy
        expected = lines.get(key, piece.line - 1 if piece.follows is Follows.BEGINS else 0) + 1
        assert lines_of_piece(piece) == piece.lines  # as the decoder sees them
        assert piece.line == expected - (piece.follows is Follows.AGAIN)
        lines[key] = piece.line + piece.lines - 1
    return lines


def path(plot, name):
    return plot.folder / "data" / name


def replace(plot, name, data):
    path(plot, "new.tmp").write_bytes(data)
    os.replace(path(plot, "new.tmp"), path(plot, name))


def story(plot):
    """(copy, how it follows, offset) of each piece."""
    return [(p.name[-5:], p.copy, p.follows.name, p.offset) for p in plot.pieces()]


class MemoryJournal:
    """A journal without a disk: what was appended is committed when a test says so."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.pending: list[tuple[list[Entry], Callable[[list[EntryId]], None] | None]] = []

    @property
    def last(self) -> EntryId | None:
        return EntryId(1, len(self.entries)) if self.entries else None

    def append(self, entries, done=None) -> None:
        self.pending.append((entries, done))

    def append_now(self, entry: Entry) -> None:
        self.append([entry])
        self.commit()

    def commit(self) -> None:
        while self.pending:
            entries, done = self.pending.pop(0)
            self.entries += entries
            if done is not None:
                done([EntryId(1, len(self.entries))])

    def lose(self) -> None:
        """The power goes before the commit."""
        self.pending.clear()

    def after(self, place: EntryId, limit: int) -> list[tuple[EntryId, Entry]]:
        found = self.entries[place[1] :][:limit]
        return [(EntryId(1, place[1] + n), entry) for n, entry in enumerate(found, 1)]

    def scan(self) -> list[tuple[EntryId, Entry]]:
        return self.after(EntryId(1, 0), len(self.entries))

    def close(self) -> None:
        self.commit()
