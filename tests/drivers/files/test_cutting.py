"""How far a growing file is whole: line ends, UTF-16, NUL bytes, long lines, waiting headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.drivers.files.test_tables import small
from tests.readers import lines_of_piece

from edaphon_drivers.files.cutting import PIECE_BYTES, Rest
from edaphon_drivers.files.engine import cut, read_piece
from edaphon_drivers.files.lines import LineCounts, mark_of
from edaphon_drivers.files.sheet import completed
from edaphon_drivers.readings import Piece
from edaphon_drivers.sheets import load_sheet

NUMBERED = {"columns": [1, 2], "formats": ["%d.%m.%Y %H:%M"], "utc_offset": "+01:00"}
TABLE, TOA5, LI81X = small(), load_sheet("campbell.toa5"), load_sheet("licor.li-8100a")
NAMES = "Datum;Zeit;Temp °C"
ROW = "7.3.2026;06:00;1"
MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


@pytest.mark.parametrize("codec", MARKS)
def test_utf16_is_cut_at_whole_lines_of_two_byte_units(codec):
    mark, text = MARKS[codec], f"{NAMES}\r\n{ROW}Ċ\r\n"  # U+010A holds the byte of a line feed
    data = mark + text.encode(codec)
    assert mark_of(data) == mark
    for length in range(len(data)):
        assert cut(data[:length], TABLE, Rest.GROWING).whole == 0
    found = cut(data, TABLE, Rest.GROWING)
    assert found == (2 + 2 * len(NAMES + "\r\n"), len(data), 2, 1, 0)
    later = cut(f"{ROW}\n{ROW}".encode(codec), TABLE, Rest.GROWING, headed=True, mark=mark)
    assert later == (0, 2 * len(ROW + "\n"), 1, 0, 0)


BITS = [NAMES, ROW, "\n", "\r", "\r\n", "\0", "x;y", "\n", ROW + "\n"]


@given(
    st.lists(st.sampled_from(BITS), max_size=12),
    st.sampled_from(["utf-8", *MARKS]),
    st.sampled_from(Rest),
    st.booleans(),
)
def test_a_piece_has_the_lines_that_were_counted_when_it_was_cut(bits, codec, rest, odd):
    mark = MARKS.get(codec, b"")
    data = mark + "".join(bits).encode(codec) + b"x" * odd
    at, header, headed = 0, b"", False
    while (found := cut(data[at:], TABLE, rest, headed, mark if at else None)).whole:
        own = data[at : at + found.header_bytes]
        header = (own if not at else mark + own) if own else header
        headed = headed or found.header_lines > 0
        rows = data[at + found.header_bytes : at + found.whole]
        start = at + found.header_bytes
        piece = Piece(
            "f", start, header, rows, 1, found.lines, 1, headed=found.header_lines > 0,
            unended=found.last_bytes > 0,
        )  # fmt: skip
        assert lines_of_piece(piece) == found.lines
        assert sum(part.counts.lines for part in read_piece(piece, TABLE)) == found.lines
        at += found.whole


def test_a_piece_without_a_line_of_its_own_refuses_none():
    piece = Piece("f", 9, NAMES.encode(), b"x" * 99, line=3, lines=0, copy=1, unended=True)
    (part,) = read_piece(piece, TABLE)
    assert (part.readings, part.refused, part.counts.lines) == ((), (), 0)


def test_cr_alone_ends_a_line_where_no_lf_stands_and_the_file_rests():
    data = f"{NAMES}\r{ROW}\r{ROW}\r".encode()
    waiting = len(data) - len(ROW) - 1  # the LF of a CRLF may be on the way
    assert cut(data, TABLE, Rest.GROWING)[1:3] == (waiting, 2)
    assert cut(data, TABLE, Rest.RESTED) == (len(NAMES.encode()) + 1, len(data), 3, 1, 0)
    assert cut(data + b"\n", TABLE, Rest.ENDED).lines == 1


def test_what_ended_the_line_before_decides_where_a_cr_ends_a_line():
    row = f"{ROW}\r".encode()
    below_lf, below_cr = (cut(row, TABLE, Rest.RESTED, True, b"", end) for end in "\n\r")
    assert (below_lf.whole, below_cr.whole) == (0, len(row))
    both = cut(row * 2, TABLE, Rest.ENDED, True, b"", "\n")
    assert (both.whole, both.lines, both.last_bytes) == (2 * len(row), 1, 2 * len(row))


@pytest.mark.parametrize("codec", ["utf-8", *MARKS])
def test_a_line_of_words_above_the_first_row_is_a_header_in_any_encoding(codec):
    sheet = small(column=[{"number": 3, "output": "t"}], time=NUMBERED)
    mark, data = MARKS.get(codec, b""), "Tag;;\n".encode(codec) + f"{ROW}\n".encode(codec)
    piece = Piece("f", len(mark), mark, data, 1, 2, 1)
    (part,) = read_piece(piece, sheet)
    assert part.counts == LineCounts(rows=1, headers=1)


def test_a_line_with_nul_bytes_inside_is_no_header():
    data = f"{NAMES}\n;;\0words\n{ROW}\n".encode()
    (part,) = read_piece(Piece("f", 0, b"", data, 1, 3, 1), TABLE)
    assert part.counts == LineCounts(rows=1, headers=1, refused=1)


@pytest.mark.parametrize("size", [2, 3])
def test_a_header_that_is_broken_off_swallows_no_rows(size):
    head = ['"TOA5","a"', '"TIMESTAMP","t"', '"TS","C"'][:size]
    rows = ['"2026-03-01 00:00:00",1.5', '"2026-03-02 00:00:00",2.5']
    data = "".join(f"{line}\n" for line in [*head, *rows]).encode()
    found = cut(data, TOA5, Rest.GROWING)
    assert (found.header_lines, found.lines) == (size, size + 2)
    sheet = completed(TOA5, {"utc_offset": "+00:00"})
    (part,) = read_piece(Piece("f", 0, b"", data, 1, size + 2, 1), sheet)
    assert part.counts == LineCounts(headers=size, refused=2)


def test_a_last_line_counts_without_its_end_only_when_it_has_ended():
    data = f"{NAMES}\n{ROW}\n{ROW}".encode()
    whole = len(data) - len(ROW)
    assert cut(data, TABLE, Rest.GROWING)[1:3] == (whole, 2)
    assert cut(data, TABLE, Rest.RESTED)[1:3] == (whole, 2)
    assert cut(data, TABLE, Rest.ENDED)[1:] == (len(data), 3, 1, len(ROW))


@pytest.mark.parametrize("text", ['"TOA5","a"\n"TIMESTAMP"\n', '"TOA5","a"'])
def test_a_header_without_its_end_waits_until_nobody_can_write_it(text):
    data = text.encode()
    assert cut(data, TOA5, Rest.ENDED).whole == 0
    assert cut(data, TOA5, Rest.GONE)[:2] == (0, len(data))


def test_a_header_alone_is_taken_once_the_file_has_ended():
    data = f"{NAMES}\n".encode()
    assert cut(data, TABLE, Rest.RESTED).whole == 0
    assert cut(data, TABLE, Rest.ENDED) == (len(data), len(data), 1, 1, 0)


def test_names_without_their_end_may_go_on():
    assert cut(b"Datum;Zeit;Temp", TABLE, Rest.ENDED).whole == 0


@pytest.mark.parametrize("count", [1, 64, 200_000])
def test_nul_bytes_end_no_line_and_wait_at_the_end_of_a_file(count):
    row, nuls = f"{ROW}\n".encode(), b"\0" * count
    assert cut(row + nuls, TABLE, Rest.ENDED, True, b"") == (0, len(row), 1, 0, 0)
    assert cut(nuls, TABLE, Rest.ENDED, True, b"").whole == 0
    assert cut(nuls + row, TABLE, Rest.GROWING, True, b"") == (0, count + len(row), 1, 0, 0)
    assert cut(ROW.encode() + nuls, TABLE, Rest.ENDED, True, b"")[1] == len(ROW)
    assert cut(nuls, TABLE, Rest.GONE, True, b"").whole == count


def test_a_line_longer_than_a_piece_is_cut_at_its_end():
    long = ROW.encode() + b";" * PIECE_BYTES + b"\n"
    assert cut(long[:-1], TABLE, Rest.GROWING, True, b"").whole == 0
    assert cut(long + ROW.encode(), TABLE, Rest.GROWING, True, b"").whole == len(long)


def test_a_header_longer_than_a_piece_is_cut_at_its_end():
    names = ",".join(f'"T_{n}"' for n in range(9000)).encode()
    header = b'"TOA5","a"\n"TIMESTAMP","RECORD",' + names + b'\n"TS","RN"\n"",""\n'
    row = b'"2026-09-01 00:00:00",0,' + names + b"\n"
    found = cut(header + 3 * row, TOA5, Rest.GROWING)
    assert found.header_bytes == len(header)
    assert found.whole == len(header) + (found.lines - 4) * len(row) > len(header)


def test_the_lines_of_every_piece_of_a_file_are_counted():
    data = f"{NAMES}\n".encode() + b"\n".join(
        f"7.3.2026;06:{n % 60:02d};{n}".encode() for n in range(20_000)
    )
    at = lines = 0
    while (found := cut(data[at:], TABLE, Rest.ENDED, at > 0, b"" if at else None)).whole:
        at, lines = at + found.whole, lines + found.lines
    assert (at, lines) == (len(data), 20_001)


CLOCKED = {
    "three cells": (["TIME"], ["%Y-%m-%d %H:%M"], "2026-03-07 06:00;1;2"),
    "the last of three": (["TIME"], ["%Y-%m-%d %H:%M"], "1;2;2026-03-07 06:00"),
    "three columns": (["YEAR", "DAY", "CLOCK"], ["%Y %j %H:%M"], "2026;66;06:00;1;2;3"),
}


@pytest.mark.parametrize("case", CLOCKED)
def test_a_file_that_begins_with_a_row_waits_for_no_line_of_names(case):
    columns, formats, row = CLOCKED[case]
    sheet = small(time={"columns": columns, "formats": formats, "utc_offset": "+01:00"})
    data = f"{row}\n".encode()
    found = cut(data, sheet, Rest.GROWING)
    assert (found.header_lines, found.lines, found.whole) == (0, 1, len(data))
    assert cut(b"no time;1;2\n", sheet, Rest.GROWING).whole == 0
