"""The facts of a journal by their places: what can be read, what is lost, a checkpoint's trust."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from tests.daemon.journal.entries import SetClock, commit, journal_file, record

from edaphon.journal import Entry, EntryId, Journal, Kind, read_only
from edaphon.journal.copies import CopyFile
from edaphon.journal.fact_log import (
    GONE,
    START,
    crc_at,
    fact_log_items,
    lost_fact_places,
    lost_facts,
    recalled,
    trusted,
)

KINDS = [Kind.RECORD, Kind.FACT, Kind.FACT, Kind.RECORD, Kind.CONFIGURATION, Kind.MARK]


def entry(n: int) -> Entry:
    return record(n, b"{}")._replace(kind=KINDS[n % len(KINDS)], slot_ns=None)


ENTRIES = [entry(n) for n in range(1, 12)]


def at(*numbers: int) -> list[EntryId]:
    return [EntryId(1, n) for n in numbers]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Journal(tmp_path, SetClock()) as journal:
        assert commit(journal, ENTRIES) == at(*range(1, 12))
    return tmp_path


def without(folder: Path, *numbers: int) -> None:
    """These rows are gone from the file, as after a damaged page, and the copies of facts too."""
    (folder / "journal.copies").unlink(missing_ok=True)
    with closing(sqlite3.connect(journal_file(folder))) as db, db:
        for n in numbers:
            db.execute("DELETE FROM entry WHERE n = ?", (n,))


@pytest.mark.parametrize(
    "numbers",
    [[], [1], [11], [2, 3, 4], [1, 3, 5, 11], [1, 2, 4, 5, 9], [11, 10, 9], [3, 3], range(1, 12)],
)
def test_entries_are_recalled_in_the_order_of_their_places(
    folder: Path, numbers: Iterable[int]
) -> None:
    found = list(recalled(read_only(folder), at(*numbers)))
    assert found == [(EntryId(1, n), ENTRIES[n - 1]) for n in numbers]


def test_a_place_that_is_gone_costs_itself_alone_and_is_reported(folder: Path) -> None:
    without(folder, 3, 5)
    damage: list[Exception] = []
    places = [*at(2, 3, 4, 5, 6, 12), EntryId(2, 1)]
    found = list(recalled(read_only(folder), places, damage.append))
    assert [place.n for place, _ in found] == [2, 4, 6]
    assert len(damage) == 4


def test_facts_are_those_of_the_checkpoint_and_all_behind_it(folder: Path) -> None:
    journal = read_only(folder)
    table = {"position": EntryId(1, 7).number, "meanings": [p.number for p in at(2, 7)]}
    rare = [n for n in range(1, 12) if KINDS[n % len(KINDS)] != Kind.RECORD]
    assert rare == [1, 2, 4, 5, 7, 8, 10, 11]
    assert [place.n for place, _ in fact_log_items(journal, None)] == rare
    assert [place.n for place, _ in fact_log_items(journal, table)] == [2, 7, 8, 10, 11]


def test_a_checkpoint_is_trusted_where_its_entry_is_the_same_or_lost_in_the_middle(
    folder: Path,
) -> None:
    def table(n: int, crc: int) -> dict[str, int]:
        return {"position": (EntryId(1, n) if n else START).number, "crc": crc}

    journal = read_only(folder)
    good = {n: crc_at(journal, EntryId(1, n)) for n in (5, 11)}
    assert trusted(journal, None) is None
    assert crc_at(journal, START) == -1
    assert trusted(journal, table(0, -1)) == table(0, -1)
    for n, crc in good.items():
        assert trusted(journal, table(n, crc)) == table(n, crc)
        assert trusted(journal, table(n, crc ^ 1)) is None
    assert crc_at(journal, EntryId(1, 12)) == GONE
    assert trusted(journal, table(12, 7)) is None  # the journal is another, or was put back
    without(folder, 5, 11)
    journal = read_only(folder)
    assert trusted(journal, table(5, good[5])) == table(5, good[5])
    assert trusted(journal, table(11, good[11])) is None


def test_facts_are_lost_that_neither_journal_nor_copy_gives_until_a_person_gives_them_up(
    folder: Path,
) -> None:
    table = {"meanings": [place.number for place in at(2, 4, 5)]}
    assert lost_fact_places(read_only(folder), None) == frozenset()
    assert lost_facts(read_only(folder), table) == ""
    without(folder, 4, 5)
    assert lost_fact_places(read_only(folder), table) == frozenset(at(4, 5))
    stated = lost_facts(read_only(folder), table)
    assert f"entered at {EntryId(1, 4)}, {EntryId(1, 5)} (" in stated
    given_up = orjson.dumps({"without": [EntryId(1, 4).number], "by": None})
    lost = record(20, given_up, "")._replace(kind=Kind.LOST, slot_ns=None)
    CopyFile(folder).add([(EntryId(1, 20), lost)])
    assert lost_fact_places(read_only(folder), table) == frozenset(at(5))
