"""A damaged file never stops the start, never gives a wrong entry, and gives what is left in it."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from tests.daemon.journal.entries import SetClock, commit, journal_file, record

from edaphon.journal import (
    DamagedRow,
    Entry,
    EntryId,
    Journal,
    Kind,
    read_only,
    salvage,
)
from edaphon.journal.copies import CopyFile, copies_in

FLIPS = 250


def sealed_journal(folder: Path, n: int = 400) -> list[tuple[EntryId, Entry]]:
    """A journal of one closed file, and what is in it."""
    sizes = (20, 150, 20, 6000)
    entries = [record(k, bytes([k % 251]) * sizes[k % 4]) for k in range(n)]
    with Journal(folder, SetClock(), largest_bytes=1) as journal:
        places = commit(journal, entries)
        commit(journal, [record(n)])
    return list(zip(places, entries, strict=True))


def zero_length(data: bytes) -> bytes:
    return b""


def first_hundred_bytes(data: bytes) -> bytes:
    return data[:100]


def half(data: bytes) -> bytes:
    return data[: len(data) // 8192 * 4096]


def first_page_zeroed(data: bytes) -> bytes:
    return bytes(4096) + data[4096:]


def noise(data: bytes) -> bytes:
    return random.Random(3).randbytes(len(data))


@pytest.mark.parametrize(
    "spoil", [zero_length, first_hundred_bytes, half, first_page_zeroed, noise]
)
def test_the_service_starts_over_a_damaged_newest_file_and_keeps_it(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    with Journal(tmp_path, SetClock()) as journal:
        commit(journal, [record(k, bytes(200)) for k in range(500)])
    path = journal_file(tmp_path)
    damaged = spoil(path.read_bytes())
    path.write_bytes(damaged)
    stated: list[str] = []
    with Journal(tmp_path, SetClock(), on_problem=stated.append) as journal:
        place = journal.append_now(record(1000))
        found = list(journal.scan())
    assert place == EntryId(2, 2)
    assert [(s, e.kind) for s, e in found] == [
        (EntryId(2, 1), Kind.LOST),
        (EntryId(2, 2), Kind.RECORD),
    ]
    assert orjson.loads(found[0][1].payload)["number"] == 1
    assert (tmp_path / "journal-000001.sqlite.damaged-1").read_bytes() == damaged
    assert len(stated) == 1
    assert "set aside" in stated[0]


def test_a_closed_file_that_became_something_else_is_set_aside_at_start(tmp_path: Path) -> None:
    sealed_journal(tmp_path)
    journal_file(tmp_path).chmod(0o644)
    journal_file(tmp_path).write_bytes(b"")
    with Journal(tmp_path, SetClock(), on_problem=lambda text: None) as journal:
        kinds = [entry.kind for _, entry in journal.scan()]
        assert journal.append_now(record(1)) > EntryId(2, 1)
    assert kinds == [Kind.RECORD, Kind.LOST]
    assert (tmp_path / "journal-000001.sqlite.damaged-1").exists()


def test_set_aside_files_never_give_their_number_again(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        with Journal(tmp_path, SetClock(), on_problem=lambda text: None) as journal:
            assert journal.append_now(record(n)).file == n
        journal_file(tmp_path, n).write_bytes(b"")
    names = sorted(path.name for path in tmp_path.glob("*.damaged-*"))
    assert names == ["journal-000001.sqlite.damaged-1", "journal-000002.sqlite.damaged-1"]


def test_a_bit_flip_anywhere_never_gives_an_altered_or_silently_missing_entry(
    tmp_path: Path,
) -> None:
    kept = sealed_journal(tmp_path / "good")
    good = journal_file(tmp_path / "good").read_bytes()
    rng = random.Random(11)
    damaging = 0
    for flip in range(FLIPS):
        data = bytearray(good)
        at = rng.randrange(len(data)) if flip > 20 else rng.randrange(4096)
        data[at] ^= 1 << rng.randrange(8)
        folder = tmp_path / "flipped"
        folder.mkdir(exist_ok=True)
        journal_file(folder).write_bytes(data)
        journal_file(folder).chmod(0o444)
        reported: list[DamagedRow] = []
        found = dict(read_only(folder).scan(on_damage=reported.append))
        damaging += bool(reported)
        for place, entry in kept:
            if place in found:
                assert found.pop(place) == entry, (flip, at)
            else:
                assert any(d.first <= place <= d.last for d in reported), (flip, at, place)
        assert not found, (flip, at)
        shutil.rmtree(folder)
    assert damaging > FLIPS // 3


def test_a_damaged_row_names_itself_and_reading_goes_on_behind_it(tmp_path: Path) -> None:
    kept = sealed_journal(tmp_path)
    path = journal_file(tmp_path)
    path.chmod(0o644)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE entry SET received_ns = received_ns + 1 WHERE n = 10")
        connection.execute("DELETE FROM entry WHERE n BETWEEN 20 AND 24")
        connection.execute("DELETE FROM entry WHERE n > 398")
    path.chmod(0o444)
    reader = read_only(tmp_path)
    assert reader.after(None, 100) == kept[:9]
    with pytest.raises(DamagedRow, match=r"expected the entries 1\.10 to 1\.10, got damage in"):
        reader.after(EntryId(1, 9), 100)
    with pytest.raises(DamagedRow):
        reader.entry(EntryId(1, 10))
    with pytest.raises(DamagedRow):
        list(reader.scan())
    reported: list[DamagedRow] = []
    found = list(reader.scan(on_damage=reported.append))
    assert found[:-1] == kept[:9] + kept[10:19] + kept[24:398]
    assert [(d.first.n, d.last.n) for d in reported] == [(10, 10), (20, 24), (399, 400)]


def test_reading_goes_on_behind_a_page_that_cannot_be_read(tmp_path: Path) -> None:
    kept = sealed_journal(tmp_path, 3000)
    path = journal_file(tmp_path)
    data = bytearray(path.read_bytes())
    page = len(data) // 4096 // 2 * 4096
    leaf = next(at for at in range(page, len(data), 4096) if data[at] == 13)
    data[leaf : leaf + 4096] = b"\xff" * 4096
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)
    reported: list[DamagedRow] = []
    found = dict(read_only(tmp_path).scan(on_damage=reported.append))
    lost = [place for place, _ in kept if place not in found]
    assert 0 < len(lost) < 60
    assert [(d.first, d.last) for d in reported] == [(lost[0], lost[-1])]
    assert dict(salvage(path)) == {place: e for place, e in kept if place not in lost}


@pytest.mark.parametrize("spoil", [lambda data: data, first_page_zeroed])
def test_salvage_finds_every_entry_also_without_the_first_page(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    kept = sealed_journal(tmp_path, 1200)
    path = journal_file(tmp_path)
    aside = tmp_path / "journal-000001.sqlite.damaged-1"
    aside.write_bytes(spoil(path.read_bytes()))
    assert list(salvage(aside)) == kept


def test_salvage_reads_the_log_of_a_file_that_was_not_closed(tmp_path: Path) -> None:
    with Journal(tmp_path, SetClock()) as journal:
        entries = [record(k, bytes([k % 7]) * (9000 if k % 50 == 0 else 30)) for k in range(300)]
        for start in range(0, 300, 60):
            commit(journal, entries[start : start + 60])
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("journal-000001.sqlite", "journal-000001.sqlite-wal"):
            shutil.copy(tmp_path / name, copy / name)
    assert [entry for _, entry in salvage(journal_file(copy))] == entries


def test_salvage_of_noise_finds_nothing_and_of_another_name_says_so(tmp_path: Path) -> None:
    path = journal_file(tmp_path)
    path.write_bytes(random.Random(1).randbytes(200 * 4096))
    assert list(salvage(path)) == []
    with pytest.raises(ValueError, match="expected a name like journal-000001"):
        list(salvage(tmp_path / "state.sqlite"))


@pytest.mark.parametrize("name", ["entry", "name", "more"])
def test_a_trigger_in_a_journal_file_never_runs(tmp_path: Path, name: str) -> None:
    with Journal(tmp_path, SetClock()) as journal:
        commit(journal, [record(k) for k in range(5)])
    with closing(sqlite3.connect(journal_file(tmp_path))) as db:
        db.execute(f"CREATE TRIGGER {name} AFTER INSERT ON entry BEGIN DELETE FROM entry; END")  # noqa: S608
    stated: list[str] = []
    with Journal(tmp_path, SetClock(), on_problem=stated.append) as journal:
        place = journal.append_now(record(1000))
        assert journal.entry(place) == record(1000)
    assert f"trigger {name}" in stated[0]
    with closing(sqlite3.connect(tmp_path / "journal-000001.sqlite.damaged-1")) as db:
        assert db.execute("SELECT count(*) FROM entry").fetchone() == (5,)


def test_salvage_of_pages_that_lead_to_each_other_for_ever_ends(tmp_path: Path) -> None:
    n, at, local = 1490, 3000, 489
    size = local + 4092 * 4000  # as long as a payload may be, of pages that are one
    varint = bytes([0x80 | size >> 21, 0x80 | size >> 14 & 0x7F, 0x80 | size >> 7 & 0x7F])
    cell = (varint + bytes([size & 0x7F, 1])).ljust(5 + local, b"\0") + (41).to_bytes(4, "big")
    head = b"\x0d\0\0" + n.to_bytes(2, "big") + b"\0\0\0" + at.to_bytes(2, "big") * n
    page = (head.ljust(at, b"\0") + cell).ljust(4096, b"\0")
    path = tmp_path / "journal-000001.sqlite"
    path.write_bytes(page * 40 + (41).to_bytes(4, "big").ljust(4096, b"\0"))
    assert list(salvage(path)) == []


@pytest.mark.parametrize(
    "payload",
    [b"", b"[1]", b"7", b'{"by": "x"}', b'{"by": 4294967297}', b'{"by": 1.5}', b"[" * 5000],
)
def test_copies_whose_words_are_not_ours_stop_no_start(tmp_path: Path, payload: bytes) -> None:
    with Journal(tmp_path, SetClock()) as journal:
        place = journal.append_now(record(1))
    lost = record(2)._replace(kind=Kind.LOST, payload=payload)
    CopyFile(tmp_path).add([(place, lost), (EntryId(1, 9), lost)])
    assert copies_in(tmp_path).entries[EntryId(1, 9)] == lost
