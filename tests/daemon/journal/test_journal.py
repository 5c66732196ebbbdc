"""The journal keeps what is appended, in order, and gives it back from any place."""

import calendar
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.daemon.journal.entries import SetClock, commit, everything, journal_file, record

from edaphon.clock import SystemClock
from edaphon.journal import (
    Entry,
    EntryId,
    Journal,
    JournalBusy,
    JournalClosed,
    JournalTooNew,
    Kind,
    read_only,
)
from edaphon.journal.entry import entry_crc
from edaphon.journal.journal import ENTRY_BYTES, Ring


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path, SetClock()) as opened:
        yield opened


def test_entries_come_back_in_order_with_numbers_from_one(journal: Journal) -> None:
    entries = [record(k) for k in range(250)]
    assert commit(journal, entries) == [EntryId(1, n) for n in range(1, 251)]
    assert everything(journal) == entries
    assert journal.last == EntryId(1, 250)
    assert journal.entry(EntryId(1, 7)) == entries[6]


@pytest.mark.parametrize("reading", ["memory", "files"])
def test_a_read_is_bounded_in_bytes_and_leaves_nothing_out(journal: Journal, reading: str) -> None:
    """A page of 4,000 pieces of 64 KiB would take 256 MB."""
    entries = [record(k)._replace(payload=bytes(65_536)) for k in range(100)]
    commit(journal, entries)
    reader = journal if reading == "memory" else read_only(journal.folder)
    found: list[Entry] = []
    place = EntryId(1, 0)
    while page := reader.after(place, 4000):
        assert sum(len(entry.payload) for _, entry in page) < 4_100_000
        found += [entry for _, entry in page]
        place = page[-1][0]
    assert found == entries
    assert len(reader.after(EntryId(1, 3), 4000, largest_bytes=1)) == 1, "none would be an end"
    assert len(reader.after(EntryId(1, 3), 4000, largest_bytes=65_537)) == 2


def test_every_column_survives_a_reopening(tmp_path: Path) -> None:
    odd = Entry(Kind.GAP, -1, 0, "büt", "", bytes(range(256)), None)
    late = record(3)._replace(slot_ns=-(2**63), received_ns=2**63 - 1)
    with Journal(tmp_path, SetClock()) as journal:
        commit(journal, [odd, late])
        name = journal.id
    with Journal(tmp_path, SetClock()) as journal:
        assert everything(journal) == [odd, late]
        assert (journal.id, journal.last) == (name, EntryId(1, 2))
        assert commit(journal, [odd]) == [EntryId(1, 3)]


def test_two_journals_have_different_ids(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "a", SetClock()) as one,
        Journal(tmp_path / "b", SetClock()) as other,
    ):
        assert one.id != other.id
        assert len(one.id) == 32


def test_entries_without_done_are_committed_within_a_second_or_so(journal: Journal) -> None:
    journal.append([record(1)])
    assert journal.wait_newer(None, 10)
    assert everything(journal) == [record(1)]


def test_done_is_called_after_the_commit_and_for_its_own_entries_only(
    journal: Journal, tmp_path: Path
) -> None:
    seen: list[tuple[list[EntryId], EntryId | None]] = []
    done = threading.Event()
    on_disk = read_only(tmp_path)
    journal.append([record(1)])
    journal.append([record(2), record(3)], lambda places: seen.append((places, on_disk.last)))
    journal.append([], lambda places: (seen.append((places, on_disk.last)), done.set()))
    assert done.wait(10)
    assert [places for places, _ in seen] == [[EntryId(1, 2), EntryId(1, 3)], []]
    assert all(last is not None and last >= EntryId(1, 3) for _, last in seen)


def test_a_listener_that_fails_stops_nothing(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.append([record(1)], lambda places: 1 / 0)
    assert journal.append_now(record(2)) == EntryId(1, 2)
    assert "a listener failed" in caplog.text


def test_a_waiting_reader_is_woken_and_a_patient_one_gives_up(journal: Journal) -> None:
    assert not journal.wait_newer(None, 0.01)
    journal.append([record(1)])
    assert journal.wait_newer(None, 10)
    assert not journal.wait_newer(EntryId(1, 1), 0.01)


def test_a_reader_that_keeps_up_reads_no_file(journal: Journal, tmp_path: Path) -> None:
    places = commit(journal, [record(k) for k in range(300)])
    journal_file(tmp_path).rename(tmp_path / "elsewhere")
    assert [entry for _, entry in journal.after(places[99], 1000)] == [
        record(k) for k in range(100, 300)
    ]
    assert journal.after(places[99], 3) == [(places[k], record(k)) for k in (100, 101, 102)]
    assert journal.after(places[-1], 10) == []
    (tmp_path / "elsewhere").rename(journal_file(tmp_path))


def test_a_reader_that_lags_beyond_memory_reads_the_files(tmp_path: Path) -> None:
    big = [record(k, bytes(60_000)) for k in range(400)]
    with Journal(tmp_path, SetClock()) as journal:
        for start in range(0, 400, 40):
            places = commit(journal, big[start : start + 40])
        got: list[Entry] = []
        place = None
        while place != places[-1]:
            chunk = journal.after(place, 17)
            place = chunk[-1][0]
            got += [entry for _, entry in chunk]
    assert got == big


def test_a_new_file_begins_at_the_size_limit_and_the_old_one_is_closed_for_ever(
    tmp_path: Path,
) -> None:
    with Journal(tmp_path, SetClock(), largest_bytes=100_000) as journal:
        places = [commit(journal, [record(k, bytes(20_000))])[0] for k in range(12)]
        assert [place.file for place in places] == sorted(place.file for place in places)
        assert places[-1].file > 2
        assert [place.n for place in places if place.file == 2][0] == 1
        for number in range(1, places[-1].file):
            closed = journal_file(tmp_path, number)
            assert closed.stat().st_mode & 0o777 == 0o440
            assert not closed.with_name(closed.name + "-wal").exists()
        assert [sequence for sequence, _ in journal.scan()] == places
        assert [s for s, _ in journal.scan(start=places[4])] == places[5:]
    assert [sequence for sequence, _ in read_only(tmp_path).scan()] == places


def test_a_new_file_begins_with_a_later_month_and_not_with_an_earlier_one(tmp_path: Path) -> None:
    clock = SetClock(calendar.timegm((2026, 11, 30, 23, 59, 59)) * 1_000_000_000)
    with Journal(tmp_path, clock) as journal:
        first = commit(journal, [record(1)])
        clock.now_ns -= 90 * 86_400_000_000_000
        first += commit(journal, [record(2)])
        clock.now_ns = calendar.timegm((2026, 12, 1, 0, 0, 0)) * 1_000_000_000
        first += commit(journal, [record(3)])
    assert first == [EntryId(1, 1), EntryId(1, 2), EntryId(2, 1)]


def test_a_file_that_a_crash_left_open_behind_a_newer_one_is_closed_at_start(
    tmp_path: Path,
) -> None:
    with Journal(tmp_path, SetClock(), largest_bytes=1) as journal:
        commit(journal, [record(1)])
        commit(journal, [record(2)])
    journal_file(tmp_path).chmod(0o644)
    with closing(sqlite3.connect(journal_file(tmp_path))) as connection, connection:
        connection.execute("UPDATE header SET last_n = NULL")
    with Journal(tmp_path, SetClock()) as journal:
        assert journal_file(tmp_path).stat().st_mode & 0o777 == 0o440
        assert everything(journal) == [record(1), record(2)]


def test_only_one_process_writes_and_the_other_is_told_what_to_do(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, SetClock()),
        pytest.raises(JournalBusy, match=f"process {os.getpid()}; ask that one, or stop"),
    ):
        Journal(tmp_path, SetClock())
    Journal(tmp_path, SetClock()).close()


def test_a_journal_of_a_newer_release_is_refused_politely_and_left_alone(tmp_path: Path) -> None:
    Journal(tmp_path, SetClock()).close()
    with closing(sqlite3.connect(journal_file(tmp_path))) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = journal_file(tmp_path).read_bytes()
    with pytest.raises(JournalTooNew, match="install the newer edaphon"):
        Journal(tmp_path, SetClock())
    assert journal_file(tmp_path).read_bytes() == before


def test_another_program_reads_while_the_journal_is_written(tmp_path: Path) -> None:
    stop = threading.Event()
    read: list[int] = []

    def look() -> None:
        place: EntryId | None = None
        while not stop.is_set():
            if chunk := read_only(tmp_path).after(place, 500):
                place = chunk[-1][0]
                read.extend(entry.mono_ns for _, entry in chunk)

    with Journal(tmp_path, SystemClock()) as journal:
        thread = threading.Thread(target=look)
        thread.start()
        for start in range(0, 8000, 100):
            commit(journal, [record(k) for k in range(start, start + 100)])
        wal = journal_file(tmp_path).with_name("journal-000001.sqlite-wal")
        assert wal.stat().st_size < 16 * 1024**2
        last = journal.last
        stop.set()
        thread.join(10)
    assert read == list(range(len(read)))
    assert last == EntryId(1, 8000)


def test_scan_chooses_sources_and_kinds(journal: Journal) -> None:
    entries = [record(k, source=f"sdi12/{'abc'[k % 3]}") for k in range(30)]
    entries[5] = entries[5]._replace(kind=Kind.GAP)
    commit(journal, entries)
    chosen = [entry for _, entry in journal.scan(sources={"sdi12/c"}, kinds={Kind.RECORD})]
    assert chosen == [e for e in entries if e.source == "sdi12/c" and e.kind == Kind.RECORD]
    assert [entry for _, entry in journal.scan(kinds={Kind.GAP})] == [entries[5]]


def test_the_last_deliveries_of_a_broker_come_back_with_their_identifiers(
    journal: Journal,
) -> None:
    entries = [record(k, source="ttn") for k in range(6)] + [record(9, source="local")]
    journal.append(entries, mids=[11, None, 13, 14, None, 16, 11])
    assert journal.wait_newer(None, 10)
    assert journal.deliveries("ttn", 3) == [
        (mid, entries[mid - 11].payload) for mid in (13, 14, 16)
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        record(1)._replace(received_ns=2**63),
        record(1)._replace(slot_ns=-(2**63) - 1),
        record(1)._replace(payload="text"),  # type: ignore[arg-type]
        record(1)._replace(source="a\0b"),
        record(1)._replace(boot="\udce4"),
    ],
)
def test_what_no_row_can_hold_is_refused_where_it_was_made(journal: Journal, wrong: Entry) -> None:
    with pytest.raises(ValueError, match="expected"):
        journal.append([record(0), wrong])
    assert commit(journal, [record(2)]) == [EntryId(1, 1)]


def test_close_commits_what_waits_and_takes_nothing_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SetClock())
    journal.append([record(k) for k in range(5)])
    journal.close()
    journal.close()
    with pytest.raises(JournalClosed):
        journal.append([record(9)])
    assert everything(read_only(tmp_path)) == [record(k) for k in range(5)]


def test_an_unknown_place_is_a_key_error(journal: Journal) -> None:
    commit(journal, [record(1)])
    for place in (EntryId(1, 2), EntryId(9, 1)):
        with pytest.raises(KeyError):
            journal.entry(place)


def test_the_row_holds_the_crc_that_the_format_names(journal: Journal, tmp_path: Path) -> None:
    commit(journal, [record(1)])
    with closing(sqlite3.connect(journal_file(tmp_path))) as connection:
        (crc,) = connection.execute("SELECT crc FROM entry").fetchone()
    assert crc == entry_crc(1, 1, record(1))


def test_the_newest_entries_are_kept_in_memory_up_to_a_size_and_at_least_the_last_batch(
    monkeypatch,
):
    monkeypatch.setattr("edaphon.journal.journal.RING_BYTES", 3 * (ENTRY_BYTES + 10))
    ring = Ring()
    entries = [record(n, b"0123456789") for n in range(1, 9)]

    def behind(n, limit=9, most=10**6):
        found = ring.after(EntryId(1, n), limit, most)
        return None if found is None else [place.n for place, _ in found]

    assert behind(0) is None
    ring.add(EntryId(1, 1), entries[:2])
    ring.add(EntryId(1, 3), entries[2:3])
    assert (behind(0), behind(1), behind(3)) == ([1, 2, 3], [2, 3], [])
    assert (behind(0, limit=2), behind(0, most=11), behind(0, most=10)) == ([1, 2], [1, 2], [1])
    ring.add(EntryId(1, 4), entries[3:4])
    assert (behind(1), behind(2), behind(3)) == (None, [3, 4], [4])
    ring.add(EntryId(1, 5), entries[4:8])  # larger alone than what is kept
    assert (behind(3), behind(4)) == (None, [5, 6, 7, 8])
    ring.add(EntryId(2, 1), entries[:1])
    assert (behind(7), behind(8)) == (None, [1])
    ring.add(EntryId(2, 3), entries[2:3])  # the one between never came here
    assert ring.after(EntryId(2, 1), 9, 10**6) is None
    assert ring.after(EntryId(2, 2), 9, 10**6) == [(EntryId(2, 3), entries[2])]
