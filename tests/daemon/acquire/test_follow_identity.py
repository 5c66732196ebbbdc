"""Which file stands under a name: renamed, replaced, cut, put right in place, gone, copied."""

import hashlib
import os
import shutil
import threading

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

from edaphon.acquire import file_pieces, files
from edaphon.acquire.file_state import KnownFiles
from edaphon.journal import Kind
from edaphon_drivers.readings import Follows, Piece, pack_piece


def restart(plot, saved):
    if saved:
        plot.save()
    plot.start()


@pytest.mark.parametrize("in_place", [False, True])
def test_a_longer_file_with_the_same_wide_header_is_read_from_its_start(plot, in_place):
    plot.write("a.csv", WIDE + wide(1) + wide(2))
    plot.look()
    later = WIDE + b"".join(wide(n) for n in range(11, 20))
    if in_place:
        plot.write("a.csv", later, "wb")
    else:
        replace(plot, "a.csv", later)
    plot.look()
    assert list(versions(plot.pieces()).values()) == [WIDE + wide(1) + wide(2), later]
    assert plot.pieces()[-1].follows is (Follows.CHANGED if in_place else Follows.BEGINS)
    assert plot.follower.losses() == ()


@pytest.mark.parametrize("matches", [False, True])
def test_a_row_appended_just_before_a_rename_is_read(plot, matches):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    plot.write("a.csv", row(2))
    os.rename(path(plot, "a.csv"), path(plot, "old.csv" if matches else "a.csv.1"))
    plot.write("a.csv", HEAD + row(3))
    plot.look()
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]
    assert story(plot)[-1] == ("a.csv", 2, "BEGINS", len(HEAD))


def test_a_row_appended_just_before_the_file_is_deleted_is_read(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    plot.write("a.csv", row(2) + row(3).rstrip(b"\n"))
    path(plot, "a.csv").unlink()
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]
    assert plot.pieces()[-1].unended
    assert plot.follower.files()[0].gone


@pytest.mark.parametrize("looks", [1, 2])
def test_a_file_that_comes_after_another_was_gone_costs_no_warning(plot, looks):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    (plot.folder / "keep").hardlink_to(path(plot, "a.csv"))  # so that no inode is given again
    path(plot, "a.csv").unlink()
    for _ in range(looks):
        plot.look()
    plot.write("a.csv", HEAD + row(2))
    plot.look()
    assert plot.numbers() == [1.5, 2.5]
    assert not plot.follower.losses()


@pytest.mark.parametrize("saved", [False, True])
def test_a_row_appended_before_a_rename_is_read_though_the_service_was_off(plot, saved):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    plot.save()
    plot.write("a.csv", row(2))
    plot.look()
    if saved:
        plot.save()
    plot.stop()
    plot.write("a.csv", row(3))
    os.rename(path(plot, "a.csv"), path(plot, "a.csv.1"))
    plot.write("a.csv", HEAD + row(4))
    plot.start()
    plot.look()
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5, 4.5]
    assert plot.follower.losses() == ()


def test_what_may_have_been_lost_while_the_service_was_off_is_declared(plot, caplog):
    caplog.set_level("WARNING", "edaphon")
    plot.write("a.csv", HEAD + row(1) + b"2026-03-02")
    plot.look()
    restart(plot, saved=True)
    path(plot, "a.csv").unlink()
    plot.write("a.csv", HEAD + row(3))
    plot.look()
    (loss,) = plot.follower.losses()
    assert (loss.file, loss.at_least) == (str(path(plot, "a.csv")), 10)
    assert loss.behind == len(HEAD + row(1))
    assert "a.csv" in caplog.text
    assert "possibly not read" in caplog.text
    restart(plot, saved=False)
    assert plot.follower.losses() == (loss,)
    assert plot.numbers() == [1.5, 3.5]


def test_a_file_put_right_in_place_at_equal_length_is_a_new_copy(plot):
    plot.write("a.csv", HEAD + row(1) + row(2) + row(3))
    plot.look()
    with path(plot, "a.csv").open("r+b") as file:
        file.seek(len(HEAD) + len(row(1)) - 4)
        file.write(b"9")
    plot.look()
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5, 9.5, 2.5, 3.5]
    assert story(plot)[-1] == ("a.csv", 2, "CHANGED", len(HEAD))


def test_a_file_put_right_and_appended_in_one_go_is_noticed_within_a_quarter_of_an_hour(plot):
    many = b"".join(row(1 + n % 28) for n in range(40_000))  # 1 MB: the edit lies in its middle
    plot.write("a.csv", HEAD + many)
    plot.look()
    with path(plot, "a.csv").open("r+b") as file:
        file.seek(len(HEAD) + len(many) // 2)
        file.write(b"#")
    plot.write("a.csv", row(5))
    plot.look()
    assert {p.copy for p in plot.pieces()} == {1}
    plot.look(after_s=901)
    assert plot.pieces()[-1].copy == 2
    assert versions(plot.pieces())[str(path(plot, "a.csv")), 2] == path(plot, "a.csv").read_bytes()


def test_an_edit_near_the_end_and_an_append_in_one_go_are_noticed_at_once(plot):
    plot.write("a.csv", HEAD + row(1) + row(2))
    plot.look()
    plot.write("a.csv", HEAD + row(1) + row(7) + row(3), "wb")
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 1.5, 7.5, 3.5]


def test_a_file_that_is_cut_and_written_again_is_a_new_copy(plot):
    plot.write("a.csv", HEAD + row(1) + row(2))
    plot.look()
    shutil.copy(path(plot, "a.csv"), path(plot, "a.csv.1"))
    plot.write("a.csv", HEAD + row(3), "wb")
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]
    assert story(plot)[-1] == ("a.csv", 2, "CHANGED", len(HEAD))


def test_a_row_appended_before_a_file_is_copied_and_cut_is_read_from_the_copy(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    plot.write("a.csv", row(2))
    shutil.copy(path(plot, "a.csv"), path(plot, "a.csv.1"))
    plot.write("a.csv", b"", "wb")
    plot.look()
    assert plot.numbers() == [1.5, 2.5]


@pytest.mark.parametrize("service", ["on", "off, saved", "off, not saved"])
def test_a_renamed_file_of_the_pattern_is_not_read_twice_and_read_on(plot, service):
    plot.write("a.csv", HEAD + row(1) + row(2))
    plot.look()
    plot.write("a-1.csv", HEAD + row(8))
    plot.look()
    if service != "on":
        restart(plot, saved="not" not in service)
    os.rename(path(plot, "a-1.csv"), path(plot, "a-2.csv"))
    os.rename(path(plot, "a.csv"), path(plot, "a-1.csv"))
    plot.write("a.csv", HEAD + row(4))
    plot.look()
    plot.look()
    plot.write("a-1.csv", row(3))
    plot.write("a-2.csv", row(9))
    plot.look()
    assert sorted(plot.numbers()) == [1.5, 2.5, 3.5, 4.5, 8.5, 9.5]
    moved = [p for p in plot.pieces() if p.name.endswith("a-2.csv")]
    assert [(p.copy, p.follows, p.line) for p in moved] == [(1, Follows.BEGINS, 3)]
    restart(plot, saved=False)
    plot.write("a-1.csv", row(5))
    plot.look()
    plot.look()
    assert sorted(plot.numbers()) == [1.5, 2.5, 3.5, 4.5, 5.5, 8.5, 9.5]
    assert plot.follower.losses() == ()


def test_the_same_content_under_another_inode_is_read_on(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    replace(plot, "a.csv", HEAD + row(1) + row(2))  # as rsync does
    plot.look()
    restart(plot, saved=True)
    replace(plot, "a.csv", HEAD + row(1) + row(2) + row(3))
    plot.look()
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5]
    assert {p.copy for p in plot.pieces()} == {1}
    assert plot.follower.losses() == ()


def test_a_torn_line_of_a_file_that_is_synchronised_is_not_taken_on_the_way(plot):
    plot.write("a.csv", HEAD + row(1) + row(2)[:-3])
    plot.look()
    replace(plot, "a.csv", HEAD + row(1) + row(2) + row(3)[:5])
    plot.look()
    assert plot.numbers() == [1.5, 2.5]
    assert not any(p.unended for p in plot.pieces())


def test_a_file_that_goes_and_comes_back_is_read_on(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    os.rename(path(plot, "a.csv"), path(plot, "away"))
    plot.look()
    plot.look()
    os.rename(path(plot, "away"), path(plot, "a.csv"))
    plot.write("a.csv", row(2))
    plot.look()
    assert plot.numbers() == [1.5, 2.5]
    assert {p.copy for p in plot.pieces()} == {1}


def test_a_copy_of_a_file_that_lives_on_is_a_file_of_its_own(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    shutil.copy(path(plot, "a.csv"), path(plot, "b.csv"))
    plot.look()
    plot.write("a.csv", row(2))
    plot.write("b.csv", row(3))
    plot.look()
    assert [p.name[-5] for p in plot.pieces()] == ["a", "b", "a", "b"]


@pytest.mark.parametrize("saved", range(4))
def test_the_number_of_a_copy_is_right_over_restarts_with_an_older_state(plot, saved):
    for n in range(1, 5):
        plot.write("a.csv", HEAD + row(n) + n * b"\n", "wb")
        plot.look()
        if n == saved:
            plot.save()
    restart(plot, saved=False)
    plot.look()
    plot.write("a.csv", HEAD + row(9) + 9 * b"\n", "wb")
    plot.look()
    assert [p.copy for p in plot.pieces()] == [1, 2, 3, 4, 5]


def test_the_state_is_never_ahead_of_what_is_committed(plot, monkeypatch):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    place = plot.journal.last
    kept = []
    monkeypatch.setattr(plot.journal, "append", lambda entries, done: kept.append(entries))
    plot.write("a.csv", row(2))
    plot.follower.look(threading.Event())
    plot.follower.save(place)
    monkeypatch.undo()
    assert kept
    plot.start()  # the power went before the commit
    plot.look()
    assert plot.numbers() == [1.5, 2.5]


def test_what_version_one_kept_is_taken_over_and_a_torn_line_read_again(plot):
    data = HEAD + row(1) + row(2)[:-2]
    plot.write("a.csv", data)
    plot.write("b.csv", HEAD + row(7))
    name = str(path(plot, "a.csv"))
    old = Piece(name, len(HEAD), HEAD, data[len(HEAD) :])
    other = Piece(str(path(plot, "b.csv")), len(HEAD), HEAD, row(7))
    for piece in (old, other):
        entry = plot.keeper.entry(Kind.RECORD, "file/x", pack_piece(piece))
        plot.journal.append_now(entry)
    head = hashlib.sha256(data).hexdigest()[:16]
    place = list(plot.journal.last)
    place[1] -= 1  # b.csv is in the journal only
    plot.state.put("followed file/x", [place, {name: [len(data), HEAD.decode(), head]}])
    plot.start()
    plot.look()
    assert len(plot.pieces()) == 2
    plot.write("a.csv", row(2)[-2:] + row(3))
    plot.write("b.csv", row(8))
    plot.look()
    again, on = plot.pieces()[2:]
    assert (again.line, again.lines, again.copy, again.follows.name) == (3, 2, 1, "AGAIN")
    assert again.data == row(2) + row(3)
    assert (on.line, on.lines, on.copy, on.follows.name, on.data) == (3, 1, 1, "ON", row(8))
    restart(plot, saved=False)
    plot.look()
    assert len(plot.pieces()) == 4


def test_looking_at_files_that_do_not_change_opens_none(plot, monkeypatch):
    for n in range(40):
        plot.write(f"{n}.csv", HEAD + row(1))
    plot.look()
    plot.look()
    assert sum(w.file is not None for w in plot.follower._watches.values()) == file_pieces.MOST_OPEN
    for step in ("_opened", "_is_other"):  # those that open files
        monkeypatch.setattr(plot.follower, step, None)
    monkeypatch.setattr(file_pieces, "_try_hold", None)
    plot.look()
    plot.look(after_s=3700)
    plot.look(after_s=26 * 3600)
    assert sum(w.file is not None for w in plot.follower._watches.values()) == 0


def test_lines_are_counted_over_all_pieces_of_a_copy(plot):
    plot.write("a.csv", HEAD + b"".join(row(1 + n % 28) for n in range(9000)))
    plot.look()
    plot.write("a.csv", row(1) + b"\n\n" + HEAD + row(2))
    plot.look()
    assert list(line_numbers(plot.pieces()).values()) == [9006]


def test_a_replacement_that_goes_on_otherwise_than_the_file_before_costs_no_row(plot):
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    plot.write("a.csv", row(2))
    replace(plot, "a.csv", HEAD + row(1) + row(3) + row(4))
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 1.5, 3.5, 4.5]


def test_a_file_that_is_put_back_to_what_it_was_is_a_third_copy(plot):
    for n in (1, 2, 1):
        plot.write("a.csv", HEAD + row(n), "wb")
        plot.look()
    assert plot.numbers() == [1.5, 2.5, 1.5]
    assert [p.copy for p in plot.pieces()] == [1, 2, 3]


def test_a_line_that_waits_is_not_read_at_each_look(plot, monkeypatch):
    plot.write("a.csv", HEAD + row(1) + b"2026")
    plot.look()
    plot.look(after_s=60)
    read = []
    monkeypatch.setattr(files, "next_piece", lambda *words: read.append(words))
    for _ in range(9):
        plot.look()
    assert read == []


@pytest.mark.parametrize("later", ["cut", "rewritten", "again"])
def test_a_state_that_is_newer_than_its_place_takes_no_piece_twice(plot, later):
    plot.write("a.csv", HEAD + row(1) + (b"2026-03-02 00:00:00,2" if later == "again" else b""))
    plot.look()
    plot.look(after_s=3601)
    place = plot.journal.last
    if later == "again":
        plot.write("a.csv", b".5\n" + row(3))
    else:
        plot.write("a.csv", HEAD + row(2) + (row(3) if later == "rewritten" else b""), "wb")
    plot.look()
    known = plot.follower.files()
    for before in (place, (0, 0)):
        plot.follower.save(before)
        plot.start()
        plot.look()
        assert plot.follower.files() == known


def test_an_early_edit_of_a_renamed_file_is_noticed_after_a_restart_with_an_older_state(plot):
    plot.write("a.csv", HEAD + row(1) + row(2))
    plot.look()
    plot.save()
    os.rename(path(plot, "a.csv"), path(plot, "b.csv"))
    plot.look()
    plot.write("b.csv", row(3))
    plot.look()
    plot.start()
    plot.look()
    with path(plot, "b.csv").open("r+b") as file:
        file.seek(len(HEAD) + len(row(1)) - 4)
        file.write(b"9")
    plot.look()
    assert plot.numbers() == [1.5, 2.5, 3.5, 9.5, 2.5, 3.5]


def test_what_is_no_file_under_a_name_of_the_pattern_is_passed_over(plot, monkeypatch):
    path(plot, "folder.csv").mkdir()
    path(plot, "nowhere.csv").symlink_to("gone")
    plot.write("a.csv", HEAD + row(1))
    problems = []
    monkeypatch.setattr(plot.follower, "_on_state", lambda who, what: problems.append(what))
    plot.look()
    assert plot.numbers() == [1.5]
    assert problems == [None]


def test_pieces_that_are_known_already_change_nothing(plot):
    for n in (1, 2):
        plot.write("a.csv", HEAD + row(n) + b"2026-03-0%d 00:00:00,2" % n, "wb")
        plot.look()
        plot.look(after_s=3601)
        plot.write("a.csv", b".5\n")
        plot.look()
    known = KnownFiles()
    for piece in plot.pieces():
        known.learn(piece)
    before = known.copy_now()
    for piece in plot.pieces():
        known.learn(piece)
    assert known == before
    assert len(known.former) == 1
