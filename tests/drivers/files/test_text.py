"""Bytes as lines: the same ones however they are encoded, and whatever stands in other lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.files.lines import split_lines, split_piece, text_of_line
from edaphon_drivers.readings import Piece

MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
EDGES = "\x00\x0c\x1a\r\ufeff"
BITS = st.one_of(st.characters(codec="utf-8"), st.sampled_from(EDGES + "\n\r\n ;"))


def bare(line):
    return line.strip(EDGES) or "\0" * ("\0" in line)


@given(st.binary(max_size=200), st.sampled_from([b"", *MARKS.values()]))
def test_the_lines_of_any_bytes_are_those_bytes(data, mark):
    assert b"".join(split_lines(data, mark)) == data


@given(st.text(BITS, max_size=50), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_text_has_the_same_lines_in_every_encoding(text, end):
    text = text.replace("\r", " ").replace("\n", end).removeprefix("\ufeff")
    wanted = text.split("\n" if "\n" in text else "\r")
    wanted = [bare(line) for line in (wanted if wanted[-1] else wanted[:-1])]
    for codec, mark in {"utf-8": b"", **MARKS}.items():
        lines = split_lines(text.encode(codec), mark)
        assert [text_of_line(line, mark) for line in lines] == wanted
        piece = Piece("f", len(mark), mark, text.encode(codec), 1, len(lines), 1)
        assert split_piece(piece).own.texts == wanted


@given(st.binary(max_size=60), st.sampled_from([b"", *MARKS.values()]))
def test_a_piece_has_the_lines_at_which_a_file_is_cut(data, mark):
    lines = split_lines(data, mark)
    own = split_piece(Piece("f", len(mark), mark, data, 1, len(lines), 1)).own
    assert own.texts == [text_of_line(line, mark) for line in lines]


@pytest.mark.parametrize("other", [b"7;\xb0C\n", b"7;\0\n", b"7;8\r\n", b"7;8\n"])
def test_the_text_of_a_line_is_the_same_whatever_stands_in_another(other):
    for line in (b"\r1;2\n", b"\xef\xbb\xbf1;2\n", b"1;2\r\n", b"1;2\x1a\n"):
        piece = Piece("f", 0, b"", line + other, 1, 2, 1)
        assert split_piece(piece).own.texts[0] == "1;2"
