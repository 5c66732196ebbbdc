"""One flipped bit in any entry: the start goes on, no value changes, and the loss is shown."""

import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.daemon.derive.lives import SINK, T0, EnteredFacts, Life, rows_of
from tests.daemon.journal.entries import SetClock, commit, journal_file

from edaphon.derive.plan import lost_facts_text
from edaphon.facts import fact_of, to_payload
from edaphon.journal import DamagedRow, Entry, Journal, Kind
from edaphon.journal.fact_log import CHECKPOINT
from edaphon.journal.salvage import acknowledgement, open_losses
from edaphon.series import cursor_name

KINDS = {
    "plot": "p1",
    "channel": "c-x",
    "deployment": "d-x",
    "calibration": "k-x",
    "mark": "m-x",
}
OTHERS = {"configuration", "clock", "identity", "gap", "record", "note"}
FACTS: tuple[dict[str, Any], ...] = (
    {"kind": "plot", "id": "p1"},
    *(
        {
            "kind": "channel",
            "id": f"c-{name}",
            "plot": "p1",
            "quantity": "soil_temperature",
            "unit": "degC",
        }
        for name in "xz"
    ),
    *(
        {
            "kind": "deployment",
            "id": f"d-{name}",
            "channel": f"c-{name}",
            "source": "local/a",
            "output": name,
        }
        for name in "xz"
    ),
    {
        "kind": "calibration",
        "id": "k-x",
        "channel": "c-x",
        "curve": "linear",
        "parameters": {"c0": 10.0, "c1": 2.0},
        "from": "2020-01-01T00:00:00Z",
    },
    {
        "kind": "mark",
        "id": "m-x",
        "channels": ["c-x"],
        "from": "2020-01-01T00:00:00Z",
        "to": "2030-01-01T00:00:00Z",
        "cause": "visit",
        "flag": 3,
        "who": "me",
    },
)


def stream() -> list[Entry]:
    """A small plot's life, a fact of each kind, each entry another from all others."""
    reported = EnteredFacts()
    reported.configure(0)
    reported.know_clock()
    for table in FACTS:
        kind = {"calibration": Kind.CALIBRATION, "mark": Kind.MARK}.get(table["kind"], Kind.FACT)
        reported.add(kind, "", to_payload(fact_of(table), "", "", f"{table['id']}.toml", "me"))
    reported.add(Kind.IDENTITY, "local/a", b'{"nothing": "of it"}')
    reported.add(Kind.GAP, "local/a", b'{"state": "closed", "cause": "no answer", "n": 2}')
    reported.add(Kind.NOTE, "", b'{"text": "a visit"}')
    for k in range(60):
        reported.hear("a", k / 4, 1, True)
    return reported.entries


def place_of(entries: list[Entry], what: str) -> int:
    """Where it stands, from 0."""
    id = KINDS.get(what)
    if id is not None:
        return next(k for k, e in enumerate(entries) if f'"{id}.toml"'.encode() in e.payload)
    kind = Kind[what.upper()]
    return [k for k, e in enumerate(entries) if e.kind == kind][-20 if what == "record" else 0]


@contextmanager
def lived(folder: Path) -> Iterator[tuple[Journal, Life]]:
    """Until all is derived and in the sink."""
    with Journal(folder / "journal", SetClock(T0), on_problem=lambda _: None) as journal:
        life = Life(folder, journal)  # type: ignore[arg-type]
        life.settle()
        life.sink.take(life.feed, 1000, 1000)
        yield journal, life
        life.deriver.flush({cursor_name(SINK): str(life.feed.cursor)})
        life.series.close()


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("station")
    with Journal(folder / "journal", SetClock(T0)) as journal:
        commit(journal, stream())
    with lived(folder) as (_, life):
        assert len(values(life)["c-x"]) == len(life.sink.points) // 2 == 60
    return folder


def values(life: Life) -> dict[str, dict[int, dict[str, object]]]:
    return {c: rows_of(life.series.read(c, -(2**62), 2**62)) for c in ("c-x", "c-z")}


def flipped(path: Path, at: int, bit: int = 3) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.chmod(0o644)
    path.write_bytes(data)


def where(path: Path, entry: Entry, part: str) -> int:
    """The byte of an entry in the file, found by its bytes and not by any index."""
    data = path.read_bytes()
    time = data.index(struct.pack(">q", entry.received_ns))
    payload = data.index(entry.payload, time)
    if part == "time":
        return time + 5
    if part == "payload":
        return payload + len(entry.payload) // 2
    return payload + len(entry.payload) + 1  # the CRC comes behind the payload


def copy_line(folder: Path, place: int) -> tuple[Path, int]:
    """A byte in the line of the second copy of the entry of that place in file 1."""
    path = folder / "journal" / "journal.copies"
    return path, path.read_bytes().index(b"%d " % (1 << 32 | place)) + 60


@pytest.mark.parametrize(
    ("part", "series"),
    [("time", "kept"), ("payload", "kept"), ("payload", "removed"), ("crc", "kept")],
)
@pytest.mark.parametrize("what", sorted({*KINDS, *OTHERS}))
def test_a_flipped_bit_changes_and_withdraws_no_value(
    station: Path, tmp_path: Path, what: str, part: str, series: str
) -> None:
    folder = tmp_path / "s"
    shutil.copytree(station, folder)
    entries = stream()
    path = journal_file(folder / "journal")
    flipped(path, where(path, entries[place_of(entries, what)], part))
    with lived(station) as (_, life):
        before = values(life)
    if series == "removed":
        (folder / "series.sqlite").unlink()
    with lived(folder) as (journal, life):
        found = values(life)
        damaged: list[DamagedRow] = []
        assert len(list(journal.scan(on_damage=damaged.append))) == len(entries) - len(damaged)
        assert life.deriver.lost_facts.places == frozenset()
        assert series == "removed" or not life.sink.points  # nothing is sent or withdrawn again
    lost = 0 if what in KINDS or what in {"configuration", "clock"} else 1
    assert len(damaged) == lost
    if what == "record" and series == "removed":
        assert [len(before[c]) - len(found[c]) for c in before] == [1, 1]
        before = {c: {t: before[c][t] for t in found[c]} for c in before}
    assert found == before


@pytest.mark.parametrize("what", [*KINDS, "configuration"])
@pytest.mark.parametrize("series", ["kept", "removed"])
def test_where_both_copies_are_gone_what_stands_stays_until_a_person_acts(
    station: Path, tmp_path: Path, what: str, series: str
) -> None:
    folder = tmp_path / "s"
    shutil.copytree(station, folder)
    entries = stream()
    place = place_of(entries, what)
    path = journal_file(folder / "journal")
    flipped(path, where(path, entries[place], "payload"))
    flipped(*copy_line(folder, place + 1))
    with lived(station) as (_, life):
        before = values(life)
    if series == "removed":
        (folder / "series.sqlite").unlink()
    for _ in range(2):  # the doubt lives on over starts
        with lived(folder) as (journal, life):
            reported = lost_facts_text(life.deriver.lost_facts)
            assert len(reported) == 1
            assert f"1.{place + 1}" in reported[0]
            assert "salvage --acknowledge" in reported[0]
            assert values(life) == (before if series == "kept" else {"c-x": {}, "c-z": {}})
            assert not life.sink.points
            life.flush()
            checkpoint = orjson.loads(life.series.checkpoint(CHECKPOINT) or "")
            if series == "removed":  # nothing shows which channels they were about
                assert "c-z" in checkpoint["waiting"]
            elif what in {"calibration", "mark", "deployment"}:
                assert checkpoint["waiting"] == ["c-x"]
    with lived(folder) as (journal, life):
        payload = acknowledgement("me", life.deriver.lost_facts.places)
        journal.append_now(Entry(Kind.LOST, T0, 1, "", "", payload))
        life.deriver.settle_lost_facts()
        life.settle()
        assert not life.deriver.lost_facts.places
        assert not open_losses(journal.copies)
        if what == "calibration":
            assert set(values(life)["c-x"]) == set(before["c-x"])
            assert values(life) != before
    with lived(folder) as (_, life):
        assert not life.deriver.lost_facts.places


def test_a_lost_calibration_that_is_entered_again_lets_the_channel_go_on(
    station: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "s"
    shutil.copytree(station, folder)
    entries = stream()
    place = place_of(entries, "calibration")
    path = journal_file(folder / "journal")
    flipped(path, where(path, entries[place], "crc"))
    flipped(*copy_line(folder, place + 1))
    reported = EnteredFacts(minute=200)
    reported.hear("a", 3.5, 1, True)
    with lived(folder) as (journal, life):
        before = values(life)
        commit(journal, reported.entries)
        life.settle()
        assert len(values(life)["c-x"]) == 60  # nothing new: its calibration is in doubt
        assert len(values(life)["c-z"]) == 61
        commit(journal, [entries[place]])
        life.settle()
        assert not life.deriver.lost_facts.places
        found = values(life)
        assert len(found["c-x"]) == 61
        assert {t: found["c-x"][t] for t in before["c-x"]} == before["c-x"]
    assert orjson.loads(entries[place].payload)["fact"]["id"] == "k-x"


@pytest.mark.parametrize("loss", ["row", "file"])
def test_deriving_again_keeps_rows_whose_entries_can_not_be_read(
    station: Path, tmp_path: Path, loss: str
) -> None:
    folder = tmp_path / "s"
    shutil.copytree(station, folder)
    entries = stream()
    path = journal_file(folder / "journal")
    if loss == "row":
        flipped(path, where(path, entries[place_of(entries, "record")], "payload"))
    else:
        path.unlink()
    with lived(station) as (_, life):
        before = values(life)
    with lived(folder) as (_, life):
        change = life.series.change
        life.deriver.derive_all_again()
        life.settle()
        assert values(life) == before
        assert life.series.change == change
        assert life.deriver.differing == 0
        derived = life.deriver.state.derived
        assert {c: derived[c] for c in before} == {c: len(rows) for c, rows in before.items()}


def test_what_came_while_a_channel_waited_is_derived_after_an_acknowledgement_between_two_lives(
    station: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "s"
    shutil.copytree(station, folder)
    entries = stream()
    place = place_of(entries, "calibration")
    path = journal_file(folder / "journal")
    flipped(path, where(path, entries[place], "crc"))
    flipped(*copy_line(folder, place + 1))
    reported = EnteredFacts(minute=200)
    reported.hear("a", 3.5, 1, True)
    with lived(folder) as (journal, life):
        commit(journal, reported.entries)
        life.settle()
        places = life.deriver.lost_facts.places
    with Journal(folder / "journal", SetClock(T0), on_problem=lambda _: None) as journal:
        journal.append_now(Entry(Kind.LOST, T0, 1, "", "", acknowledgement("me", places)))
    with lived(folder) as (_, life):
        assert len(values(life)["c-x"]) == 61
