"""Hearing a line that talks by itself: whole lines, their times, what a lost port leaves."""

import threading

import pytest

from edaphon.acquire.slots import Timekeeper
from edaphon.acquire.stream import CHUNK_BYTES, MOST_BYTES_PER_S, Chunk, StreamReader
from edaphon.journal import Journal, Kind
from edaphon_drivers.faults import LinkDown
from edaphon_drivers.readings import unpack_exchange

SECOND = 10**9


class Clock:
    """Moves on by a second with each look at the line."""

    def __init__(self) -> None:
        self.now = 0

    def wall_ns(self) -> int:
        return 1_700_000_000 * SECOND + self.now

    def mono_ns(self) -> int:
        return self.now

    def wait_until(self, mono_ns, stop) -> bool:
        return stop.is_set()


class Line:
    """Says each piece a second after the one before; then it is pulled out, or stops the reader."""

    def __init__(self, clock, pieces, stop=None) -> None:
        self.clock, self.pieces, self.stop = clock, list(pieces), stop
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def read(self, wait_s: float) -> bytes:
        self.clock.now += SECOND
        if self.pieces:
            return self.pieces.pop(0)
        if self.stop is None:
            raise LinkDown("a port that can be read")
        self.stop.set()
        return b""

    def close(self) -> None: ...


def test_what_an_instrument_says_above_its_budget_is_counted_and_not_kept(tmp_path):
    clock, stop, counted = Clock(), threading.Event(), []
    lines = [b"%05d\n" % n * 200 for n in range(40)]
    line = Line(clock, lines, stop)
    takes = iter([True, *100 * [False]]).__next__
    with Journal(tmp_path, clock) as journal:
        keeper = Timekeeper(clock, "boot")
        reader = StreamReader(
            "gas/0",
            lambda: line,
            b"\n",
            (),
            journal,
            keeper,
            takes=lambda _: takes(),
            count=lambda data, size: counted.append((data, size)),
        )
        reader.run(stop)
        journal.append_now(keeper.entry(Kind.NOTE, "", b""))
        kept = [e for _, e in journal.scan() if e.kind == Kind.RECORD]
    stated = b"".join(turn.data for e in kept for turn in unpack_exchange(e.payload))
    assert stated + b"".join(data for data, _ in counted) == b"".join(lines)
    assert [size for _, size in counted] == [len(data) for data, _ in counted]
    assert (len(kept), reader.taken) == (1, 1)
    assert len(counted) > 1


def test_no_network_makes_a_stream_be_read_faster_than_its_bound(tmp_path, monkeypatch):
    clock, waited = Clock(), []

    class Stop(threading.Event):
        def wait(self, timeout=None):
            waited.append(timeout)
            return super().wait(0)

    stop = Stop()
    with Journal(tmp_path, clock) as journal:
        line = Line(clock, 50 * [4096 * b"x"], stop)
        StreamReader("gas/0", lambda: line, b"\n", (), journal, Timekeeper(clock, "boot")).run(stop)
    assert sum(waited) == pytest.approx(50 * 4096 / MOST_BYTES_PER_S)


def received(tmp_path, lives):
    """The record entries that come of a reader whose port says `lives`, one list for each."""
    clock, stop, reported = Clock(), threading.Event(), []
    links = [Line(clock, p, stop if n == len(lives) - 1 else None) for n, p in enumerate(lives)]
    left = list(links)
    with Journal(tmp_path, clock) as journal:
        keeper = Timekeeper(clock, "boot")

        def open_link():
            return left.pop(0)

        reader = StreamReader(
            "gas/0",
            open_link,
            b"\n",
            (b"go\n",),
            journal,
            keeper,
            lambda who, what: reported.append(what),
        )
        reader.run(stop)
        journal.append_now(keeper.entry(Kind.NOTE, "", b""))
        entries = [e for _, e in journal.scan() if e.kind == Kind.RECORD]
    return entries, links, reported


def test_lines_are_whole_and_keep_their_times_however_the_bytes_are_split(tmp_path):
    entries, _, _ = received(tmp_path, [[b"on", b"e\ntwo\nth", b"ree\n", b"fo"]])
    (entry,) = entries
    turns = unpack_exchange(entry.payload)
    assert [t.data for t in turns] == [b"one\n", b"two\n", b"three\n", b"fo"]
    assert [t.ms for t in turns] == [0, 0, 1000, 3000]
    assert entry.mono_ns == 2 * SECOND  # when the first line came
    assert entry.received_ns == 1_700_000_000 * SECOND + 2 * SECOND


def test_a_chunk_ends_after_ten_seconds_and_nothing_of_it_is_lost(tmp_path):
    entries, _, _ = received(tmp_path, [[b"%d\n" % n for n in range(25)]])
    lines = [t.data for e in entries for t in unpack_exchange(e.payload)]
    assert lines == [b"%d\n" % n for n in range(25)]
    assert [len(unpack_exchange(e.payload)) for e in entries] == [11, 11, 3]


def test_a_line_without_an_end_is_kept_in_bounded_memory():
    chunk = Chunk(b"\n")
    for n in range(40):
        chunk.take(b"x" * 1000, n)
    assert chunk.is_full(39)
    assert len(chunk.rest) < CHUNK_BYTES
    assert sum(len(t.data) for t in chunk.turns) + len(chunk.rest) == 40_000


def test_a_lost_port_keeps_what_came_says_so_once_and_is_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr("edaphon.acquire.stream.REOPEN_AFTER_S", (0.0, 0.0))
    entries, links, reported = received(tmp_path, [[b"1\n2"], [b"3\n"]])
    lines = [t.data for e in entries for t in unpack_exchange(e.payload)]
    assert lines == [b"1\n", b"2", b"3\n"]
    assert [bool(what) for what in reported] == [False, True, False]
    assert [link.written for link in links] == [[b"go\n"], [b"go\n"]]


@pytest.mark.parametrize("pieces", [[], [b""]])
def test_silence_makes_no_record(tmp_path, pieces):
    assert received(tmp_path, [pieces])[0] == []


def test_a_line_in_whose_midst_the_port_was_opened_does_not_look_whole():
    chunk = Chunk(b"\r\n", midst=True)
    chunk.take(b"3.5 ppm\r", 0)
    chunk.take(b"\n404.1 ppm\r\n", 1)
    assert [t.data for t in chunk.turns] == [b"3.5 ppm", b"\r\n", b"404.1 ppm\r\n"]
