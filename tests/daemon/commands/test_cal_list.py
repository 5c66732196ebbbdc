"""What is in force and what was: listed by channel and time of knowledge, and shown whole."""

import hashlib

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_cal_preview import LINE, minute, station_in, written
from tests.stories.station import Station

from edaphon import printer as cal_table
from edaphon.acquire.slots import Timekeeper
from edaphon.clock import SystemClock, boot_id
from edaphon.facts import pin_id
from edaphon.journal import Journal, Kind
from edaphon.journal.fact_log import CHECKPOINT
from edaphon.series import Series

PIN = pin_id("meter.teros12", "water_content_counts", "mineral")
SURE = (
    "covariance = [[4e-4, -3e-4], [-3e-4, 9e-4]]\ndomain = [0.05, 0.45]\n"
    'operator = "K. Berg"\nmethod = "5 cores"\nreference = "oven"\ncertificate = "KB 12"\n'
    "from = 2026-04-01T12:20:00Z\n"
)
COOL = (
    '[[calibration]]\nid = "bath"\nsensor = "T12-1"\noutput = "soil_temperature"\n'
    'curve = "offset"\nparameters = { offset = 0.1 }\nfrom_unit = "degC"\nto_unit = "degC"\n'
    '[[check]]\nid = "ice"\nchannel = "p-temp"\nstate = "as left"\nreading = 0.2\n'
    'reference_value = 0.0\nu_reference = 0.02\nunit = "degC"\nfrom = 2026-04-01T12:30:00Z\n'
)


@pytest.fixture(scope="module")
def plot(tmp_path_factory) -> Station:
    """A plot with what was entered, put right and taken back, each as it came."""
    station = station_in(tmp_path_factory.mktemp("plot"))
    points = station.folder / "cores.csv"
    points.write_text("raw,reference\n")
    sha256 = hashlib.sha256(points.read_bytes()).hexdigest()
    evidence = f'evidence = {{ "cores.csv" = "{sha256}" }}\n'
    call(station, "apply", str(written(station, "first", SURE)), "--who", "K. Berg")
    second = written(station, "second", f'{SURE}supersedes = "first"\n{evidence}', "second.toml")
    call(station, "apply", str(second), "--who", "M. Moser")
    (station.folder / "cool.toml").write_text(COOL)
    call(station, "apply", str(station.folder / "cool.toml"))
    (station.folder / "wrong.toml").write_text(LINE.format(id="wrong", more=""))
    call(station, "apply", str(station.folder / "wrong.toml"))
    call(station, "cal", "revoke", "wrong", "--why", "cores of another plot")
    return station


def by_id(rows: list[dict]) -> dict[str, dict]:
    return {row["id"]: row for row in rows}


def test_what_is_in_force_is_listed_with_who_and_since_when(plot):
    rows = by_id(call_json(plot, "cal", "list"))
    assert set(rows) == {PIN, "second", "bath", "ice"}
    second = rows["second"]
    assert (second["kind"], second["subject"], second["step"]) == ("calibration", "p-vwc", 1)
    assert (second["curve"], second["from"], second["to"]) == ("linear", minute(20), None)
    assert (second["who"], second["state"]) == ("M. Moser", "in force")
    assert rows["bath"]["subject"] == "T12-1 soil_temperature"
    assert rows["ice"]["curve"] == "as left +0.2 degC, u 0.02"
    assert rows[PIN]["subject"] == "meter.teros12 water_content_counts mineral"
    assert rows[PIN]["sheet"] == ""


def test_all_adds_what_was_put_right_and_what_was_taken_back(plot):
    rows = by_id(call_json(plot, "cal", "list", "--all"))
    assert rows["first"]["state"] == "superseded by second"
    assert rows["wrong"]["state"] == "revoked: cores of another plot"
    assert rows["wrong"]["by"] == "revocation-of-wrong"


def test_a_channel_has_its_own_its_sensors_and_its_makers_curve(plot):
    assert set(by_id(call_json(plot, "cal", "list", "--channel", "p-vwc"))) == {PIN, "second"}
    assert set(by_id(call_json(plot, "cal", "list", "--channel", "p-temp"))) == {"bath", "ice"}
    err = call(plot, "cal", "list", "--channel", "p-tmp", codes=(1,))[1]
    assert "did you mean p-temp" in err


def test_what_was_known_before_stays_answerable(plot):
    then = ("--as-known-at", "2026-01-01")
    assert call_json(plot, "cal", "list", *then) == []
    assert call_json(plot, "cal", "list", "--channel", "p-vwc", *then) == []
    since = by_id(call_json(plot, "cal", "list", "--all"))["wrong"]["known_since"]
    rows = by_id(call_json(plot, "cal", "list", "--all", "--as-known-at", since))
    assert rows["first"]["state"].startswith(("superseded", "in force"))
    assert "expected a time" in call(plot, "cal", "list", "--as-known-at", "x", codes=(2,))[1]


def test_a_series_of_another_journal_tells_nothing_of_this_one(tmp_path):
    plot = station_in(tmp_path)
    call(plot, "apply", str(written(plot, "soil")))
    rows = call_json(plot, "cal", "list")
    series = Series(plot.storage / "series.sqlite")
    table = orjson.loads(series.checkpoint(CHECKPOINT) or "")
    for wrong in ({"crc": 0}, {"position": 2**40}):
        series.flush({CHECKPOINT: orjson.dumps(table | wrong | {"meanings": []}).decode()})
        assert call_json(plot, "cal", "list") == rows
    series.close()


def test_a_pipe_gets_tabs_and_a_terminal_columns(plot, monkeypatch, capsys):
    out, _ = call(plot, "cal", "list", "--channel", "p-vwc")
    header, pin, second = (line.split("\t") for line in out.splitlines())
    assert header[:3] == ["id", "kind", "subject"]
    assert dict(zip(header, second, strict=True))["to"] == ""
    monkeypatch.setattr(cal_table.sys.stdout, "isatty", lambda: True, raising=False)
    cal_table.show_rows(("a", "b"), [("one\ttwo", 1.0), (None, 2)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["a        b", "one two  1", "         2"]


def test_all_of_one_calibration_is_shown(plot):
    found = call_json(plot, "cal", "show", "second")
    assert (found["who"], found["supersedes"], found["superseded_by"]) == ("M. Moser", "first", [])
    assert found["text"] == (plot.folder / "second.toml").read_text()
    assert found["sha256"] == hashlib.sha256(found["text"].encode()).hexdigest()
    c0, c1 = found["curve"]["parameters"]
    assert (c0["value"], c0["u"], c1["u"]) == pytest.approx((0.01, 0.02, 0.03))
    assert found["curve"]["correlation"][0][1] == pytest.approx(-0.5)
    assert found["curve"]["domain"] == [0.05, 0.45]
    assert found["in_force_at"] == [{"channel": "p-vwc", "from": minute(20), "to": None}]
    (paper,) = found["evidence"]
    assert paper["file"] == f"as it was ({plot.folder / 'cores.csv'})"
    assert paper["journal"] is True
    text, _ = call(plot, "cal", "show", "second")
    for words in (
        "calibration second: p-vwc, step 1",
        f"in force      p-vwc from {minute(20)} on",
        "curve         linear: A straight line with the two numbers of a certificate",
        "reference     definition",
        "parameters    c0 = 0.01   u 0.02",
        "              c1 = 1.1   u 0.03",
        "correlation   c1, c0: -0.500",
        "domain        0.05 to 0.45 m3/m3",
        "by            K. Berg",
        "certificate   KB 12",
        "evidence      cores.csv: as it was",
        "supersedes    first",
        "    [[calibration]]",
    ):
        assert words in text


def test_evidence_that_was_changed_or_is_gone_is_shown(plot):
    points = plot.folder / "cores.csv"
    text = points.read_text()
    points.write_text(text + "1,2\n")
    assert "another one lies there now" in call(plot, "cal", "show", "second")[0]
    points.unlink()
    out, _ = call(plot, "cal", "show", "second")
    assert "not there" in out
    assert "the journal has it" in out
    points.write_text(text)


def test_one_that_is_not_in_force_is_for_no_channel(plot):
    text, _ = call(plot, "cal", "show", "first")
    assert "state         superseded by second" in text
    assert "in force      for no channel" in text
    assert "superseded by second" in text


def test_a_check_and_a_makers_curve_are_shown_for_what_they_are(plot):
    text, _ = call(plot, "cal", "show", "ice")
    assert "as left       reading 0.2, reference 0 (u 0.02) degC: +0.2" in text
    assert f"in force      p-temp from {minute(30)} on" in text
    text, _ = call(plot, "cal", "show", PIN)
    assert f"maker's curve {PIN}" in text
    assert f"in force      p-vwc from {minute(20)} on" in text
    assert "model sheet" not in text.replace("model sheets of edaphon", "")
    assert "is a deployment" in call(plot, "cal", "show", "d-p-vwc", codes=(1,))[1]
    assert "did you mean second" in call(plot, "cal", "show", "secund", codes=(1,))[1]


def test_a_makers_curve_that_its_sheet_now_says_otherwise_is_marked_with_what_to_do(tmp_path):
    plot = station_in(tmp_path)
    old = call_json(plot, "cal", "show", PIN)
    pinned = old["fact"] | {"id": "as-it-was", "supersedes": PIN}
    pinned["parameters"] = {"c0": -0.7, "c1": 3.9e-4}
    payload = {"fact": pinned, "text": "", "sha256": "", "file": "sheets", "who": "M. Moser"}
    with Journal(plot.storage / "journal", SystemClock()) as journal:
        keeper = Timekeeper(SystemClock(), boot_id())
        data = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
        journal.append_now(keeper.entry(Kind.CALIBRATION, "", data))
    out, err = call(plot, "cal", "list")
    assert "in force; its sheet says otherwise" in out
    assert "apply the row that `edaphon cal show as-it-was` prints" in err
    row = call_json(plot, "cal", "show", "as-it-was")["sheet"]["row"]
    assert "model sheet   the model sheet of edaphon" in call(plot, "cal", "show", "as-it-was")[0]
    file = plot.folder / "sheet.toml"
    file.write_text(row)
    call(plot, "cal", "apply", str(file))
    assert "otherwise" not in "".join(call(plot, "cal", "list"))
