"""`edaphon import`: what it refuses and why, what it takes, and that it takes nothing twice."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, until
from tests.fake_influx import FakeInflux, Play
from tests.stories.influx import sink_table
from tests.stories.logger_file import (
    COLUMNS,
    expected_rows,
    logger_facts,
    logger_source,
    write_table,
)
from tests.stories.station import Station

from edaphon.acquire.file_state import Imports
from edaphon.journal import StateFile
from edaphon.service.prerequisites import why_not_taken

ROWS = 2_000


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("import")
    (folder / "data").mkdir()
    other = '[[source]]\nname = "other"\nfile = "/nowhere/*.dat"\nmodel = "plot.logger"\n' + (
        'expect = "10min"\nsettings = { utc_offset = "+00:00", interval_s = 600 }\n'
    )
    tables = [logger_source(folder / "data" / "*.dat"), other]
    station = Station(folder, tables, [logger_facts()])
    station.start()
    yield station
    station.kill()


def count(station: Station) -> int:
    found = station.ask("status")["ledgers"]
    return int(found["current"])


def test_files_come_in_once_whatever_they_are_called(station: Station, tmp_path: Path) -> None:
    file = tmp_path / "year 1.dat"
    write_table(file, ROWS)
    stated, _ = call(station, "import", str(file), "--source", "file/log", "--wait")
    assert stated == f"{file}: {file.stat().st_size / 1e6:.1f} MB to take; see `edaphon status`\n"
    assert count(station) == ROWS * COLUMNS
    stated, _ = call(station, "import", str(file), "--source", "file/log", "--wait")
    assert stated == f"{file}: taken before, nothing in it is new\n"
    assert station.ask("status")["imports"] == []
    with file.open("a") as more:
        more.write((tmp_path / "year 1.dat").read_text().splitlines()[-1] + "\r\n")
    stated, _ = call(station, "import", str(file), "--source", "file/log", "--json")
    [line] = [json.loads(line) for line in stated.splitlines()]
    assert 0 < line["new_bytes"][str(file)] < 1000


def test_each_line_of_json_shows_how_far_it_is(station: Station, tmp_path: Path) -> None:
    file = tmp_path / "year 2.dat"
    write_table(file, 100, first=10_000)
    stated, _ = call(station, "import", str(file), "--source", "file/log", "--wait", "--json")
    [last] = [json.loads(line) for line in stated.splitlines()][-1]["files"]
    size = file.stat().st_size
    assert last == {
        "file": str(file),
        "size_bytes": size,
        "taken_bytes": size,
        "derived_bytes": size,
        "done": True,
    }


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--source", "file/lag"], 2, "got 'file/lag'; did you mean file/log?"),
        ([], 2, "got none\nthere are: file/log, file/other"),
    ],
)
def test_a_source_that_is_not_there_is_named_with_those_that_are(
    station: Station, tmp_path: Path, words: list[str], code: int, expected: str
) -> None:
    _, complained = call(station, "import", str(tmp_path / "a.dat"), *words, codes=(code,))
    assert expected in complained
    assert "Traceback" not in complained


def test_a_file_that_is_not_there_is_refused_and_so_are_all_of_the_call(
    station: Station, tmp_path: Path
) -> None:
    good, before = tmp_path / "good.dat", count(station)
    write_table(good, 10, first=20_000)
    files = [str(good), str(tmp_path / "no.dat")]
    _, complained = call(station, "import", *files, "--source", "file/log", codes=(1,))
    assert f"{files[1]}: expected a file, the account " in complained
    assert count(station) == before
    assert station.ask("status")["imports"] == []


def test_a_file_of_another_model_is_refused_with_its_first_line(
    station: Station, tmp_path: Path
) -> None:
    file, before = tmp_path / "other.csv", count(station)
    file.write_text('"TIMESTAMP","T"\n' + "not a row\x1b,1\n" * 20)
    words = ["import", str(file), "--source", "file/log"]
    _, complained = call(station, *words, codes=(1,))
    assert "expected rows of the plot's logger" in complained
    assert "line 1: " in complained
    assert '"TIMESTAMP","T"' in complained
    assert "not a row\\x1b,1" in complained, "bytes that a terminal would act on are shown"
    assert "--force" in complained
    assert count(station) == before
    dead = station.ask("status")["ledgers"]["entries"]["records"]
    call(station, *words, "--force", "--wait")
    assert station.ask("status")["ledgers"]["entries"]["records"] == dead + 1


def test_an_import_can_be_given_up(station: Station, tmp_path: Path) -> None:
    file = tmp_path / "stick.dat"
    write_table(file, 10, first=30_000)
    with file.open("a") as more:
        more.write('"2020-')  # the last line never ends
    call(station, "import", str(file), "--source", "file/log")
    file.unlink()
    until(lambda: any("stick.dat" in words for words in station.ask("status")["trouble"]))
    call(station, "import", str(file), "--source", "file/log", "--cancel")
    until(lambda: not any("stick.dat" in words for words in station.ask("status")["trouble"]))


def test_a_service_that_is_off_is_an_error_to_try_again(tmp_path: Path) -> None:
    station = Station(tmp_path, [logger_source(tmp_path / "*.dat")], [logger_facts()])
    _, complained = call(station, "import", str(tmp_path / "x.dat"), codes=(75,))
    assert "start it with `edaphon run`" in complained


def test_an_account_that_may_not_read_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.dat"
    file.write_text("x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("edaphon_drivers.outside.open_file", refuse)
    why = why_not_taken(file, None, frozenset())
    assert why is not None
    assert "Permission denied" in why
    assert f"setfacl -m u:{file.owner()}:r {file}" in why


def test_what_is_imported_is_known_after_a_restart(tmp_path: Path) -> None:
    with StateFile(tmp_path) as state:
        for name in ("/x/1.dat", "/x/2.dat", "/x/1.dat"):
            Imports("file/a", state).add(name)
    with StateFile(tmp_path) as state:
        imports = Imports("file/a", state)
        assert imports.names == ["/x/1.dat", "/x/2.dat"]
        assert Imports("file/b", state).names == []
        imports.remove("/x/1.dat")
        assert imports.names == ["/x/2.dat"]


def test_a_sink_that_is_slow_holds_an_import_and_not_the_values_that_are_live(
    tmp_path: Path,
) -> None:
    file, live = tmp_path / "old.dat", tmp_path / "live.dat"
    write_table(file, 10_000)
    with FakeInflux(version=1, target="soil") as fake:
        fake.script += [Play(delay_s=600)]
        tables = [logger_source(live), sink_table(fake.url, "soil")]
        station = Station(tmp_path / "plot", tables, [logger_facts()])
        try:
            station.start()
            call(station, "import", str(file))
            until(lambda: fake.writes and progress(station, file)["taken_bytes"])
            write_table(live, 3, first=10_000)
            until(lambda: count(station) > 0 and latest(station) == expected_rows(10_003, 0)[0][-1])
            assert progress(station, file)["taken_bytes"] < file.stat().st_size
        finally:
            station.kill()


def progress(station: Station, file: Path) -> dict[str, int]:
    [found] = station.ask("imports", source="file/log", files=[str(file)])["files"]
    return dict(found)


def latest(station: Station) -> int | None:
    [found] = [c["latest"] for c in station.ask("status")["channels"] if c["id"] == "old-1"]
    return int(found["time_ns"]) if found else None
