"""What a calibration would change is told before it is in force, and is what then happens."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import orjson
import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_explain import TABLES, entry, minute, probe
from tests.stories.station import Station, teros12_facts

from edaphon.clock import SystemClock
from edaphon.commands.offline import settled_deriver
from edaphon.commands.storage import open_storage
from edaphon.journal import Entry, Journal, Kind
from edaphon.series import Series
from edaphon.written.values import instant_ns

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
    with Journal.open(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(telling(station))
    call(station, "apply", "--who", "M. Moser")
    with Journal.open(station.storage / "journal", SystemClock()) as journal:
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
