"""When a last line without its end counts, and what becomes of it when the file grows past it."""

import os

import pytest
from tests.daemon.acquire.followed_files import HEAD, SHEET, line_numbers, passed, row

from edaphon.acquire.file_state import LARGEST_PIECE_BYTES
from edaphon.service.notes import file_notes
from edaphon_drivers.files.engine import read_piece
from edaphon_drivers.readings import Follows
from edaphon_drivers.sheets import load_sheet

TORN = b"2026-03-02 00:00:00,2."  # and 5 to come
TOA5 = b'"TOA5","a"\n"TIMESTAMP","t"\n"TS","C"\n"","Smp"\n'


def notes(plot):
    return [one["words"] for one in file_notes({"file/x": plot.follower}, 3600)]


def test_a_torn_last_number_is_not_taken_while_it_may_go_on(plot):
    plot.write("a.csv", HEAD + row(1) + TORN)
    for _ in range(3):
        plot.look(after_s=14)
    plot.write("a.csv", b"5\n" + row(3))
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]
    assert not any(p.unended or p.follows is Follows.AGAIN for p in plot.pieces())


def test_a_last_line_counts_after_an_hour_and_is_read_again_when_it_grows(plot):
    plot.write("a.csv", HEAD + row(1) + TORN)
    plot.look()
    plot.look(after_s=3590)
    assert plot.numbers() == [1.5]
    plot.look(after_s=10)
    assert plot.numbers() == [1.5, 2.0]
    plot.write("a.csv", b"5")
    plot.look()
    plot.look(after_s=60)
    assert plot.numbers() == [1.5, 2.0]
    plot.write("a.csv", b"\n" + row(3))
    plot.look()
    assert plot.numbers() == [1.5, 2.0, 2.5, 3.5]
    stated = [(p.line, p.lines, p.follows.name, p.unended) for p in plot.pieces()]
    assert stated == [(1, 2, "BEGINS", False), (3, 1, "ON", True), (3, 2, "AGAIN", False)]
    assert plot.pieces()[-1].offset == len(HEAD + row(1))


@pytest.mark.parametrize("saved", [0, 1, 2])
def test_a_line_that_was_read_again_is_so_after_a_kill(plot, saved):
    plot.write("a.csv", HEAD + row(1) + TORN)
    plot.look()
    plot.look(after_s=3601)
    if saved == 1:
        plot.save()
    plot.start()
    plot.write("a.csv", b"5\n")
    plot.look()
    if saved == 2:
        plot.save()
    plot.start()
    plot.write("a.csv", row(3))
    plot.look()
    assert plot.numbers() == [1.5, 2.0, 2.5, 3.5]
    assert list(line_numbers(plot.pieces()).values()) == [4]


def test_the_files_own_time_counts_where_the_service_was_off(plot):
    plot.write("a.csv", HEAD + row(1) + TORN)
    old = plot.clock.wall_ns() - 2 * 3600 * 10**9
    os.utime(plot.folder / "data" / "a.csv", ns=(old, old))
    plot.look()
    assert plot.numbers() == [1.5]  # it may be on its way at this moment
    plot.look(after_s=11)
    assert plot.numbers() == [1.5, 2.0]


def test_a_last_line_counts_when_another_file_follows(plot):
    plot.write("a.csv", HEAD + row(1) + TORN)
    plot.look()
    plot.look(after_s=60)
    assert plot.numbers() == [1.5]
    plot.write("b.csv", HEAD + row(7))
    plot.look()
    assert plot.numbers() == [1.5, 2.0, 7.5]


def test_files_that_grow_side_by_side_do_not_follow_one_another(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.write("b.csv", HEAD + row(7))
    plot.look()
    plot.write("a.csv", TORN)
    plot.look()
    plot.write("b.csv", row(8))
    plot.look(after_s=60)
    plot.look(after_s=60)
    assert plot.numbers() == [1.5, 7.5, 8.5]


def test_a_header_alone_is_journalled_once_the_file_rests_for_an_hour(plot):
    plot.write("a.csv", HEAD)
    plot.look()
    plot.look(after_s=60)
    assert plot.pieces() == []
    plot.look(after_s=3600)
    plot.write("a.csv", row(1))
    plot.look()
    stated = [(p.headed, p.header, p.data, p.line, p.lines) for p in plot.pieces()]
    assert stated == [(True, HEAD, b"", 1, 1), (False, HEAD, row(1), 2, 1)]
    plot.start()  # and with the pieces alone
    plot.look()
    assert len(plot.pieces()) == 2


def test_a_header_that_is_not_complete_waits_for_its_end(plot):
    plot.start("*.dat", load_sheet("campbell.toa5"))
    plot.write("a.dat", TOA5[:40])
    plot.look()
    plot.look(after_s=4000)
    assert plot.pieces() == []
    plot.write("a.dat", TOA5[40:] + b'"2026-09-01 00:00:00",1\n')
    plot.look()
    (piece,) = plot.pieces()
    assert (piece.header, piece.headed, piece.lines) == (TOA5, True, 5)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_each_piece_of_a_utf16_file_says_how_it_is_encoded(plot, codec):
    mark = "\ufeff".encode(codec)
    text = (HEAD + row(1)).decode()
    plot.write("a.csv", mark + text.encode(codec))
    plot.look()
    plot.write("a.csv", (row(2) + HEAD + row(3)).decode().encode(codec))
    plot.look()
    header = mark + HEAD.decode().encode(codec)
    assert [(p.header, p.headed, p.line, p.lines) for p in plot.pieces()] == [
        (header, True, 1, 2),
        (header, False, 3, 1),
        (header, True, 4, 2),
    ]
    plot.start()
    plot.look()
    assert len(plot.pieces()) == 3


def test_a_utf16_file_without_a_header_has_its_mark_as_header(plot):
    plot.start("*.csv", load_sheet("tomst.tms-4"))
    text = "0;2020.10.08 12:15;4;11.5;12.0625;9.75;1148;202;0;\r\n"
    plot.write("a.csv", b"\xff\xfe" + text.encode("utf-16-le"))
    plot.look()
    plot.write("a.csv", text.encode("utf-16-le"))
    plot.look()
    stated = [(p.header, p.headed, p.offset, p.line, p.lines) for p in plot.pieces()]
    size = 2 * len(text)
    assert stated == [(b"\xff\xfe", False, 2, 1, 1), (b"\xff\xfe", False, 2 + size, 2, 1)]
    plot.start()
    plot.look()
    assert len(plot.pieces()) == 2


def test_nul_bytes_at_the_end_wait_and_what_is_written_over_them_is_read_once(plot):
    plot.write("a.csv", HEAD + row(1) + 200 * b"\0")
    plot.look()
    plot.look(after_s=4000)
    assert plot.numbers() == [1.5]
    with (plot.folder / "data" / "a.csv").open("r+b") as file:
        file.seek(len(HEAD + row(1)))
        file.write(row(2))
    plot.look()
    assert plot.numbers() == [1.5, 2.5]
    assert {p.copy for p in plot.pieces()} == {1}


def test_of_a_line_that_is_longer_than_any_record_the_start_is_kept_and_the_rest_declared(plot):
    long = b"x" * (LARGEST_PIECE_BYTES + 5_000_000)
    plot.write("a.csv", HEAD + row(1) + long)
    for _ in range(3):
        plot.look(after_s=15)
    plot.write("a.csv", b"yy\n" + row(2))
    plot.look()
    pieces = plot.pieces()
    assert b"".join(p.data for p in pieces[1:-1]) == long[:LARGEST_PIECE_BYTES]
    rest = long[LARGEST_PIECE_BYTES:] + b"yy\n"
    assert sum(length for length, _ in passed(plot)) == len(rest)
    assert sum(p.lines for p in pieces) == 4
    counts = [part.counts for p in pieces for part in read_piece(p, SHEET)]
    assert (sum(c.lines for c in counts), sum(c.refused for c in counts)) == (4, 1)
    assert (pieces[-1].line, pieces[-1].data) == (4, row(2))
    plot.start()
    plot.look()
    assert len(plot.pieces()) == len(pieces)


def test_any_run_of_nul_bytes_before_a_good_row_costs_no_row(plot):
    plot.write("a.csv", HEAD + row(1) + bytes(2 * LARGEST_PIECE_BYTES + 77) + row(2))
    plot.look()
    pieces = plot.pieces()
    assert sum(p.lines for p in pieces) == 3
    assert pieces[-1].data.strip(b"\0") == row(2)


def test_a_json_file_that_is_no_record_is_not_read_for_ever(plot):
    plot.start("*.json", load_sheet("licor.li-8200-01s"))
    plot.write("a.json", b'{"a": "' + b"x" * (LARGEST_PIECE_BYTES + 10))
    for _ in range(4):
        plot.look(after_s=15)
    assert sum(len(p.data) for p in plot.pieces()) == LARGEST_PIECE_BYTES
    assert [length for length, _ in passed(plot)] == [17]


def test_status_shows_which_line_waits_and_until_when(plot):
    plot.write("a.csv", HEAD + row(1) + TORN)
    plot.look()
    (words,) = notes(plot)
    assert "a.csv: the last line has no end yet; taken at " in words
    assert words.endswith(" or when the file grows")
    plot.look(after_s=3601)
    assert notes(plot) == []
    plot.write("a.csv", b"5\n" + bytes(7))
    plot.look()
    plot.look(after_s=3601)
    (words,) = notes(plot)
    assert "its last 7 bytes are no whole line" in words


def test_room_that_a_program_took_ahead_is_not_journalled(plot):
    plot.write("a.csv", HEAD + row(1))
    path = plot.folder / "data" / "a.csv"
    os.truncate(path, 1 << 30)
    for _ in range(3):
        plot.look(after_s=4000)
    assert plot.numbers() == [1.5]
    assert sum(len(piece.data) for piece in plot.pieces()) < 1 << 16
    with path.open("r+b") as file:
        file.seek(len(HEAD + row(1)))
        file.write(row(2) + row(3))
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]


def test_nul_bytes_behind_a_last_line_are_not_read_again_and_again(plot):
    plot.write("a.csv", HEAD + row(1) + TORN + bytes(64))  # what a power cut leaves
    plot.look()
    plot.look(after_s=3601)
    plot.look(after_s=3601)
    assert plot.numbers() == [1.5, 2.0]
    assert [p.data for p in plot.pieces()] == [row(1), TORN]
    plot.write("a.csv", b"\n" + row(3))
    plot.look()
    assert [p.line for p in plot.pieces()] == [1, 3, 3]
    assert plot.numbers()[-1] == 3.5


@pytest.mark.parametrize("codec", ["latin-1", "utf-16-le"])
def test_a_cr_whose_lf_is_on_the_way_ends_no_line(plot, codec):
    mark = b"\xff\xfe" if codec != "latin-1" else b""
    text = (HEAD + row(1) + row(2)).decode().replace("\n", "\r\n").encode(codec)
    last = "\n".encode(codec)
    plot.write("a.csv", mark + text.removesuffix(last))
    for after_s in (2, 12, 30):
        plot.look(after_s)
    assert plot.numbers() == [1.5]
    plot.write("a.csv", last + row(3).decode().encode(codec))
    for after_s in (2, 12):
        plot.look(after_s)
    assert plot.numbers() == [1.5, 2.5, 3.5]
    assert list(line_numbers(plot.pieces()).values()) == [4]


def test_a_line_with_a_cr_inside_is_one_line_and_read_again_as_one(plot):
    plot.write("a.csv", HEAD + row(1) + b"2026-03-02 00:00:00\r,2.")
    plot.look()
    plot.look(after_s=3601)
    plot.write("a.csv", b"5\n" + row(3))
    plot.look()
    assert [(p.line, p.lines) for p in plot.pieces()] == [(1, 2), (3, 1), (3, 2)]
    assert list(line_numbers(plot.pieces()).values()) == [4]
    assert plot.pieces()[-1].offset == len(HEAD + row(1))


def test_names_without_an_end_that_nobody_can_write_on_are_one_line(plot):
    text = HEAD.decode().replace("\n", "\r\n").encode("utf-16-le")
    plot.write("a.csv", b"\xff\xfe" + text[:-1])
    plot.look()
    os.unlink(plot.folder / "data" / "a.csv")
    plot.look()
    (piece,) = plot.pieces()
    (part,) = read_piece(piece, SHEET)
    assert (piece.lines, part.counts.lines) == (1, 1)
