"""Files of which nothing or a header was read, whole or torn: no other is taken for them."""

import os

import pytest
from tests.daemon.acquire.followed_files import (
    HEAD,
    WIDE,
    line_numbers,
    path,
    replace,
    row,
    story,
    versions,
    wide,
)

from edaphon.acquire import file_pieces


def test_a_new_file_is_not_known_by_a_torn_header_of_one_that_is_gone(plot):
    plot.write("a.csv", WIDE[:3])  # the power goes while the logger writes it
    plot.look()
    path(plot, "a.csv").unlink()
    plot.look()
    plot.write("b.csv", WIDE + wide(1))
    plot.look()
    torn, whole = plot.pieces()
    assert (torn.data, torn.unended) == (WIDE[:3], True)
    assert (whole.line, whole.headed, whole.data) == (1, True, wide(1))


def test_a_file_that_is_known_is_read_on_where_only_a_header_waited(plot):
    plot.write("a.csv", HEAD + row(1) + row(2))
    plot.write("b.csv", HEAD)
    plot.look()
    os.replace(path(plot, "a.csv"), path(plot, "b.csv"))
    plot.write("b.csv", row(3))
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]


def test_a_torn_header_is_not_gone_on_with_in_the_next_file_of_its_name(plot):
    plot.write("a.csv", WIDE[:3])
    plot.look()
    path(plot, "a.csv").unlink()
    plot.look()
    plot.write("a.csv", WIDE + wide(1))
    plot.look()
    whole = plot.pieces()[-1]
    assert (whole.line, whole.headed, whole.data, whole.copy) == (1, True, wide(1), 2)


def test_lines_that_no_header_explains_make_no_file_known_by_another_name(plot):
    title = b"logger 7\n"
    plot.write("a.csv", title)
    plot.look()
    path(plot, "a.csv").unlink()
    plot.look()
    assert plot.pieces()[-1].lines == 1
    plot.write("b.csv", title + HEAD + row(1))
    plot.look()
    whole = plot.pieces()[-1]
    assert (whole.name[-5:], whole.line, whole.lines) == ("b.csv", 1, 3)


def test_lines_that_no_header_explains_are_read_from_their_start_when_the_file_comes_back(plot):
    plot.write("a.csv", b"logger 7\n")
    plot.look()
    os.rename(path(plot, "a.csv"), path(plot, "kept"))
    plot.look()
    os.rename(path(plot, "kept"), path(plot, "a.csv"))
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    whole = plot.pieces()[-1]
    assert (whole.copy, whole.line, whole.lines) == (2, 1, 3)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("above", [b"", HEAD + row(1)])
def test_a_header_that_had_no_end_is_read_again_when_the_file_comes_back(plot, above, restarted):
    plot.write("a.csv", above + b"time,t")
    plot.look()
    os.rename(path(plot, "a.csv"), path(plot, "kept"))
    plot.look()
    assert plot.pieces()[-1].unended
    os.rename(path(plot, "kept"), path(plot, "a.csv"))
    if restarted:
        plot.save()
        plot.start()
    plot.write("a.csv", b"_2,t\n2026-03-02 00:00:00,-,2.5\n")
    plot.look()
    assert plot.numbers()[-1] == 2.5
    whole = versions(plot.pieces())
    assert list(whole.values()) == [path(plot, "a.csv").read_bytes()]
    line_numbers(plot.pieces())


def test_a_torn_header_taken_before_a_restart_is_not_gone_on_with_in_another_file(plot):
    plot.write("a.csv", WIDE[:3])
    plot.look()
    plot.save()
    plot.look(after_s=3601)
    plot.start()
    replace(plot, "a.csv", WIDE + wide(1))
    plot.look()
    torn, whole = plot.pieces()
    assert (torn.data, whole.line, whole.data, whole.copy) == (WIDE[:3], 1, wide(1), 2)


def test_a_line_that_is_no_header_is_taken_once_over_a_restart_with_an_older_state(plot):
    plot.write("a.csv", b"no header")
    plot.look()
    plot.look(after_s=3601)
    plot.start()
    plot.look()
    plot.look(after_s=11)
    assert len(plot.pieces()) == 1


def test_a_header_alone_finds_no_other_file_of_the_folder(plot):
    plot.write("a.csv", WIDE)
    plot.look()
    plot.look(after_s=3601)
    plot.start()  # so that it is not held open
    plot.write("archive.txt", WIDE + wide(1))
    path(plot, "a.csv").unlink()
    plot.look()
    assert plot.numbers() == []


def test_a_new_file_with_the_header_of_one_that_is_gone_has_a_header_of_its_own(plot):
    plot.write("a.csv", HEAD)
    plot.look()
    plot.look(after_s=3700)
    path(plot, "a.csv").unlink()
    plot.write("b.csv", HEAD + row(1))
    plot.look()
    assert [(p.name[-5], p.headed, p.lines) for p in plot.pieces()] == [
        ("a", True, 1),
        ("b", True, 2),
    ]


def test_a_file_renamed_over_one_without_a_line_is_read_on_there(plot):
    plot.write("a.csv", b"")
    plot.write("b.csv", HEAD + row(1) + row(2))
    plot.look()
    os.replace(path(plot, "b.csv"), path(plot, "a.csv"))
    plot.clock.now += file_pieces.SECOND_NS
    plot.write("b.csv", HEAD + row(11))  # newer, so that a.csv is looked at first
    plot.look()
    plot.write("a.csv", row(3))
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 11.5, 3.5]
    assert story(plot)[-1] == ("a.csv", 1, "BEGINS", len(HEAD + row(1) + row(2)))
