"""What a followed file holds that is no text, or more than its budget: declared, never lost."""

import os
import random
import threading
from hashlib import sha256

import pytest
from tests.daemon.acquire.followed_files import HEAD, SHEET, passed, path, row

from edaphon.acquire import files
from edaphon.acquire.budget import Budgets
from edaphon.acquire.file_state import LARGEST_PIECE_BYTES
from edaphon.journal import Kind
from edaphon.service.notes import MOST_WAITING, file_notes
from edaphon_drivers.files.engine import read_piece

ROWS = b"".join(row(1 + n % 28) for n in range(20_000))
NUMBERS = [1.5 + n % 28 for n in range(20_000)]


def numbers(plot):
    """Of the lines that are rows, whatever else is between them."""
    slices = [one for p in plot.pieces() for one in read_piece(p, SHEET)]
    return [reading.number for one in slices for reading in one.readings]


def journalled(plot):
    return sum(len(entry.payload) for _, entry in plot.journal.scan())


def test_a_run_of_nul_bytes_is_declared_with_its_hash_and_never_journalled(plot):
    nuls = bytes(2 * LARGEST_PIECE_BYTES + 77)
    plot.write("a.csv", HEAD + row(1) + nuls + row(2))
    plot.look()
    assert passed(plot) == [(len(nuls), sha256(nuls).hexdigest())]
    assert journalled(plot) < 5000
    assert numbers(plot) == [1.5, 2.5]
    plot.start()  # from the journal alone
    plot.look()
    assert len(passed(plot)) == 1


def test_the_holes_of_a_sparse_file_are_declared_and_not_read(plot):
    plot.write("a.csv", HEAD + row(1))
    with path(plot, "a.csv").open("r+b") as file:
        file.seek(400_000_000_000)
        file.write(row(2))
    plot.look()
    assert sum(length for length, _ in passed(plot)) == 400_000_000_000 - len(HEAD + row(1))
    assert plot.pieces()[-1].data == row(2)


def test_bytes_that_are_no_text_are_declared_and_rows_before_and_behind_are_kept(plot):
    noise = random.Random(7).randbytes(2_000_000)
    plot.write("a.csv", HEAD + ROWS + noise + b"\n" + ROWS)
    plot.look()
    assert numbers(plot) == 2 * NUMBERS
    assert sum(length for length, _ in passed(plot)) > 1_000_000


def test_what_is_above_the_budget_waits_in_its_file_and_what_grows_now_comes_first(plot):
    plot.budgets = Budgets(2_000_000, 0, 1, lambda: 10**11, plot._now_s)
    plot.start()
    for n in range(20):
        plot.write(f"old{n:02}.csv", HEAD + 2 * ROWS)
    plot.write("live.csv", HEAD)
    for n in range(1, 29):
        plot.write("live.csv", row(n))
        plot.look(after_s=60)
    kept = journalled(plot)
    assert 8_900_000 < kept < 9_500_000 < 20 * len(2 * ROWS)  # half a bucket waits for live rows
    live = [p for p in plot.pieces() if p.name.endswith("live.csv")]
    assert b"".join(p.data for p in live) == b"".join(row(n) for n in range(1, 29))
    assert passed(plot) == []
    plot.look(after_s=86_400)
    assert 900_000 < journalled(plot) - kept < 2_500_000


def test_a_file_that_is_written_anew_again_and_again_stays_within_the_budget(plot):
    plot.budgets = Budgets(2_000_000, 0, 1, lambda: 10**11, plot._now_s)
    plot.start()
    for n in range(16):
        plot.write("a.csv", HEAD + row(1 + n % 28) + 2 * ROWS, "wb")
        plot.look()
        replaced = path(plot, "new.tmp")
        replaced.write_bytes(HEAD + row(2 + n % 27) + 2 * ROWS)
        os.replace(replaced, path(plot, "a.csv"))
        plot.look()
    assert journalled(plot) < 12_500_000 < 32 * len(2 * ROWS)
    assert journalled(plot) + sum(length for length, _ in passed(plot)) > 16 * len(2 * ROWS)


def test_a_source_that_waits_for_its_budget_says_so(plot, monkeypatch):
    words = []
    plot.budgets = Budgets(1_000_000, 0, 1, lambda: 10**11, plot._now_s)
    plot.start()
    monkeypatch.setattr(plot.follower, "_on_state", lambda _, what: words.append(what))
    for n in range(10):
        plot.write(f"old{n}.csv", HEAD + 2 * ROWS)
    plot.follower.look(threading.Event())
    assert "budget" in words[-1]
    assert "source_mb_per_day" in words[-1]


def test_a_folder_with_too_many_files_keeps_those_that_are_followed(plot, monkeypatch):
    words = []
    monkeypatch.setattr(plot.follower, "_on_state", lambda _, what: words.append(what))
    monkeypatch.setattr(files, "MOST_FILES", 3)
    for n in range(3):
        plot.write(f"{n}.csv", HEAD + row(1 + n))
    plot.look()
    for n in range(100):
        plot.write(f"flood{n}.csv", HEAD + row(9))
    plot.write("1.csv", row(7))
    plot.look()
    assert sorted(plot.numbers()) == [1.5, 2.5, 3.5, 7.5]
    assert "at most 3 files, found 103" in words[-1]


def test_status_lists_some_of_the_files_that_wait_and_counts_the_others(plot):
    for n in range(80):
        plot.write(f"{n}.csv", HEAD + row(1) + b"torn")
    plot.look()
    notes = list(file_notes({"file/x": plot.follower}, 0))
    assert len(notes) == MOST_WAITING + 1
    assert notes[-1]["words"].startswith("30 more files wait")


@pytest.mark.parametrize("sources", [["file/x"], ["file/x", "file/y"]])
def test_what_is_declared_in_the_journal_is_kept_in_the_state_no_longer(plot, sources):
    for source in sources:
        plot.floods.count(source, b"bytes", 5)
    plot.floods.keep()
    assert len(plot.state.get("floods", {})["parts"]) == len(sources)
    plot.floods.look(all_of_them=True)
    plot.journal.append_now(plot.keeper.entry(Kind.NOTE, "", b""))
    plot.floods.keep()
    assert plot.state.get("floods", {})["parts"] == []
    assert [length for length, _ in passed(plot)] == [5 for _ in sources]
