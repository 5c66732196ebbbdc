"""Salvage reads the pages as SQLite does: records of every size, chains of pages, cut files."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.daemon.journal.entries import SetClock, commit, journal_file, record

from edaphon.journal import Entry, Journal, salvage
from edaphon.journal.salvage import PAGE_BYTES, _Pages

LEAF, CELL_AT = 0x0D, 8 + 2  # a page of one cell: eight bytes of head, one place
BORDERS = (
    range(3960, 4080),  # the largest record that a page holds, and the first that goes on
    range(4300, 4400),
    range(8040, 8180),  # a whole page further
    range(12130, 12280, 3),
)
SIZES = [size for sizes in BORDERS for size in sizes]


def of_all_sizes() -> list[Entry]:
    return [record(k, bytes([k % 251]) * size) for k, size in enumerate(SIZES)]


def test_a_record_of_any_size_is_found_in_a_closed_file(tmp_path: Path) -> None:
    entries = of_all_sizes()
    with Journal(tmp_path, SetClock()) as journal:
        commit(journal, entries)
    assert [entry for _, entry in salvage(journal_file(tmp_path))] == entries


def test_a_record_of_any_size_is_found_in_the_log_too(tmp_path: Path) -> None:
    entries = of_all_sizes()
    copy = tmp_path / "copy"
    copy.mkdir()
    with Journal(tmp_path, SetClock()) as journal:
        for start in range(0, len(entries), 50):
            commit(journal, entries[start : start + 50])
        for name in ("journal-000001.sqlite", "journal-000001.sqlite-wal"):
            shutil.copy(tmp_path / name, copy / name)
    assert [entry for _, entry in salvage(journal_file(copy))] == entries


def test_columns_are_those_that_sqlite_wrote(tmp_path: Path) -> None:
    """Each size of integers, nothing, zero and one, texts and bytes, also negative numbers."""
    numbers = [
        n * sign for k in range(9) for n in (2 ** (7 * k), 2 ** (7 * k) - 1) for sign in (1, -1)
    ]
    rows = [(key, n, "µ" * (key % 70), bytes(key % 5000), None) for key, n in enumerate(numbers, 1)]
    path = tmp_path / "journal-000001.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA page_size = 4096")
        db.execute("CREATE TABLE t (key INTEGER PRIMARY KEY, n, text, data, none)")
        db.executemany("INSERT INTO t VALUES (?,?,?,?,?)", rows)
    pages = _Pages(path)
    found = [pages.columns(cell) for leaf in pages.leaves() for cell in pages.cells(leaf)]
    assert [columns for columns in found if isinstance(columns[1], int)] == [[*r] for r in rows]


def page_of(cell: bytes, at: int) -> bytes:
    head = bytes([LEAF, 0, 0]) + (1).to_bytes(2, "big") + bytes(3) + at.to_bytes(2, "big")
    return (head.ljust(at, b"\0") + cell)[:PAGE_BYTES].ljust(PAGE_BYTES, b"\0")


def columns_of(folder: Path, data: bytes) -> list[list[object]]:
    path = folder / "journal-000001.sqlite"
    path.write_bytes(data)
    pages = _Pages(path)
    return [pages.columns(cell) for leaf in pages.leaves() for cell in pages.cells(leaf)]


WORD = b"abcdefghij"
SMALL = bytes([3 + len(WORD), 7, 3, 0, 13 + 2 * len(WORD)]) + WORD  # of row 7: its key and a text


def test_a_record_that_runs_over_the_end_of_its_page_is_none(tmp_path: Path) -> None:
    nothing, last = bytes(PAGE_BYTES), PAGE_BYTES - len(SMALL)
    assert columns_of(tmp_path, nothing + page_of(SMALL, last)) == [[7, "abcdefghij"]]
    goes_on = SMALL[-1:] + bytes(PAGE_BYTES - 1)
    assert columns_of(tmp_path, nothing + page_of(SMALL, last + 1) + goes_on) == [[]]


@pytest.mark.parametrize(
    ("at", "found"), [(7, 0), (CELL_AT, 1), (PAGE_BYTES - 1, 1), (PAGE_BYTES, 0)]
)
def test_cells_lie_behind_the_head_of_their_page(tmp_path: Path, at: int, found: int) -> None:
    data = page_of(b"", CELL_AT)
    data = data[:8] + at.to_bytes(2, "big") + data[10:]
    assert len(columns_of(tmp_path, data)) == found


LONG = 5000
LOCAL = 489 + (LONG - 489) % 4092 if 489 + (LONG - 489) % 4092 <= 4061 else 489


def chained(next_page: int) -> bytes:
    """A record of one blob that goes on on that page."""
    blob = 12 + 2 * (LONG - 5)
    kind = bytes([0x80 | blob >> 14, 0x80 | blob >> 7 & 0x7F, blob & 0x7F])
    record = (bytes([5, 0]) + kind).ljust(LOCAL, b"x")
    size = bytes([0x80 | LONG >> 7, LONG & 0x7F])
    return page_of(size + bytes([7]) + record + next_page.to_bytes(4, "big"), 100)


@pytest.mark.parametrize("next_page", [2, 3])
def test_a_record_goes_on_on_the_page_that_it_names(tmp_path: Path, next_page: int) -> None:
    rest = bytes(4) + b"y" * (PAGE_BYTES - 4)
    whole = b"x" * (LOCAL - 5) + b"y" * (LONG - LOCAL)
    data = chained(next_page) + bytes((next_page - 2) * PAGE_BYTES) + rest
    assert columns_of(tmp_path, data) == [[7, whole]]


@pytest.mark.parametrize("next_page", [0, 1, 4, 2**31])
def test_a_record_does_not_go_on_on_the_first_page_or_on_one_that_is_not_there(
    tmp_path: Path, next_page: int
) -> None:
    assert columns_of(tmp_path, chained(next_page) + bytes(2 * PAGE_BYTES)) == [[]]


def test_a_record_does_not_go_on_on_a_page_that_is_cut(tmp_path: Path) -> None:
    data = chained(3) + bytes(PAGE_BYTES) + bytes(4) + b"y" * (PAGE_BYTES - 5)
    assert columns_of(tmp_path, data) == [[]]
