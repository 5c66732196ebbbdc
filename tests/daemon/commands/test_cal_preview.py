"""What a calibration would change is shown before it is in force, and is what then happens."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import orjson
import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_explain import TABLES, entry, minute, probe
from tests.stories.station import Station, teros12_facts

from edaphon.clock import SystemClock
from edaphon.journal import Entry, Journal, Kind
from edaphon.series import Series
from edaphon.service.check import open_storage
from edaphon.storage import access
from edaphon.storage.access import settled_deriver
from edaphon.toml_input.values import instant_ns

NOON_NS = instant_ns("2026-04-01T12:00:00Z")
COUNTS = (2550.5, 2551.5, 2550.0, 2549.0, 2550.0, 2552.0)
FACTS = [
    '[[sensor]]\nid = "T12-1"\nmodel = "meter.teros12"\n',
    teros12_facts("sdi12/a", "p").replace(
        'source = "sdi12/a"', 'source = "sdi12/a"\nsensor = "T12-1"'
    ),
]
LINE = (
    '[[calibration]]\nid = "{id}"\nchannel = "p-vwc"\ncurve = "linear"\n'
    "parameters = {{ c0 = 0.01, c1 = 1.1 }}\n"
    'from_unit = "m3/m3"\nto_unit = "m3/m3"\n{more}'
)


def telling(station: Station) -> Entry:
    """The configuration as a daemon tells it to the journal."""
    text = station.file.read_text()
    payload = orjson.dumps({"file": "edaphon.toml", "sha256": "", "text": text})
    return entry(Kind.CONFIGURATION, -6, "", payload)


def records() -> list[Entry]:
    """Six slots of a probe, ten minutes apart."""
    clock = entry(Kind.CLOCK, -5, "", orjson.dumps({"offset_ns": NOON_NS}))
    return [clock, *(probe(10 * n, counts, 15.0 + n) for n, counts in enumerate(COUNTS))]


def station_in(folder: Path) -> Station:
    """An hour of a plot, journalled, derived, and the service off."""
    station = Station(folder, TABLES, FACTS)
    with Journal(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(telling(station))
    call(station, "apply", "--who", "M. Moser")
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for each in records():
            journal.append_now(each)
    with settled_deriver(open_storage(station.file)):
        pass
    return station


def values(station: Station, channel: str) -> list[float]:
    series = Series(station.storage / "series.sqlite", read_only=True)
    runs = series.read(channel, -(2**62), 2**62)
    series.close()
    return [x for run in runs for x in run.value.tolist()]


def written(station: Station, id: str, more: str = "", name: str = "new.toml") -> Path:
    path = station.folder / name
    path.write_text(LINE.format(id=id, more=more))
    return path


@pytest.fixture
def plot(tmp_path) -> Station:
    return station_in(tmp_path)


def test_a_line_for_all_time_changes_every_value_as_computed_here(plot):
    file = written(plot, "soil")
    before = np.array(values(plot, "p-vwc"))
    assert before == pytest.approx(3.879e-4 * np.array(COUNTS) - 0.6956)
    by = (0.01 + 1.1 * before) - before
    found = call_json(plot, "cal", "preview", str(file))
    assert found["new"] == [{"kind": "calibration", "id": "soil", "file": str(file), "line": 1}]
    (one,) = found["channels"]
    assert (one["channel"], one["unit"]) == ("p-vwc", "m3/m3")
    assert (one["rows"], one["changed"], one["moved"]) == (6, 6, 6)
    assert (one["first"], one["last"]) == (minute(0), minute(50))
    assert one["mean_change"] == pytest.approx(by.mean())
    assert one["largest_change"] == pytest.approx(by.max())
    assert one["largest_at"] == minute(50)
    assert (one["lost"], one["gained"], one["same_value"]) == (0, 0, 0)
    assert values(plot, "p-vwc") == before.tolist(), "nothing is in force by it"
    assert [p for p in plot.storage.iterdir() if p.name.startswith("preview-")] == []


def test_a_begin_of_validity_costs_the_values_before_it_and_it_is_shown_how_to_keep_them(plot):
    file = written(plot, "soil", "from = 2026-04-01T12:20:00Z\n")
    (one,) = call_json(plot, "cal", "preview", str(file))["channels"]
    assert (one["moved"], one["lost"]) == (4, 2)
    assert one["flags"] == [{"before": 1, "after": 9, "n": 2}]
    (lost,) = one["lost_because"]
    assert (lost["first"], lost["last"]) == (minute(0), minute(20))
    out, err = call(plot, "cal", "preview", str(file))
    assert (
        f"p-vwc: 2 values from {minute(0)} to {minute(20)} lose their number:"
        " no calibration of step 1 of p-vwc covers them;"
        " leave out `from` of soil if it holds for all time"
    ) in err
    header, row = (line.split("\t") for line in out.splitlines())
    assert dict(zip(header, row, strict=True))["lost"] == "2"


def test_an_end_of_validity_is_named_where_it_is_the_reason(plot):
    file = written(plot, "soil", "to = 2026-04-01T12:20:00Z\n")
    assert "leave out `to` of soil" in call(plot, "cal", "preview", str(file))[1]


def test_what_keeps_its_value_is_shown_apart(plot):
    call(plot, "cal", "apply", str(written(plot, "first")))
    text = LINE.format(id="second", more="covariance = [[1e-4, 0.0], [0.0, 1e-4]]\n")
    file = plot.folder / "second.toml"
    file.write_text(text)
    (one,) = call_json(plot, "cal", "preview", str(file))["channels"]
    assert (one["changed"], one["moved"], one["same_value"]) == (6, 0, 6)
    assert one["mean_change"] is None
    out, _ = call(plot, "apply", str(file), "--dry-run")
    assert "6 keep their value and get another uncertainty" in out
    assert "nothing is in force by this" in out


def test_a_deployment_of_the_past_is_read_from_the_journal(plot):
    file = plot.folder / "other.toml"
    file.write_text(
        '[[channel]]\nid = "p-ec"\nplot = "p"\nquantity = "bulk_electrical_conductivity"\n'
        'unit = "dS/m"\ndepth_cm = 5\n'
        '[[deployment]]\nid = "d-ec"\nchannel = "p-ec"\nsource = "sdi12/a"\n'
        'output = "bulk_electrical_conductivity"\n'
    )
    (one,) = call_json(plot, "cal", "preview", str(file))["channels"]
    assert (one["channel"], one["rows"], one["gained"], one["lost"]) == ("p-ec", 6, 6, 0)
    assert one["flags"] == [{"before": 0, "after": 1, "n": 6}]
    out, _ = call(plot, "apply", str(file))
    assert "6 rows gain a value" in out
    assert "6 from no row to 1 passed" in out


def test_what_is_new_in_the_inbox_is_the_default_and_files_stand_for_themselves(plot):
    inbox = plot.inbox / "inbox.toml"
    inbox.write_text(LINE.format(id="of-the-inbox", more=""))
    assert call_json(plot, "cal", "preview")["new"][0]["id"] == "of-the-inbox"
    alone = call_json(plot, "cal", "preview", str(written(plot, "alone")))
    assert [row["id"] for row in alone["new"]] == ["alone"]
    inbox.write_text('[[calibration]]\nid = "of-the-inbox"\n')
    assert "inbox.toml:1" in call(plot, "cal", "preview", codes=(3,))[1]
    rests = plot.folder / "mark.toml"
    rests.write_text(
        '[[mark]]\nid = "m"\nchannels = ["p-new"]\ncause = "dug"\nflag = 3\nwho = "K. Berg"\n'
    )
    inbox.write_text('[[channel]]\nid = "p-new"\nquantity = "soil_temperature"\nunit = "degC"\n')
    stated = call(plot, "cal", "preview", str(rests), codes=(3,))[1]
    assert '"p-new" is no channel' in stated, "the inbox is not applied with it"


def test_nothing_new_changes_nothing(plot):
    assert call_json(plot, "cal", "preview")["channels"] == []
    assert call(plot, "cal", "apply")[0] == "nothing new\n"


def test_values_that_are_not_derived_yet_are_shown(plot, monkeypatch):
    # as while a daemon derives; with none the command derives the rest first
    monkeypatch.setattr(access, "derive_the_rest", lambda _: None)
    call(plot, "apply", str(written(plot, "first")))
    second = written(plot, "second", 'supersedes = "first"\n', "second.toml")
    err = call(plot, "cal", "preview", str(second))[1]
    assert "p-vwc: not all values are derived by what is known already" in err


def test_before_there_is_any_value_the_times_are_shown(tmp_path):
    station = Station(tmp_path, TABLES, FACTS)
    out, err = call(station, "cal", "preview")
    assert out.startswith("channel\tunit\tfirst")
    assert "p-vwc: recalculated from the beginning" in err


def lines_of(picture: Path, name: str) -> list[str]:
    tree = ET.fromstring(picture.read_text("utf-8"))  # noqa: S314
    (group,) = [g for g in tree.iter() if g.get("class") == name]
    return [p.get("points", "") for p in group if p.tag.endswith("polyline")]


def test_the_picture_has_the_line_before_the_line_after_and_the_difference(plot, tmp_path):
    picture = tmp_path / "p.svg"
    file = written(plot, "soil", "from = 2026-04-01T12:20:00Z\n")
    found = call_json(plot, "cal", "preview", str(file), "--plot", str(picture))
    assert found["written"] == [str(picture)]
    counts = {
        name: sum(len(p.split()) for p in lines_of(picture, name))
        for name in ("before", "after", "change")
    }
    assert counts == {"before": 6, "after": 4, "change": 4}
    heights = [float(p.split(",")[1]) for p in " ".join(lines_of(picture, "after")).split()]
    below = [float(p.split(",")[1]) for p in " ".join(lines_of(picture, "before")).split()]
    assert max(heights) < min(below), "the line after stands above that before"
    folder = tmp_path / "pictures"
    folder.mkdir()
    call(plot, "cal", "preview", str(file), "--plot", str(folder))
    assert [path.name for path in folder.iterdir()] == ["p-vwc.svg"]
    both = plot.folder / "both.toml"
    temp = LINE.replace("p-vwc", "p-temp").replace("m3/m3", "degC")
    both.write_text(LINE.format(id="a", more="") + temp.format(id="b", more=""))
    words = call(plot, "cal", "preview", str(both), "--plot", str(picture), codes=(2,))[1]
    assert "expected a folder for the pictures of 2 channels" in words
