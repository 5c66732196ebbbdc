"""Questions about places: what was received by a time, how many of a kind, what was lost."""

from pathlib import Path

import orjson
import pytest
from tests.daemon.journal.entries import NOON_NS, SetClock, commit, record

from edaphon.journal import DamagedRow, Journal, Kind, read_only, salvage
from edaphon.journal.salvage import DeclaredLoss, covered, declaration, holds, undeclared
from edaphon.model import EntryId

PER_FILE = 7


@pytest.fixture
def three_files(tmp_path: Path):
    """Records 0 to 20 in three files of seven, a minute each from noon on, every third a note."""
    clock = SetClock()
    with Journal(tmp_path, clock, largest_bytes=1) as journal:
        for start in range(0, 3 * PER_FILE, PER_FILE):
            numbers = range(start, start + PER_FILE)
            kinds = [Kind.NOTE if k % 3 == 0 else Kind.RECORD for k in numbers]
            entries = [
                record(k)._replace(kind=kind, received_ns=NOON_NS + k)
                for k, kind in zip(numbers, kinds, strict=True)
            ]
            commit(journal, entries)
        assert journal.files() == [1, 2, 3]
        yield journal


def place(k: int) -> EntryId:
    return EntryId(k // PER_FILE + 1, k % PER_FILE + 1)


def test_the_last_entry_that_was_received_by_a_time(three_files):
    found = [three_files.place_at(NOON_NS + k) for k in range(-1, 23)]
    assert found == [None, *map(place, range(21)), place(20), place(20)]


@pytest.mark.parametrize("behind", [*range(21)])
def test_rows_of_a_kind_behind_a_place_and_up_to_another(three_files, behind):
    notes = [k for k in range(21) if k % 3 == 0]
    assert three_files.count_behind(place(behind), Kind.NOTE) == sum(k > behind for k in notes)
    for last in range(behind, (behind // PER_FILE + 1) * PER_FILE):
        counted = three_files.count_between(place(behind), place(last), Kind.NOTE)
        assert counted == sum(behind < k <= last for k in notes)


def test_the_length_is_that_of_all_files(three_files):
    assert three_files.length == 21
    assert three_files.last == EntryId(3, 7)


@pytest.mark.parametrize("behind", [None, 2, 6, 7, 13, 19, 20])
@pytest.mark.parametrize("limit", [1, 6, 7, 8, 10, 15, 21, 30])
def test_at_most_so_many_are_read_over_the_ends_of_files(three_files, behind, limit):
    reader = read_only(three_files.folder)
    start = -1 if behind is None else behind
    found = reader.after(None if behind is None else place(behind), limit)
    assert [at for at, _ in found] == [place(k) for k in range(start + 1, 21)][:limit]


@pytest.mark.parametrize("largest", [1, 9, 10, 27, 63, 64, 72, 1000])
def test_the_entry_whose_payload_reaches_the_bytes_is_the_last(three_files, largest):
    sizes = [len(b"reading %d" % k) for k in range(21)]
    enough = next((n for n in range(1, 21) if sum(sizes[:n]) >= largest), 21)
    assert len(read_only(three_files.folder).after(None, 100, largest)) == enough


def lost(first: int | None, last: int | None, rows: bool = False) -> DeclaredLoss:
    return DeclaredLoss(EntryId(9, 9), 0, 2, "journal-000002.sqlite", "why", first, last, rows)


@pytest.mark.parametrize(
    ("loss", "held", "n", "whole"),
    [
        (lost(None, None), [1, 2, 3, 4, 5, 6], 0, True),
        (lost(1, None), [1, 2, 3, 4, 5, 6], 0, True),
        (lost(1, 4), [1, 2, 3, 4], 4, True),
        (lost(3, None), [3, 4, 5, 6], 0, False),
        (lost(3, 5), [3, 4, 5], 3, False),
        (lost(3, 3, rows=True), [3], 1, False),
        (lost(1, 2, rows=True), [1, 2], 2, False),
    ],
)
def test_a_loss_holds_the_entries_from_its_first_to_its_last(loss, held, n, whole):
    assert [k for k in range(1, 7) if holds(loss, EntryId(2, k))] == held
    assert not any(holds(loss, EntryId(file, 3)) for file in (1, 3))
    assert (loss.n, loss.whole) == (n, whole)


@pytest.mark.parametrize(
    ("first", "last", "by_one"), [(2, 3, True), (1, 3, False), (3, 4, False), (2, 2, True)]
)
def test_damage_is_covered_where_one_loss_holds_both_its_ends(first, last, by_one):
    damage = DamagedRow(EntryId(2, first), EntryId(2, last), Path("folder"))
    assert covered([lost(2, 3), lost(5, 6)], damage) is by_one
    assert not covered([], damage)


@pytest.mark.parametrize(("last", "words"), [(4, "entry 4"), (6, "the entries 4 to 6")])
def test_a_declaration_names_the_rows_that_cannot_be_read(tmp_path, last, words):
    table = orjson.loads(
        declaration(DamagedRow(EntryId(2, 4), EntryId(2, last), tmp_path), tmp_path)
    )
    assert table == {
        "file": "journal-000002.sqlite",
        "number": 2,
        "first": 4,
        "last": last,
        "why": f"{words} of journal-000002.sqlite can't be read: damaged",
        "rows": True,
    }


def test_before_a_start_what_others_know_to_be_committed_is_missed(tmp_path: Path):
    with Journal(tmp_path, SetClock(), largest_bytes=1) as journal:
        for k in range(3):
            commit(journal, [record(2 * k), record(2 * k + 1)])
    assert undeclared(tmp_path, EntryId(3, 2)) == []
    (end,) = undeclared(tmp_path, EntryId(3, 5))
    assert (end.number, end.first, end.last, end.n) == (3, 3, 5, 3)
    assert "ends with entry 2, and 5 were committed" in end.why
    gone = tmp_path / "journal-000002.sqlite"
    gone.rename(tmp_path / "elsewhere")
    (whole,) = undeclared(tmp_path, EntryId(3, 2))
    assert (whole.number, whole.first, whole.last, whole.whole) == (2, 1, None, True)
    assert list(salvage(tmp_path / "journal-000003.sqlite"))


def test_a_number_that_was_begun_ever_is_not_given_again(tmp_path: Path):
    with Journal(tmp_path, SetClock(), largest_bytes=1) as journal:
        for k in range(4):
            commit(journal, [record(k)])
        assert journal.files() == [1, 2, 3, 4]
    for name in ("journal-000003.sqlite", "journal-000004.sqlite", "journal.reached"):
        (tmp_path / name).unlink(missing_ok=True)
    with Journal(tmp_path, SetClock(), largest_bytes=1) as journal:
        commit(journal, [record(9)])
        assert [number for number in journal.files() if number > 2][0] >= 5


def test_kinds_that_are_kept_twice_are_read_over_a_file_that_is_none(tmp_path: Path):
    with Journal(tmp_path, SetClock(), largest_bytes=1) as journal:
        for k in range(3):
            fact = record(k, source="")._replace(kind=Kind.FACT, slot_ns=None)
            commit(journal, [record(10 + k), fact])
    reader = read_only(tmp_path)
    assert [at for at, _ in reader.of_copied_kinds(None)] == [EntryId(n, 2) for n in (1, 2, 3)]
    assert [at for at, _ in reader.of_copied_kinds(EntryId(2, 2))] == [EntryId(3, 2)]
    (tmp_path / "journal-000002.sqlite").write_bytes(b"no database at all" * 500)
    assert [at for at, _ in reader.of_copied_kinds(None)] == [EntryId(n, 2) for n in (1, 3)]
