"""The journal's summary: whatever happened to the files, it is what a count of all rows gives."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon.clock import SystemClock
from edaphon.journal import Entry, Journal, Kind, read_only
from edaphon.journal.summary import Summary, differing, summed
from edaphon.model import EntryId

RARE = frozenset({Kind.FACT, Kind.CONFIGURATION})
KINDS = st.sampled_from([Kind.RECORD, Kind.RECORD, Kind.GAP, Kind.FACT, Kind.CONFIGURATION])
LIVES = st.lists(st.lists(KINDS, max_size=8), min_size=1, max_size=4)


def entry(kind: Kind) -> Entry:
    return Entry(kind, 1, 1, "boot", "local", b"x" * 50)


def lived(folder: Path, lives: list[list[Kind]]) -> Summary:
    """The summary at the end of some lives, each going on from what the last one kept."""
    kept = None
    for life in lives:
        with Journal(folder, SystemClock(), largest_bytes=1) as journal:
            journal.summarise(kept, RARE)
            for kind in life:  # each in a file of its own
                journal.append_now(entry(kind))
            assert journal.summary is not None
            kept = journal.summary.to_json(journal)
            found = journal.summary
    return found


def counted(folder: Path) -> tuple[int, list[EntryId]]:
    items = list(read_only(folder).scan())
    rare = [sequence for sequence, entry in items if entry.kind in RARE]
    return sum(entry.kind == Kind.RECORD for _, entry in items), rare


@settings(max_examples=8, deadline=None)
@given(LIVES)
def test_a_summary_over_several_lives_is_what_a_count_of_all_rows_gives(tmp_path_factory, lives):
    folder = tmp_path_factory.mktemp("journal")
    found = lived(folder, lives)
    assert (found.records, list(found.rare)) == counted(folder)
    assert differing(found, read_only(folder), RARE) == []


def test_what_stands_behind_a_place_is_counted_in_its_file_alone(tmp_path: Path):
    found = lived(tmp_path, [[Kind.RECORD, Kind.GAP, Kind.RECORD, Kind.RECORD]])
    journal = read_only(tmp_path)
    for sequence, _ in list(journal.scan()):
        assert found.behind(sequence, journal) == journal.count_behind(sequence, Kind.RECORD)
    assert found.behind(EntryId(0, 0), journal) == 3


def kept_of(folder: Path) -> dict[str, object]:
    return lived(folder, [[Kind.RECORD, Kind.FACT, Kind.RECORD]]).to_json(read_only(folder))


def test_a_summary_that_is_damaged_is_made_again(tmp_path: Path):
    kept = kept_of(tmp_path)
    kept["files"]["1"][1] = 77
    assert Summary.of_json(kept, read_only(tmp_path)) is None
    assert summed(read_only(tmp_path), kept, RARE).records == 2
    for nonsense in (None, 7, {}, {"files": [], "crc": 1, "entry_crc": 1}):
        assert summed(read_only(tmp_path), nonsense, RARE).records == 2


def test_a_file_that_is_gone_or_shorter_is_not_counted_any_more(tmp_path: Path):
    kept = kept_of(tmp_path)
    files = sorted(tmp_path.glob("journal-*.sqlite"))
    files[0].unlink()
    found = summed(read_only(tmp_path), kept, RARE)
    assert (found.records, list(found.rare)) == counted(tmp_path)
    files[-1].chmod(0o644)
    with closing(sqlite3.connect(files[-1])) as db, db:
        db.execute("DELETE FROM entry")
    found = summed(read_only(tmp_path), kept, RARE)
    assert (found.records, list(found.rare)) == counted(tmp_path)


def test_a_row_that_changed_since_shows_when_all_are_counted(tmp_path: Path):
    found = lived(tmp_path, [[Kind.RECORD, Kind.FACT, Kind.RECORD]])
    path = sorted(tmp_path.glob("journal-*.sqlite"))[1]
    path.chmod(0o644)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE entry SET kind = 2")
    assert differing(found, read_only(tmp_path), RARE) == [2]


def test_of_a_file_with_a_damaged_page_what_can_be_read_is_counted(tmp_path: Path):
    kinds = [Kind.RECORD, Kind.FACT, Kind.RECORD, Kind.RECORD, Kind.CONFIGURATION] * 400
    with Journal(tmp_path, SystemClock()) as journal:
        for kind in kinds:
            journal.append([entry(kind)])
        journal.append_now(entry(Kind.FACT))
    (path,) = tmp_path.glob("journal-*.sqlite")
    data = bytearray(path.read_bytes())
    middle = len(data) // 4096 // 2 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    journal = read_only(tmp_path)
    readable: list[tuple[EntryId, Entry]] = list(journal.scan(on_damage=lambda _: None))
    assert 1000 < len(readable) < 2001
    found = summed(journal, None, RARE)
    assert found.records == sum(one.kind == Kind.RECORD for _, one in readable)
    assert list(found.rare) == [place for place, one in readable if one.kind in RARE]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many hundred steps SQLite took in all connections opened since."""
    taken, connect = [0], sqlite3.connect

    def counting(*words: object, **named: object) -> sqlite3.Connection:
        connection = connect(*words, **named)

        def step() -> None:
            taken[0] += 1

        connection.set_progress_handler(step, 100)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counting)
    return taken


def test_going_on_from_a_kept_summary_does_not_read_the_rows_before(
    tmp_path: Path, steps: list[int]
):
    with Journal(tmp_path, SystemClock()) as journal:
        journal.append([entry(Kind.RECORD)] * 20_000)
        journal.append_now(entry(Kind.FACT))
        kept = summed(journal, None, RARE).to_json(journal)
        steps[0] = 0
        assert summed(journal, kept, RARE).records == 20_000
        assert steps[0] < 10
        assert summed(journal, None, RARE).records == 20_000
        assert steps[0] > 1000  # the count of steps does count
