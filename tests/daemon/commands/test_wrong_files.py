"""Wrong files and settings of files that nobody planned for: one line of answer, and no wait."""

import contextlib
import io
import logging
import os
import socket
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.commands.test_files import HEAD, MODEL, SOURCE
from tests.stories.station import Station

from edaphon.commands import main
from edaphon.people import account_name
from edaphon.printer import LogLine
from edaphon.service.process import running

TIME = 'utc_offset = "+00:00"'
COLUMN = 'column = [{ name = "t", output = "t" }]'
ROW = "2026-04-01 12:00,1.5\n"
HUGE = "9" * 5000


def station_with(folder: Path, old: str = "", new: str = "") -> Station:
    (folder / "data").mkdir(exist_ok=True)
    text = MODEL + SOURCE.replace("FOLDER", str(folder / "data"))
    assert old in text
    return Station(folder, [text.replace(old, new, 1) if old else text], [])


WRONG = [
    ('zone = "Mars/Phobos"', 'a zone such as "Europe/Berlin", not "Mars/Phobos"'),
    ('zone = "../../etc/passwd"', 'not "../../etc/passwd"'),
    ('zone = "Europe/Berlin\\n"', 'not "Europe/Berlin\\n"'),
    ("zone = []", "not []"),
    ('zone = "+01:00"', 'a fixed offset is utc_offset = "+01:00"'),
    ('utc_offset = "+25:00"', 'not "+25:00"'),
    ("utc_offset = 1e400", "not inf"),
    (f"{TIME}\nspread = {{ rows = 0, within_s = 1 }}", "spread.rows is a number from 2 on, not 0"),
    (f"{TIME}\nspread = {{ rows = 2, within_s = nan }}", "within_s is seconds above 0, not nan"),
    (f"{TIME}\nspread = 3", "not 3"),
    (f'{TIME}\nelapsed = {{ column = "E", within_s = -3 }}', "within_s is seconds above 0, not -3"),
    (f'{TIME}\nelapsed = "E"', 'not "E"'),
    (f'{TIME}\nelapsed = {{ column = "E" }}\nstart = 2026-01-01', "not 2026-01-01"),
    (f'{TIME}\nelapsed = {{ column = "E" }}\nstart = "12026-01-01T00:00:00Z"', 'not "12026'),
    (f"{TIME}\nyear = 12026", "not 12026"),
    (f"{TIME}\nyear = {HUGE}", "a number of thousands of digits; at most 18 digits"),
]
WRONG_COLUMNS = [
    ("width = -1", "from 1, not -1"),
    ("width = true", "from 1, not true"),
    ('order = "a,b"', 'a list of column names, such as ["DATE", "CO2"], not "a,b"'),
    ('missing = "NAN"', "a list of words"),
    ("interval_s = nan", "above 0, not nan"),
    ('column = [{ name = 1, output = "t" }]', "a column without a name has a number, not 1"),
    ('column = [{ number = 1000000000, output = "t" }]', "a whole number from 1"),
]


@pytest.mark.parametrize(("setting", "answer"), WRONG)
def test_a_wrong_setting_of_times_is_answered(tmp_path: Path, setting: str, answer: str) -> None:
    expect(station_with(tmp_path, TIME, setting), answer)


@pytest.mark.parametrize(("setting", "answer"), WRONG_COLUMNS)
def test_a_wrong_setting_of_columns_is_answered(tmp_path: Path, setting: str, answer: str) -> None:
    more = setting if setting.startswith("column") else f"{COLUMN}\n{setting}"
    expect(station_with(tmp_path, COLUMN, more), answer)


def expect(station: Station, answer: str) -> None:
    """One line, with the file and the line in it."""
    out, err = check(station, 3)
    assert out == ""
    first, *others = err.splitlines()
    assert first.startswith(f"{station.file}:")
    assert answer in first
    assert others == ["1 error; nothing was changed."]


def check(station: Station, code: int) -> tuple[str, str]:
    return call_bare("check", str(station.file), code=code)


def call_bare(*words: str, code: int) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main([*words])
    assert (end.value.code or 0) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def made(folder: Path, kind: str) -> Path:
    path = folder / "thing.toml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    elif kind == "device":
        return Path("/dev/zero")
    return path


PAYLOADS = {
    "pipe": "thing.toml (a pipe)",
    "loop": "(Too many levels of symbolic links)",
    "folder": "thing.toml (a folder)",
    "sparse": "thing.toml (larger than 256 MB)",
    "device": "/dev/zero (a device)",
    "missing": "thing.toml (No such file or directory)",
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_payload_that_is_no_file_is_answered_at_once(tmp_path: Path, kind: str) -> None:
    station, path = station_with(tmp_path), made(tmp_path, kind)
    _, err = call(station, "decode", "--source", "file/log", "--payload", f"@{path}", codes=(2,))
    assert PAYLOADS[kind] in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("kind", ["pipe", "loop", "sparse", "device", "missing"])
def test_a_configuration_that_is_no_file_is_answered_at_once(tmp_path: Path, kind: str) -> None:
    _, err = call_bare("check", str(made(tmp_path, kind)), code=3)
    words = PAYLOADS[kind].replace("256 MB", "1 MB").partition("(")[2].rstrip(")")
    assert f"can't be read ({words})" in err
    assert len(err.splitlines()) == 2


def test_names_of_files_make_no_lines_of_their_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    station = station_with(tmp_path)
    name = "a\nERROR all is lost\x1b[2J %s ü.csv"
    (tmp_path / "data" / name).write_text(HEAD + ROW + "2026-13-01 12:00,2\n" + ROW)
    with running(station.file), caplog.at_level(logging.WARNING, "edaphon"):
        until(lambda: lines_of(station) == (4, 2))
        out, _ = call(station, "status", codes=(1,))
        files, _ = call(station, "files", "list")
    shown = "a\\nERROR all is lost\\x1b[2J %s ü.csv"
    assert len(files.splitlines()) == 1
    assert shown in files
    assert "\nERROR" not in out
    assert sum(shown in line for line in out.splitlines()) >= 2
    (record,) = [r for r in caplog.records if "line refused" in r.getMessage()]
    assert len(LogLine("%(levelname)s %(message)s").format(record).splitlines()) == 1


def listed(station: Station) -> list[dict[str, object]]:
    found: list[dict[str, object]] = call_json(station, "files", "list")
    return found


def test_odd_names_of_a_pattern_stop_no_other_and_are_shown(tmp_path: Path) -> None:
    station = station_with(tmp_path)
    data = tmp_path / "data"
    (data / "loop.csv").symlink_to(data / "loop.csv")
    (data / "folder.csv").mkdir()
    (data / "gone.csv").symlink_to(data / "nowhere")
    os.mkfifo(data / "pipe.csv")
    (data / "good.csv").write_text(HEAD + ROW + ROW)
    with running(station.file):
        until(lambda: listed(station))
        (row,) = listed(station)
        assert row["name"] == f"{data}/good.csv"
        out, _ = call(station, "status", codes=(1,))
    assert "expected a file that this account can read, got [Errno 40]" in out


def test_a_pattern_of_a_thousand_files_is_read_to_its_end(tmp_path: Path) -> None:
    station = station_with(tmp_path)
    for n in range(1000):
        hour, minute = divmod(n, 60)
        text = f"{HEAD}2026-04-01 {hour % 24:02d}:{minute:02d},{n}\n"
        (tmp_path / "data" / f"{n}.csv").write_text(text)
    with running(station.file):
        until(lambda: lines_of(station) == (2000, 1000), 30)
        assert len(listed(station)) == 1000


def lines_of(station: Station) -> tuple[int, int]:
    """(lines, rows) of all files."""
    rows = call_json(station, "status", codes=(0, 1))["file_lines"]
    return sum(row["lines"] for row in rows), sum(row["rows"] for row in rows)


def test_two_sources_that_follow_one_file_with_one_model_are_shown(tmp_path: Path) -> None:
    station = station_with(tmp_path)
    (tmp_path / "data" / "a.csv").write_text(HEAD + ROW)
    with station.file.open("a") as file:
        file.write(SOURCE.replace("FOLDER/*", f"{tmp_path}/data/a").replace('"log"', '"other"'))
    out, _ = check(station, 0)
    where = f"{tmp_path}/data/a.csv"
    assert f"source file/other: {where} is followed by file/log too; one is enough" in out


def latin_1(folder: Path, name: str, text: str) -> bytes:
    path = os.fsencode(folder) + b"/" + name.encode("latin-1")
    with open(path, "w") as file:
        file.write(text)
    return path


def test_a_name_that_is_not_utf8_is_a_problem_and_stops_nothing(tmp_path: Path) -> None:
    station = station_with(tmp_path)
    (tmp_path / "data" / "good.csv").write_text(HEAD + ROW)
    latin_1(tmp_path / "data", "M\xe4rz.csv", HEAD + ROW)
    for _ in range(2):  # it stops in order, and starts again
        with running(station.file):
            until(lambda: lines_of(station) == (2, 1))
            out, _ = call(station, "status", codes=(1,))
        assert "expected names of files in UTF-8, got b'" in out
        assert "M\\xe4rz.csv'; rename the file" in out


def test_facts_and_imports_with_a_name_that_is_not_utf8_are_refused(tmp_path: Path) -> None:
    station = station_with(tmp_path)
    name = os.fsdecode(latin_1(station.inbox, "M\xe4rz.toml", ""))
    _, err = check(station, 3)
    assert err.splitlines()[0].endswith("the name of this file is not UTF-8; another name")
    os.unlink(name)
    _, err = call_bare("import", name, "--config", str(station.file), code=2)
    assert err.startswith("expected names of files in UTF-8, got b'")


@pytest.mark.parametrize("kind", ["pipe", "loop", "folder", "device"])
def test_an_import_of_no_file_says_what_is_there(tmp_path: Path, kind: str) -> None:
    station = station_with(tmp_path)
    with running(station.file):
        _, err = call(station, "import", str(made(tmp_path, kind)), codes=(1,))
    words = {"loop": "Too many levels of symbolic links", "folder": "got the folder"}
    assert words.get(kind, "got a pipe or device") in err
    assert len(err.splitlines()) == 1


def test_an_asker_that_goes_away_leaves_no_words_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    station = station_with(tmp_path)
    with running(station.file) as service:
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as asker:
                asker.connect(str(service.layout.control))
                asker.send(b'{"verb": "status"}\n')
        call(station, "status", codes=(0, 1))
    assert "Traceback" not in capfd.readouterr().err


def test_an_account_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert account_name() == f"uid-{os.getuid()}"
