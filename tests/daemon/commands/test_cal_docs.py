"""The commands that the guides show for calibrations do what they say, one after the other."""

import re
import shlex
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_cal_preview import TABLES, records, telling
from tests.documents import ROOT
from tests.stories.station import Station, teros12_facts

from edaphon.clock import SystemClock
from edaphon.commands import main
from edaphon.journal import Journal
from edaphon.service.check import open_storage
from edaphon.storage.access import settled_deriver

FACTS = teros12_facts("sdi12/a", "p").replace("p-vwc", "P1-vwc-5").replace("p-temp", "P1-temp-5")
FACTS = FACTS.replace('"sdi12/a"\n', '"sdi12/a"\nsensor = "T12-00041873"\n')
SENSOR = '[[sensor]]\nid = "T12-00041873"\nmodel = "meter.teros12"\n'
SHOWN = re.compile(r"^    (edaphon (?:cal|recalibrate)\b(?:.*\\\n)*.*)$", re.MULTILINE)


def commands(page: str, begin: str, end: str) -> list[list[str]]:
    """The words of each command of a section; `#` begins no comment there."""
    text = (ROOT / "docs" / page).read_text("utf-8").split(f"\n{begin}\n")[1].split(f"\n{end}")[0]
    shown = [found.replace("\\\n", " ") for found in SHOWN.findall(text)]
    return [shlex.split(line)[1:] for line in shown]


@pytest.fixture
def plot(tmp_path, monkeypatch) -> Station:
    station = Station(tmp_path, TABLES, [SENSOR, FACTS])
    with Journal(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(telling(station))
    call(station, "apply")
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for each in records():
            journal.append_now(each)
    with settled_deriver(open_storage(station.file)):
        pass
    for name in ("cores.pdf", "PTB-2026-0815.pdf"):
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return station


def test_the_scientists_calibration_is_added_seen_applied_shown_and_proved(plot):
    shown = commands("scientist.md", "## Calibrations", "## ")
    fit = next(words for words in shown if words[1] == "fit")
    others = [words for words in shown if words is not fit]
    assert [words[1] for words in others] == [
        "add", "preview", "apply", "list", "list", "show", "revoke", "--dry-run",
    ]  # fmt: skip
    for words in others:
        call(plot, *words)
        if words[1] == "apply":
            (row,) = call_json(plot, "cal", "list", "--channel", "P1-vwc-5")[1:]
            assert (row["id"], row["state"]) == ("P1-vwc-5-cores", "in force")
    assert "<svg" in Path("change.svg").read_text()
    assert (plot.inbox / "cores.pdf").exists()


def test_the_scientists_points_become_the_calibration_that_is_shown(plot):
    page = (ROOT / "docs" / "scientist.md").read_text("utf-8")
    points = re.search(r"^    raw,reference\n(?:    [\d.,]+\n)+", page, re.MULTILINE)
    assert points is not None
    Path("points.csv").write_text(points[0].replace("    ", ""))
    (fit,) = [w for w in commands("scientist.md", "## Calibrations", "## ") if w[1] == "fit"]
    with pytest.raises(SystemExit) as end:
        main(fit)
    assert end.value.code in {0, None}
    text = Path("calibration.toml").read_text()
    assert "domain = [1900.0, 2700.0]" in text
    assert 'evidence = { "points.csv" = "' in text


def test_the_technicians_certificate_goes_in_and_out_and_the_check_stays(plot):
    shown = commands("technician.md", "## A certificate arrives, or was wrong", "## ")
    assert [words[1] for words in shown] == ["add", "preview", "apply", "revoke", "add", "apply"]
    for words in shown:
        call(plot, *words)
    rows = call_json(plot, "cal", "list", "--all", "--channel", "P1-temp-5")
    assert [(row["kind"], row["state"].split(":")[0]) for row in rows] == [
        ("calibration", "revoked"),
        ("check", "in force"),
    ]
