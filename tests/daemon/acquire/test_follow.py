"""Following files: every row once, across restarts, rotation and half-written lines."""

import threading
import time
from pathlib import Path

import pytest

from edaphon.acquire.follow import Follower
from edaphon.acquire.timekeeper import Timekeeper
from edaphon.journal import Journal, Kind, StateFile
from edaphon_drivers.engines import completed
from edaphon_drivers.files.engine import decode_piece
from edaphon_drivers.payloads import Piece, unpack_piece
from edaphon_drivers.sheets import Sheet, load_sheet, parse_sheet

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


class Plot:
    """A folder with a logger's files, a journal beside it, and one follower after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        self.clock = Clock()
        self.journal = Journal.open(folder / "journal", self.clock)
        self.state = StateFile(folder)
        self.keeper = Timekeeper(self.clock, "boot")
        self.follower: Follower | None = None
        self.start()

    def start(self, name: str = "*.csv", sheet: Sheet = SHEET) -> None:
        self.stop()
        pattern = self.folder / "data" / name
        self.follower = Follower("file/x", pattern, sheet, self.journal, self.keeper, self.state)

    def stop(self) -> None:
        if self.follower is not None:
            self.follower.close()

    def write(self, name: str, data: bytes, mode: str = "ab") -> None:
        with (self.folder / "data" / name).open(mode) as file:
            file.write(data)

    def look(self, after_s: float = 1) -> None:
        self.clock.now += int(after_s * SECOND)
        self.follower.look(threading.Event())
        self.journal.append_now(self.keeper.entry(Kind.NOTE, "", b""))

    def save(self) -> None:
        self.follower.save(self.journal.last)

    def pieces(self) -> list[Piece]:
        self.journal.append_now(self.keeper.entry(Kind.NOTE, "", b""))
        return [unpack_piece(e.payload) for _, e in self.journal.scan() if e.kind == Kind.RECORD]

    def numbers(self) -> list[float]:
        return [r.number for piece in self.pieces() for r in decode_piece(piece, SHEET)]


@pytest.fixture
def plot(tmp_path):
    plot = Plot(tmp_path)
    yield plot
    plot.stop()
    plot.journal.close()
    plot.state.close()


def row(n: int) -> bytes:
    return b"2026-03-%02d 00:00:00,%d.5\n" % (n, n)


def test_each_row_is_taken_once_as_the_file_grows(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    plot.write("a.csv", row(2) + row(3)[:9])
    plot.look()
    plot.look()
    plot.write("a.csv", row(3)[9:])
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize("saved", [0, 1, 2])
def test_a_restart_takes_nothing_twice_and_leaves_nothing_out(plot, saved):
    for n in (1, 2):
        plot.write("a.csv", (HEAD if n == 1 else b"") + row(n))
        plot.look()
        if n == saved:
            plot.save()
    plot.start()
    plot.write("a.csv", row(3))
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]


def test_a_file_that_was_written_anew_is_read_from_its_start(plot):
    plot.write("a.csv", HEAD + row(1) + row(2))
    plot.look()
    plot.write("a.csv", HEAD + row(3), "wb")
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]


def test_a_longer_file_that_begins_otherwise_is_another_file(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    plot.write("a.csv", HEAD + row(4) + row(5) + row(6), "wb")
    plot.look()
    assert plot.numbers() == [1.5, 4.5, 5.5, 6.5]


def test_a_json_file_that_has_grown_is_read_as_a_whole_again(plot):
    plot.start("*.json", load_sheet("licor.li-8200-01s"))
    begun = b'{"remark": "' + 400 * b"x"  # longer than what a file is known by
    whole, grown = begun + b'"}', begun + b'", "datasets": []}'
    for text in (begun, whole, grown):
        plot.write("a.json", text, "wb")
        plot.look()
        plot.look()
    pieces = [unpack_piece(e.payload) for _, e in plot.journal.scan() if e.kind == Kind.RECORD]
    assert [piece.data for piece in pieces] == [whole, grown]


def test_several_files_are_taken_and_a_year_of_rows_comes_in_pieces(plot):
    plot.write("a.csv", HEAD + b"".join(row(1 + n % 28) for n in range(20_000)))
    plot.write("b.csv", HEAD + row(7))
    plot.look()
    assert len(plot.numbers()) == 20_001
    sizes = [len(e.payload) for _, e in plot.journal.scan() if e.kind == Kind.RECORD]
    assert len(sizes) > 5
    assert max(sizes) < 1 << 18


def test_a_file_that_cannot_be_read_is_told_and_keeps_no_other_from_being_taken(plot, monkeypatch):
    told = []
    monkeypatch.setattr(plot.follower, "_on_state", lambda who, what: told.append(what))
    plot.write("b.csv", HEAD + row(7))
    real = Path.open

    def denied(path, *args, **more):
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **more)

    plot.write("a.csv", HEAD + row(1))
    monkeypatch.setattr(Path, "open", denied)
    plot.look()
    assert plot.numbers() == [7.5]
    assert "a.csv" in told[-1]
