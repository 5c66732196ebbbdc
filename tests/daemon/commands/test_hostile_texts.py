"""Texts planted wherever others write: the bytes that commands and the service print hold none."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, until
from tests.daemon.commands.test_files import HEAD, MODEL, SOURCE
from tests.stories.station import Station

from edaphon.facts import conflicts
from edaphon.printer import hidden

EVIL = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\u202e\u2066\u200b\u200d\ufeff\x7f\x08[bold]=1+1"
TOML = "".join(f"\\U{ord(c):08x}" for c in EVIL)
NAME = "a\nERROR forged" + EVIL.replace("/", "") + ".csv"
FACTS = f"""[[plot]]
id = "p"
treatment = "{TOML}"
block = "{TOML}"
[[sensor]]
id = "s1"
model = "meter.teros12"
firmware = "{TOML}"
[[channel]]
id = "c"
plot = "p"
quantity = "soil_temperature"
unit = "degC"
depth_cm = 5
[[deployment]]
id = "d"
channel = "c"
source = "file/log"
output = "t"
[[calibration]]
id = "k"
channel = "c"
curve = "linear"
parameters = {{ c0 = 0.0, c1 = 1.0 }}
operator = "{TOML}"
method = "{TOML}"
reference = "{TOML}"
certificate = "{TOML}"
from_unit = "degC"
to_unit = "degC"
[[mark]]
id = "m"
channels = ["c"]
flag = 3
from = 2026-04-01T00:00:00Z
to = 2026-04-02T00:00:00Z
cause = "{TOML}"
who = "{TOML}"
[[visit]]
id = "v"
plot = "p"
from = 2026-05-01T00:00:00Z
to = 2026-05-02T00:00:00Z
who = "{TOML}"
why = "{TOML}"
[[pause]]
id = "w"
sources = ["file/log"]
from = 2026-06-01T00:00:00Z
to = 2026-06-02T00:00:00Z
who = "{TOML}"
why = "{TOML}"
"""
COMMANDS = (
    ("status",), ("status", "--json"), ("files", "list"), ("alert", "list"), ("visit", "list"),
    ("cal", "list"), ("cal", "list", "--json"), ("cal", "show", "k"),
    ("cal", "show", "k", "--json"),
    ("query", "c"), ("query", "c", "--format", "table"), ("query", "c", "--format", "json"),
    ("query", EVIL.replace("\x00", "")), ("explain", "c", "2026-04-01T12:00:00Z"),
    ("explain", "c", "2026-04-01T12:00:00Z", "--json"), ("verify",), ("release",), ("sink", "list"),
    ("salvage",), ("decode", "--source", "file/log", "--payload", HEAD + EVIL), ("sensor", "x"),
    (EVIL,), ("cal", "show", EVIL), ("term", EVIL), ("import", EVIL),
)  # fmt: skip


def bare(data: bytes) -> list[str]:
    """Characters of printed bytes that would act or hide; lines and tabs are ours."""
    return [ascii(c) for c in data.decode("utf-8") if hidden(c) and c not in "\n\t"]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A journal of an earlier version, which took such facts, and a file of a hostile name."""
    folder = tmp_path_factory.mktemp("hostile")
    data = folder / "data"
    data.mkdir()
    names = f'[[sink]]\nname = "out"\nkind = "jsonl"\nfolder = "{folder}/out"\n'
    (folder / "out").mkdir()
    station = Station(folder, [MODEL, SOURCE.replace("FOLDER", str(data)), names], [])
    (folder / "old.toml").write_text(FACTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conflicts, "_hidden", lambda case: iter(()))
        call(station, "apply", str(folder / "old.toml"), "--who", EVIL)
    station.file.write_text(station.file.read_text().replace('id = "story"', SITE))
    for name in (NAME, os.fsdecode(b"no\xfftext.csv")):
        (data / name).write_text(HEAD + f"2026-04-01 12:00,1.5\n2026-13-01 {EVIL},2\n{EVIL}\n")
    station.start()
    until(lambda: "line" in str(station.ask("status")["file_lines"]), 30)
    yield station
    station.stop()


SITE = f'id = "story"\nname = "{TOML}"'


def printed(station: Station, words: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "edaphon", *words, "--config", str(station.file)],
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: ascii(" ".join(words))[1:40])
def test_no_command_prints_what_others_planted(station: Station, words: tuple[str, ...]) -> None:
    done = printed(station, words)
    assert bare(done.stdout) == []
    assert bare(done.stderr) == []
    assert b"Traceback" not in done.stderr
    assert not any(line.startswith(b"ERROR forged") for line in done.stdout.split(b"\n"))


def test_check_and_a_new_fact_print_none_either(station: Station, tmp_path: Path) -> None:
    facts = tmp_path / f"new{EVIL}.toml".replace("/", "")
    facts.write_text(FACTS.replace('id = "', 'id = "new-') + f'[["{TOML}"]]\n"{TOML}" = 1\n')
    for words in (["check", str(station.file), str(facts)], ["apply", str(facts)]):
        more = [] if words[0] == "check" else ["--config", str(station.file)]
        done = subprocess.run(
            [sys.executable, "-m", "edaphon", *words, *more], capture_output=True, check=False
        )
        assert done.returncode == 3
        assert bare(done.stdout) == []
        assert bare(done.stderr) == []
        assert b"U+" in done.stderr
        assert b"Traceback" not in done.stderr


def test_the_log_of_the_service_holds_none(station: Station) -> None:
    log = (station.folder / "daemon.log").read_bytes()
    assert log
    assert bare(log) == []
    assert not any(line.startswith(b"ERROR forged") for line in log.split(b"\n"))


def test_the_planted_texts_are_shown_visibly(station: Station) -> None:
    shown = printed(station, ("cal", "show", "k")).stdout
    assert rb"\x1b]52;c;ZXZpbA==\x07" in shown
    assert rb"\u202e" in shown
    assert b"[bold]" in shown


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("visit", "start", "p", "--who", "WORD", "--why", "x"), 1),
        (("visit", "start", "p", "--why", "WORD"), 1),
        (("release", "r-note", "--note", "WORD"), 0),
        (("release", "r-who", "--who", "WORD"), 0),
        (("alert", "ack", "1", "--why", "WORD"), 1),
        (("salvage", "--acknowledge", "--who", "WORD"), 0),
        (("cal", "revoke", "k", "--why", "WORD"), 1),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else None,
)
def test_words_that_are_no_text_are_shown_or_refused(
    station: Station, words: tuple[str, ...], code: int
) -> None:
    given = tuple(os.fsdecode(b"\xff\xfe") if word == "WORD" else word for word in words)
    done = printed(station, given)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert done.returncode == code, done.stderr.decode()
