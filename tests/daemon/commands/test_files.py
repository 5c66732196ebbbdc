"""`edaphon files`: how far each file was read, and a copy that replaces the earlier ones."""

import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.stories.station import Station

from edaphon.journal import Kind
from edaphon.service.process import running

MODEL = """[model."x.csv"]
title = "x"
engine = "file"
output = [{ name = "t", quantity = "soil_temperature", unit = "degC" }]
[model."x.csv".frame]
form = "table"
separator = "comma"
column = [{ name = "t", output = "t" }]
[model."x.csv".frame.time]
columns = ["time"]
formats = ["%Y-%m-%d %H:%M"]
utc_offset = "+00:00"
"""
SOURCE = '[[source]]\nname = "log"\nfile = "FOLDER/*.csv"\nmodel = "x.csv"\n'
HEAD = "time,t\n"


@pytest.fixture
def station(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    station = Station(tmp_path, [MODEL, SOURCE.replace("FOLDER", str(data))], [])
    with running(station.file) as service:
        station.service = service
        station.data = data
        yield station


def records(station):
    return len(list(station.service.journal.scan({"file/log"}, {Kind.RECORD})))


def put(station, name, text):
    """Until what is new of a file is in the journal and derived."""
    service, before = station.service, records(station)
    (station.data / name).write_text(text)
    until(lambda: records(station) > before)
    until(lambda: service.journal.last == service.deriver.position)


def test_the_list_shows_lines_bytes_copies_and_what_waits(station):
    assert "no file was read yet" in call(station, "files", "list")[0]
    put(station, "a.csv", HEAD + "2026-04-01 12:00,1.5\n2026-04-01 12:10,2.")
    out, _ = call(station, "files", "list")
    assert f"file/log {station.data}/a.csv: copy 1, 2 lines, 28 of 47 bytes; the last line" in out
    (row,) = call_json(station, "files", "list")
    assert (row["source"], row["copy"], row["lines"]) == ("file/log", 1, 2)
    assert (row["offset"], row["size"], row["gone"]) == (28, 47, False)
    stated = call(station, "status", codes=(0, 1))[0]
    assert f"file of file/log: {station.data}/a.csv: the last line has no end yet" in stated


def test_the_newest_copy_replaces_the_earlier_ones_by_a_fact(station):
    put(station, "a.csv", HEAD + "2026-04-01 12:00,1.5\n2026-04-01 12:10,2.5\n")
    _, err = call(station, "files", "replace", "file/log", "a.csv", codes=(1,))
    assert "one copy only" in err
    put(station, "a.csv", HEAD + "2026-04-01 13:00,1.5\n2026-04-01 13:10,2.5\n")
    out, _ = call(station, "files", "replace", "file/log", "a.csv", "--dry-run")
    assert f"{station.data}/a.csv: copy 1 (1 pieces, 3 lines) is replaced by copy 2" in out
    assert station.service.deriver.knowledge.replacements == {}
    words = ("--why", "one hour off", "--who", "K. Berg", "--no-wait")
    found = call_json(station, "files", "replace", "file/log", "a.csv", *words)
    assert found["applied"] == 1
    assert [(one["copy"], one["lines"]) for one in found["copies"]] == [(1, 3)]
    name = str(station.data / "a.csv")
    assert station.service.deriver.knowledge.replacements == {("file/log", name): 2}
    _, err = call(station, "files", "replace", "file/log", name, codes=(1,))
    assert "replaces the earlier ones already" in err


def test_a_replacement_of_a_fact_file_is_previewed_and_applied(station):
    put(station, "a.csv", HEAD + "2026-04-01 12:00,1.5\n")
    put(station, "a.csv", HEAD + "2026-04-01 13:00,1.5\n")
    file = station.folder / "right.toml"
    name = station.data / "a.csv"
    text = f'[[replacement]]\nid = "r"\nsource = "file/log"\nfile = "{name}"\ncopy = 2\n'
    file.write_text(text)
    out, _ = call(station, "apply", str(file))
    assert "new: replacement r" in out
    assert "copy 1 (1 pieces, 2 lines) is replaced by copy 2" in out
    assert "1 fact applied" in out
    assert "expected a copy" not in out
    for more, known in (("", "no file of this name"), ("a.csv", "copy 2 as the newest")):
        wrong = text.replace('"r"', '"w"').replace("copy = 2", "copy = 3")
        file.write_text(wrong if more else wrong.replace("a.csv", "typo.csv"))
        out, _ = call(station, "apply", str(file), "--dry-run")
        assert "expected a copy 3 of " in out
        assert f"got {known}; compare with `edaphon files list`, and revoke w if" in out
    file.write_text(text.replace('"r"', '"q"').replace("file/log", "file/lag"))
    _, err = call(station, "apply", str(file), codes=(3,))
    assert '"file/lag" is no source' in err


def test_a_file_or_source_that_is_not_there_is_answered_with_those_that_are(station):
    put(station, "a.csv", HEAD + "2026-04-01 12:00,1.5\n")
    _, err = call(station, "files", "replace", "file/lag", "a.csv", codes=(2,))
    assert "expected a source of files (file/log), got 'file/lag'" in err
    _, err = call(station, "files", "replace", "file/log", "b.csv", codes=(2,))
    assert "a.csv" in err
    assert "got 'b.csv'" in err


def test_the_list_says_what_to_do_when_the_service_is_off(tmp_path):
    station = Station(tmp_path, [MODEL, SOURCE.replace("FOLDER", str(tmp_path))], [])
    _, err = call(station, "files", "list", codes=(1,))
    assert "edaphon run" in err


def test_an_import_goes_to_the_only_source_of_files_and_to_no_other_than_was_named(station):
    file = station.folder / "old.txt"
    file.write_text(HEAD + "2026-04-01 12:00,1.5\n")
    _, err = call(station, "import", str(file), "--source", "file/lag", codes=(2,))
    assert "got 'file/lag'" in err
    assert "there are: file/log" in err
    before = records(station)
    call(station, "import", str(file))
    until(lambda: records(station) > before)
