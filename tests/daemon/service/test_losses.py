"""What is lost of the journal is shown by status and verify until a person has noted it."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.commands.test_explain import FACTS, NOON, TABLES, entry, reported
from tests.daemon.journal.entries import journal_file
from tests.stories.station import Station

from edaphon.clock import FAR_NS, SystemClock, instant_text
from edaphon.journal import EntryId, Journal, Kind, read_only
from edaphon.journal.copies import copies_in
from edaphon.series import Series
from edaphon.service.check import open_storage
from edaphon.service.process import running
from edaphon.storage.access import settled_deriver


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    station = Station(tmp_path_factory.mktemp("settled"), TABLES, FACTS)
    text = station.file.read_text()
    configuration = orjson.dumps({"file": "edaphon.toml", "sha256": "", "text": text})
    with Journal(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(entry(Kind.CONFIGURATION, -6, "", configuration))
    call(station, "apply")
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for each in reported():
            journal.append_now(each)
    with settled_deriver(open_storage(station.file)):
        pass
    return station.storage


@pytest.fixture
def plot(settled: Path, tmp_path: Path) -> Station:
    station = Station(tmp_path, TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


def deleted(path: Path) -> None:
    path.unlink()


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def truncated(path: Path) -> None:
    os.truncate(path, 8192)


def replaced_by_a_shorter_state(path: Path) -> None:
    """As after a lost -wal: an earlier, whole state of the file."""
    with closing(sqlite3.connect(path)) as db, db:
        (last,) = db.execute("SELECT max(n) FROM entry").fetchone()
        db.execute("DELETE FROM entry WHERE n > ?", (last - 3,))
        db.execute("UPDATE header SET last_n = NULL")


@pytest.mark.parametrize("harm", [deleted, zeroed, truncated, replaced_by_a_shorter_state])
def test_a_newest_file_that_is_lost_is_a_problem_until_it_is_noted(
    plot: Station, harm: Callable[[Path], None]
) -> None:
    values = call(plot, "query", "p-temp")
    path = journal_file(plot.storage / "journal")
    path.chmod(0o644)
    harm(path)
    with running(plot.file) as _:
        status = call_json(plot, "status", codes=(1,))
        assert any("journal-000001.sqlite" in words for words in status["trouble"])
        assert "journal-000001.sqlite" in call(plot, "verify", codes=(1,))[0]
        assert call(plot, "query", "p-temp") == values
        assert call_json(plot, "salvage", codes=(1,))[0]["acknowledged"] is False
        assert "1 loss acknowledged" in call(plot, "salvage", "--acknowledge", "--who", "me")[0]
        status = call_json(plot, "status", codes=(0, 1))
        assert not any("journal" in words for words in status["trouble"])
        call(plot, "verify")
    assert call_json(plot, "salvage")[0]["acknowledged"] is True
    call(plot, "rebuild")
    assert call(plot, "query", "p-temp") == values


def test_a_loss_is_noted_while_the_daemon_is_off(plot: Station) -> None:
    journal_file(plot.storage / "journal").unlink()
    assert "is not there any more" in call(plot, "verify", codes=(1,))[0]
    assert "OPEN" in call(plot, "salvage", codes=(1,))[0]
    call(plot, "salvage", "--acknowledge")
    call(plot, "verify")


def contents(folder: Path) -> dict[str, bytes]:
    """All files, without what SQLite lays next to one that is read."""
    files = [path for path in folder.iterdir() if not path.name.endswith(("-shm", "-wal"))]
    return {path.name: path.read_bytes() for path in files if path.is_file()}


@pytest.mark.parametrize(
    ("harm", "newer"), [(deleted, False), (deleted, True), (replaced_by_a_shorter_state, False)]
)
def test_a_look_at_a_journal_that_lacks_entries_writes_nothing_there(
    plot: Station, harm: Callable[[Path], None], newer: bool
) -> None:
    values = call(plot, "query", "p-temp")[0]
    folder = plot.storage / "journal"
    path = journal_file(folder)
    if newer:  # an entry of another file waits to be derived
        with Journal(folder, SystemClock(), largest_bytes=1) as journal:
            journal.append_now(entry(Kind.NOTE, 90, "", b'{"text": "a visit"}'))
    backup = path.read_bytes()
    path.chmod(0o644)
    harm(path)
    before = contents(folder)
    assert call(plot, "query", "p-temp")[0] == values
    for words in (("verify",), ("salvage",), ("explain", "p-temp", NOON), ("status",)):
        call(plot, *words, codes=(0, 1, 75))
        assert contents(folder) == before, words
    assert "journal-000001.sqlite" in call(plot, "salvage", codes=(1,))[0]
    assert call_json(plot, "salvage", codes=(1,))[-1]["acknowledged"] is False
    assert "journal-000001.sqlite" in call(plot, "verify", codes=(1,))[0]
    for log in folder.glob("journal-000001.sqlite-*"):
        log.unlink()
    path.write_bytes(backup)
    assert "journal" not in call(plot, "verify", codes=(0, 1))[0]
    assert call(plot, "salvage")[0] == "nothing of the journal was lost\n"
    assert call(plot, "query", "p-temp")[0] == values


def test_what_a_lost_file_held_is_shown_with_its_times_and_sources(plot: Station) -> None:
    path = journal_file(plot.storage / "journal")
    n = read_only(path.parent).length
    with closing(Series(plot.storage / "series.sqlite", read_only=True)) as series:
        channels = {head.channel for head in series.heads()}
        runs = [run for c in channels for run in series.read(c, -FAR_NS, FAR_NS)]
    records = len({s for run in runs for s in run.sequence.tolist()})
    times = [t // 10**9 * 10**9 for run in runs for t in run.time_ns.tolist()]
    span = f"measured {instant_text(min(times))} to {instant_text(max(times))}"
    path.unlink()
    shown = [call(plot, "salvage", codes=(1,))[0], call(plot, "salvage", "1")[0]]
    shown.append(call(plot, "verify", codes=(1,))[0])
    with running(plot.file):
        shown.append(call(plot, "salvage", codes=(1,))[0])
    for out in shown:
        copied = len(read_only(path.parent).copies.within(EntryId(1, 1), EntryId(1, n)))
        assert f"{n - copied} of {n} entries are lost; {copied} are kept as copies" in out
        assert f"{records} records with values, {span}: home/ec, sdi12/a" in out
        assert "already derived stay" in out


def test_a_value_whose_record_is_lost_is_explained_as_such(plot: Station) -> None:
    out = call(plot, "explain", "p-temp", NOON)[0]
    assert out
    journal_file(plot.storage / "journal").unlink()
    lost = call(plot, "explain", "p-temp", NOON, codes=(1,))[1]
    assert "its record 1." in lost
    assert "not declared yet" in lost
    call(plot, "salvage", "--acknowledge")
    declared = instant_text(call_json(plot, "salvage")[0]["received_ns"] // 10**9 * 10**9)
    lost = call(plot, "explain", "p-temp", NOON, codes=(1,))[1]
    assert "journal-000001.sqlite is not there any more" in lost
    assert "Sequence(" not in lost
    assert f"declared lost at {declared}" in lost
    assert "stays" in lost
    assert "edaphon salvage 1" in lost


def test_salvage_lists_what_a_damaged_file_still_holds(plot: Station) -> None:
    path = journal_file(plot.storage / "journal")
    data = bytearray(path.read_bytes())
    data[:4096] = bytes(4096)
    path.chmod(0o644)
    path.write_bytes(data)
    call(plot, "verify", codes=(1,))
    out, _ = call(plot, "salvage", "1")
    n = len(reported()) + 1
    counted = next(line for line in out.splitlines() if "entries can be read" in line)
    assert int(counted.split()[0]) > n
    lines = call(plot, "salvage", "1", "--json")[0].splitlines()
    assert sum(orjson.loads(line)["kind"] == "record" for line in lines) == sum(
        each.kind == Kind.RECORD for each in reported()
    )
    words = call(plot, "salvage", "77", codes=(1,))[1]
    assert "take it from a backup" in words
    assert "there are" in words


def harmed_entry(plot: Station, kind: Kind) -> str:
    """The name of the file of an entry that is derived, and has a flipped bit now."""
    path = journal_file(plot.storage / "journal")
    own = next(each for each in reported() if each.kind == kind)
    spoilt(path, path.read_bytes().index(own.payload) + len(own.payload) // 2)
    return path.name


@pytest.mark.parametrize("kind", [Kind.RECORD, Kind.GAP, Kind.NOTE])
@pytest.mark.parametrize("running_then", [True, False])
def test_damage_behind_what_is_derived_is_shown_until_it_is_noted(
    plot: Station, kind: Kind, running_then: bool
) -> None:
    values = call(plot, "query", "p-temp")
    with Journal(plot.storage / "journal", SystemClock()) as journal:
        journal.append_now(entry(Kind.NOTE, 90, "", b'{"text": "a visit to the plot"}'))
    with settled_deriver(open_storage(plot.file)):
        pass
    if kind == Kind.NOTE:
        path = journal_file(plot.storage / "journal")
        spoilt(path, path.read_bytes().index(b"a visit to the plot"))
        name = path.name
    else:
        name = harmed_entry(plot, kind)
    assert "damaged runs" in call(plot, "verify", codes=(1,))[0]
    if not running_then:
        call(plot, "salvage", "--acknowledge")
    with running(plot.file) as service:
        if running_then:
            until(lambda: any(name in w for w in service_problems(plot)))
            call(plot, "verify", codes=(1,))
            call(plot, "salvage", "--acknowledge")
        assert not any(name in words for words in service_problems(plot))
        assert service.deriver.lost_facts.places == frozenset()
        assert call(plot, "query", "p-temp") == values
    found = call_json(plot, "verify", codes=(0, 1))
    assert found["entries"]["closes"]
    assert all(slots["closes"] for slots in found["slots"].values())


def service_problems(plot: Station) -> list[str]:
    found: list[str] = call_json(plot, "status", codes=(0, 1))["trouble"]
    return found


@pytest.mark.parametrize("harm", [deleted, zeroed])
def test_an_altered_release_is_shown_until_it_is_noted(
    plot: Station, harm: Callable[[Path], None]
) -> None:
    call(plot, "release", "r1")
    path = plot.storage / "releases" / "r1.sqlite"
    path.chmod(0o644)
    harm(path)
    assert "release r1" in call(plot, "verify", codes=(1,))[0]
    with running(plot.file):
        until(lambda: any("release r1" in words for words in service_problems(plot)))
        call(plot, "salvage", "--acknowledge")
        assert not any("release r1" in words for words in service_problems(plot))
        assert call_json(plot, "verify", codes=(0, 1))["releases"]["closes"]
    call(plot, "release", codes=(1,))  # its own list goes on showing it


def spoilt(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 8
    path.chmod(0o644)
    path.write_bytes(data)


def spoil_both_copies(plot: Station, words: bytes) -> str:
    """The place of the last entry with these words, of which both copies have a flipped bit now."""
    folder = plot.storage / "journal"
    reader = read_only(folder)
    place, entry = [i for i in reader.of_copied_kinds(None) if words in i[1].payload][-1]
    path = journal_file(folder)
    spoilt(path, path.read_bytes().index(entry.payload) + 20)
    copies = folder / "journal.copies"
    spoilt(copies, copies.read_bytes().index(b"%d " % place.number) + 60)
    return str(place)


def test_a_fact_lost_in_both_copies_is_shown_by_every_command(plot: Station) -> None:
    values = call(plot, "query", "p-temp")
    place = spoil_both_copies(plot, b'"id":"p-temp"')
    assert place in call(plot, "query", "p-temp", "--as-known-at", NOON, codes=(1,))[1]
    assert place in call(plot, "cal", "list")[1]
    inbox = plot.inbox / "first.toml"
    facts = inbox.read_text()
    inbox.write_text("")
    with running(plot.file) as service:
        assert list(service.deriver.lost_facts.places) == [EntryId.of(_number(place))]
        status = call_json(plot, "status", codes=(1,))
        assert any(place in words and "p-temp" in words for words in status["trouble"])
        inbox.write_text(facts)
        call(plot, "apply")
        until(lambda: not service.deriver.lost_facts.places and not service.deriver.reworking)
        assert call(plot, "query", "p-temp") == values
    with running(plot.file) as service:
        assert not service.deriver.lost_facts.places


def _number(place: str) -> int:
    file, n = place.split(".")
    return int(file) << 32 | int(n)


def test_a_configuration_lost_in_both_copies_is_journalled_again(plot: Station) -> None:
    with running(plot.file):
        values = call(plot, "query", "p-temp")[0]
    spoil_both_copies(plot, b"story-1")
    with running(plot.file) as service:
        until(lambda: not service.deriver.lost_facts.places and not service.deriver.reworking)
        assert call(plot, "query", "p-temp")[0] == values
        assert service.deriver.plan.routes
    with running(plot.file) as service:
        assert not service.deriver.lost_facts.places


def test_a_journal_of_an_earlier_version_gets_its_copies_at_the_first_start(plot: Station) -> None:
    folder = plot.storage / "journal"
    before = copies_in(folder)
    (folder / "journal.copies").unlink()
    (folder / "journal.reached").unlink()
    with Journal(folder, SystemClock()):
        pass
    assert copies_in(folder).entries == before.entries
    assert before.last(Kind.CONFIGURATION) is not None
