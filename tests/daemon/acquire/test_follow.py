"""Following files: every row once, across restarts, rotation and half-written lines."""

import threading
from pathlib import Path

import pytest
from tests.daemon.acquire.followed_files import HEAD, SHEET, row

from edaphon.acquire import file_pieces
from edaphon.acquire.file_pieces import why_no_rows
from edaphon.journal import Kind
from edaphon_drivers.readings import unpack_piece
from edaphon_drivers.sheets import load_sheet


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
    reported = []
    monkeypatch.setattr(plot.follower, "_on_state", lambda who, what: reported.append(what))
    plot.write("b.csv", HEAD + row(7))
    real = file_pieces.open_file

    def denied(path, within):
        if Path(path).name == "a.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, within)

    plot.write("a.csv", HEAD + row(1))
    monkeypatch.setattr(file_pieces, "open_file", denied)
    plot.look()
    assert plot.numbers() == [7.5]
    assert "a.csv" in reported[-1]


def test_what_the_journal_has_not_committed_is_taken_again_after_a_kill(plot, monkeypatch):
    """The place was kept of pieces that a kill took out of the journal's memory."""
    plot.write("a.csv", HEAD + row(1))
    plot.look()
    plot.write("a.csv", row(2))
    with monkeypatch.context() as patched:
        patched.setattr(plot.journal, "append", lambda *_: None)  # a kill comes before the commit
        plot.clock.now += 10**9
        plot.follower.look(threading.Event())
        plot.save()
    plot.start()
    plot.look()
    assert plot.numbers() == [1.5, 2.5]


def test_a_folder_may_be_a_link_and_a_link_may_not_leave_it(tmp_path):
    real, others = tmp_path / "stick", tmp_path / "others"
    for folder in (real, others):
        folder.mkdir()
        (folder / "a.csv").write_bytes(HEAD + row(1))
    (tmp_path / "data").symlink_to(real)
    (real / "now.csv").symlink_to("a.csv")
    (real / "theirs.csv").symlink_to(others / "a.csv")
    (real / "below").symlink_to(others)
    pattern = tmp_path / "data" / "*.csv"
    found, problem = file_pieces.files_now(pattern)
    assert {Path(name).name for name in found} == {"a.csv", "now.csv"}
    assert "theirs.csv, which leaves it" in problem
    with file_pieces.open_followed(pattern, str(tmp_path / "data" / "a.csv")) as file:
        assert file.read() == HEAD + row(1)
    found, problem = file_pieces.files_now(tmp_path / "data" / "*" / "*.csv")
    assert found == {}
    assert "which leaves it" in problem


def test_a_secret_is_not_followed_by_whatever_name(tmp_path):
    secret, folder = tmp_path / "token", tmp_path / "data"
    folder.mkdir()
    secret.write_bytes(HEAD + row(1))
    (folder / "linked.csv").hardlink_to(secret)
    (folder / "a.csv").write_bytes(HEAD + row(2))
    pattern, secrets = folder / "*.csv", frozenset({secret, tmp_path / "not-there"})
    found, problem = file_pieces.files_now(pattern, secrets)
    assert {Path(name).name for name in found} == {"a.csv"}
    assert "linked.csv, which the configuration names as one" in problem
    with pytest.raises(OSError, match="a secret of the configuration"):
        file_pieces.open_followed(pattern, str(folder / "linked.csv"), secrets)
    with file_pieces.open_followed(pattern, str(folder / "a.csv"), secrets) as file:
        assert file.read() == HEAD + row(2)


def test_an_imported_file_that_goes_before_it_was_taken_is_a_problem_and_one_taken_whole_is_none(
    plot, tmp_path
):
    whole, part, never = (tmp_path / f"{name}.txt" for name in ("whole", "part", "never"))
    whole.write_bytes(HEAD + row(1))
    part.write_bytes(HEAD + row(2) + row(3)[:9])
    never.write_bytes(HEAD + row(4))
    for file in (whole, part):
        assert plot.follower.begin_import(str(file)) == file.stat().st_size
    plot.look()
    assert (plot.numbers(), plot.problem) == ([1.5, 2.5], None)
    whole.unlink()
    plot.look()
    assert plot.problem is None
    part.unlink()
    plot.look()
    assert str(part) in plot.problem
    plot.follower.cancel_import(str(part))
    plot.follower.begin_import(str(never))
    never.unlink()
    plot.look()
    assert str(never) in plot.problem


def test_of_a_file_that_is_imported_again_only_what_it_grew_by_is_new(plot, tmp_path):
    file = tmp_path / "year.txt"
    file.write_bytes(HEAD + row(1))
    plot.follower.begin_import(str(file))
    plot.look()
    assert plot.follower.begin_import(str(file)) == 0
    with file.open("ab") as more:
        more.write(row(2))
    assert plot.follower.begin_import(str(file)) == len(row(2))
    file.rename(tmp_path / "old.txt")
    file.write_bytes(HEAD + row(3))
    assert plot.follower.begin_import(str(file)) == len(HEAD + row(3))


def test_how_far_an_import_is_counts_what_waits_to_be_derived_and_ends_when_all_was_taken(
    plot, tmp_path
):
    file = tmp_path / "year.txt"
    file.write_bytes(HEAD + row(1) + row(2)[:9])
    size, whole = file.stat().st_size, len(HEAD + row(1))
    name, follower = str(file), plot.follower
    follower.begin_import(name)
    assert follower.imports == [(name, size, 0, 0, False)]
    plot.look()
    assert follower.import_progress(name) == (name, size, whole, whole, True)
    assert follower.imports == []
    with file.open("ab") as more:
        more.write(row(2)[9:])
    plot.look()
    size = file.stat().st_size
    assert follower.import_progress(name) == (name, size, size, size, True)
    file.unlink()
    assert follower.import_progress(name)[1:4] == (size, size, size)


def test_a_file_without_a_row_shows_its_first_lines_and_one_with_a_row_nothing(tmp_path):
    def shown(data: bytes) -> str | None:
        file = tmp_path / "x.csv"
        file.write_bytes(data)
        return why_no_rows(file, SHEET)

    assert shown(HEAD + row(1)) is None
    assert shown(HEAD + b"no time,1\n" + row(1)) is None
    assert shown(b"") == ""
    assert shown(HEAD) == ""
    stated = shown(HEAD + b"no time,1\n" + 99 * b"nor\x1bhere,1\n")
    assert stated.splitlines()[1].endswith(": no time,1")
    assert r"nor\x1bhere,1" in stated
    assert 2 < stated.count("\n") < 20
