"""Releases: numbers that stay, whatever is corrected later, and that anyone can verify."""

import re
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.commands.test_explain import FACTS, NOON, NOON_NS, TABLES, entry, reported
from tests.documents import ROOT
from tests.stories.station import Station

from edaphon.clock import SystemClock
from edaphon.commands import main
from edaphon.journal import Journal, Kind, read_only
from edaphon.people import own_account
from edaphon.series import Series
from edaphon.service import releases
from edaphon.service.check import open_storage
from edaphon.service.process import running
from edaphon.storage.access import settled_deriver

CORRECTION = (
    '[[calibration]]\nid = "bath"\nchannel = "p-temp"\ncurve = "linear"\n'
    'parameters = { c0 = 0.25, c1 = 1.0 }\nfrom_unit = "degC"\nto_unit = "degC"\n'
)


@pytest.fixture(scope="module")
def settled(tmp_path_factory) -> Path:
    """The storage of a plot with some values."""
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
    station = Station(tmp_path / "plot", TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


def correct(station: Station) -> None:
    (station.folder / "bath.toml").write_text(CORRECTION)
    call(station, "apply", str(station.folder / "bath.toml"))


def notes(station: Station) -> list[dict[str, Any]]:
    journal = read_only(station.storage / "journal")
    return [orjson.loads(each.payload) for _, each in journal.scan(kinds={Kind.NOTE})]


def test_a_correction_changes_current_values_and_not_those_of_a_release(plot):
    made = call_json(plot, "release", "2026-spring", "--note", "for the paper", "--who", "A. Roth")
    before = call(plot, "query", "p-temp")[0]
    assert call(plot, "query", "p-temp", "--release", "2026-spring")[0] == before
    raw = call(plot, "query", "p-vwc", "--level", "raw")[0]
    assert raw.splitlines()[1].split(",")[3] == "count"
    correct(plot)
    with settled_deriver(open_storage(plot.file)):
        pass
    assert call(plot, "query", "p-temp")[0] != before
    assert call(plot, "query", "p-temp", "--release", "2026-spring")[0] == before
    assert call(plot, "query", "p-vwc", "--level", "raw", "--release", "2026-spring")[0] == raw
    (listed,) = call_json(plot, "release")
    assert listed == {**made, "problems": []}
    later = call_json(plot, "release", "2026-summer")
    assert later["digest"] != made["digest"]
    assert later["rows"] == made["rows"]
    shown = call(plot, "release")[0].splitlines()
    assert [line.split()[0] for line in shown] == ["release", "2026-spring", "2026-summer"]
    assert made["digest"] in shown[1]
    assert shown[1].endswith("for the paper")


def test_the_journal_knows_a_release_and_up_to_where_it_knew(plot):
    last = read_only(plot.storage / "journal").last
    made = call_json(plot, "release", "r1", "--who", "A. Roth")
    file = plot.storage / "releases" / "r1.sqlite"
    assert made["known_sequence"] == str(last)
    assert made["known_time"] == "2026-04-01T22:00:02Z"
    assert notes(plot) == [
        {
            "what": "release",
            "name": "r1",
            "digest": made["digest"],
            "rows": made["rows"],
            "known_sequence": str(last),
            "who": "A. Roth",
            "account": own_account(),
            "note": "",
            "file_sha256": sha256(file.read_bytes()).hexdigest(),
        }
    ]


def test_a_release_is_made_while_the_service_runs(plot):
    alone = call_json(plot, "release", "alone")
    with running(plot.file) as service:
        made = call_json(plot, "release", "between", "--note", "b")
        assert notes(plot)[-1]["digest"] == made["digest"] == alone["digest"]
        correct(plot)
        until(lambda: not service.deriver.reworking)
        assert call_json(plot, "release", "after")["digest"] != made["digest"]
        assert len(call_json(plot, "release")) == 3
    assert [note["name"] for note in notes(plot)] == ["alone", "between", "after"]


def test_channels_and_times_can_be_chosen(plot):
    words = ("--channel", "p-temp", "--start", NOON, "--end", "2026-04-01T12:20:00Z")
    made = call_json(plot, "release", "part", *words)
    assert (made["channels"], made["rows"]) == (["p-temp"], 2)
    assert (made["start"], made["end"]) == (NOON, "2026-04-01T12:20:00Z")
    found = call(plot, "query", "p-temp", "--release", "part")[0].splitlines()
    assert len(found) == 3
    assert (
        "got 'p-vwc'; known are p-temp"
        in call(plot, "query", "p-vwc", "--release", "part", codes=(1,))[1]
    )


def test_a_release_is_never_changed_and_wrong_words_are_refused(plot):
    call(plot, "release", "r1")
    path = plot.storage / "releases" / "r1.sqlite"
    before = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o440
    assert "never changed" in call(plot, "release", "r1", codes=(1,))[1]
    assert path.read_bytes() == before
    assert "expected a name of letters" in call(plot, "release", "../r", codes=(2,))[1]
    assert "got 'q'" in call(plot, "release", "r2", "--channel", "q", codes=(1,))[1]
    assert "none to release" in call(plot, "release", "r2", "--end", "2020-01-01", codes=(1,))[1]
    assert "(r1), got 'r3'" in call(plot, "query", "p-temp", "--release", "r3", codes=(1,))[1]
    assert [each.name for each in path.parent.iterdir()] == ["r1.sqlite"]
    assert len(notes(plot)) == 1


def test_a_release_that_was_altered_is_shown_as_such(plot):
    for name in ("blob", "text", "unit", "gone", "good", "cut"):
        call(plot, "release", name)
    folder = plot.storage / "releases"
    for path in folder.iterdir():
        path.chmod(0o644)
    alter(folder / "blob.sqlite", "UPDATE block SET columns = zeroblob(90) WHERE channel = 'ec25'")
    alter(folder / "text.sqlite", "UPDATE derivation SET text = '{}' WHERE number = 1")
    alter(folder / "unit.sqlite", "UPDATE checkpoint SET json = replace(json, 'degC', 'K')")
    alter(folder / "gone.sqlite", "DELETE FROM block WHERE channel = 'ec25'")
    shutil.copy(folder / "good.sqlite", folder / "renamed.sqlite")
    (folder / "cut.sqlite").write_bytes(b"nothing")
    listed = {row["name"]: row["problems"] for row in call_json(plot, "release", codes=(1,))}
    assert listed["good"] == []
    assert listed["renamed"] == ["it was released as good"]
    assert listed["blob"] == ["ec25 on 2026-04-01 has other rows"]
    assert re.fullmatch(r"the text of derivation \w{12} is another one", listed["text"][0])
    assert [words[:13] for words in listed["unit"]] == ["its digest is"]
    assert [words.split()[0] for words in listed["gone"]] == ["it", "its"]
    assert "expected a release in cut.sqlite" in listed["cut"][0]
    out, err = call(plot, "release", codes=(1,))
    assert "expected what was released" in err
    altered = {line.split()[0] for line in out.splitlines() if "ALTERED" in line}
    assert altered == set(listed) - {"good"}


def test_a_release_that_is_missing_or_has_other_header_numbers_is_found_by_list_and_verify(plot):
    for name in ("gone", "header", "words", "good"):
        call(plot, "release", name)
    folder = plot.storage / "releases"
    (folder / "gone.sqlite").unlink()
    (folder / "header.sqlite").chmod(0o644)
    alter(folder / "header.sqlite", "UPDATE block SET highest = 7 WHERE channel = 'ec25'")
    (folder / "words.sqlite").chmod(0o644)
    made = 'UPDATE checkpoint SET json = replace(json, \'"made":"20\', \'"made":"19\')'
    alter(folder / "words.sqlite", made)
    listed = {row["name"]: row["problems"] for row in call_json(plot, "release", codes=(1,))}
    assert listed["good"] == []
    assert listed["gone"] == [f"its file {folder / 'gone.sqlite'} is not there"]
    assert listed["header"] == ["ec25 on 2026-04-01 has other numbers in its header"]
    assert "its file_sha256 is" in listed["words"][0]
    found = call_json(plot, "verify", codes=(1,))
    assert set(found["releases"]["altered"]) == {"gone", "header", "words"}
    assert "release gone: its file" in call(plot, "verify", codes=(1,))[0]


def alter(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


def test_what_is_derived_again_just_now_is_not_released(plot, monkeypatch):
    path = plot.storage / "series.sqlite"
    with closing(Series(path)) as series:
        table = orjson.loads(series.checkpoint("deriver") or b"")
        table["pending"] = {"p-temp": [[0, 1]]}
        series.flush({"deriver": orjson.dumps(table).decode()})
    monkeypatch.setattr(releases, "_settled", lambda _: Series(path, read_only=True))
    words = call(plot, "release", "r1", codes=(75,))[1]
    assert "p-temp are being derived again" in words


def test_values_that_were_changed_by_hand_are_not_released(plot):
    alter(plot.storage / "series.sqlite", "UPDATE block SET columns = zeroblob(90) WHERE n > 1")
    words = call(plot, "release", "r1", codes=(1,))[1]
    assert "run `edaphon rebuild`" in words
    assert list((plot.storage / "releases").iterdir()) == []


def test_a_release_that_was_interrupted_is_none_and_the_next_one_is_made(plot, monkeypatch):
    def cut(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(releases, "_note", cut)
    assert "no space" in call(plot, "release", "r1", codes=(1,))[1]
    assert call_json(plot, "release") == []
    monkeypatch.undo()
    (plot.storage / "releases" / "in-the-making").write_bytes(b"left by a kill")
    assert call_json(plot, "release", "r1")["rows"] > 0


def test_a_file_alone_tells_everything_without_configuration_or_storage(plot, tmp_path, capsys):
    made = call_json(plot, "release", "r1", "--note", "for the paper")
    here = call(plot, "query", "p-temp", "--release", "r1")[0]
    path = shutil.copy(
        plot.storage / "releases" / "r1.sqlite", tmp_path / "from-the-archive.sqlite"
    )
    shutil.rmtree(plot.folder)
    with pytest.raises(SystemExit) as end:
        main(["query", "p-temp", "--release", str(path), "--format", "csv"])
    assert not end.value.code
    assert capsys.readouterr().out == here
    series = Series(path, read_only=True)
    run = series.read("p-temp", NOON_NS, NOON_NS + 1)[0]
    assert run.raw[0] == run.value[0] == 15.0
    assert run.sequence[0] > 0
    assert orjson.loads(series.derivation_text(run.derivation) or "")["output"]
    assert made["rows"] == series.count()


def test_anyone_can_compute_the_digest_by_what_the_documents_say(plot):
    made = call_json(plot, "release", "r1")
    section = (ROOT / "docs" / "scientist.md").read_text("utf-8").split("## Releases\n")[1]
    code = re.split(r"```python\n|```\n", section)[1]
    found: dict[str, Any] = {"path": str(plot.storage / "releases" / "r1.sqlite")}
    exec(code, found)  # noqa: S102
    assert found["digest"] == made["digest"]
