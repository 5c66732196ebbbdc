"""A corrected file from the folder to series, InfluxDB, explain and rebuild, and back again."""

import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.daemon.commands.test_files import HEAD, MODEL, SOURCE
from tests.fake_influx import FakeInflux
from tests.stories.station import Station

from edaphon.service.process import running

FACTS = """[[plot]]
id = "P"
[[channel]]
id = "x"
plot = "P"
quantity = "soil_temperature"
unit = "degC"
depth_cm = 5
[[deployment]]
id = "d"
channel = "x"
source = "file/log"
output = "t"
"""
SINK = """[[sink]]
name = "influx"
kind = "influxdb"
url = "{url}"
version = 2
bucket = "plots"
org = "o"
"""


@pytest.fixture
def station(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with FakeInflux(2) as influx:
        tables = [MODEL, SOURCE.replace("FOLDER", str(data)), SINK.format(url=influx.url)]
        station = Station(tmp_path, tables, [FACTS])
        with running(station.file) as service:
            station.service, station.influx, station.data = service, influx, data
            yield station


def row(minute, value):
    return f"2026-04-01 12:{minute:02d},{value}\n"


def write(station, text, in_place=False):
    path = station.data / "a.csv"
    with path.open("r+" if in_place else "w") as file:
        file.write(text)


def standing(station):
    """(value, flag) by minute in the series."""
    runs = station.service.series.read("x", 0, 2**62)
    return {
        int(t // 60_000_000_000) % 60: (float(v), int(f))
        for run in runs
        for t, v, f in zip(run.time_ns.tolist(), run.value.tolist(), run.flag, strict=True)
    }


def in_influx(station):
    return {
        time_ns // 60_000_000_000 % 60: (fields["value"], int(fields["flag"]))
        for (_, _, time_ns), fields in station.influx.points.items()
        if "value" in fields
    }


def expect(station, wanted):
    """The series holds that, and InfluxDB the same in the end."""
    until(lambda: {m: v for m, (v, _) in standing(station).items()} == wanted)
    until(lambda: in_influx(station) == standing(station))
    assert {m for m, (_, flag) in standing(station).items() if flag == 4} == set(
        station.replaced_alone
    )


def contested(station):
    ledgers = call_json(station, "status", codes=(0, 1))["ledgers"]
    return {name: ledgers[name] for name in ("current", "conflicts", "repeats", "replaced")}


def test_a_replacement_reaches_series_influx_explain_and_rebuild_and_can_be_taken_back(station):
    station.replaced_alone = ()
    write(station, HEAD + row(0, 5.0) + row(10, 5.1) + row(20, 5.2))
    expect(station, {0: 5.0, 10: 5.1, 20: 5.2})
    corrected = HEAD + row(0, 5.0) + row(10, 5.15) + row(25, 5.2)
    write(station, corrected)
    expect(station, {0: 5.0, 10: 5.1, 20: 5.2, 25: 5.2})
    assert contested(station) == {"current": 4, "conflicts": 1, "repeats": 1, "replaced": 0}

    out, _ = call(station, "files", "replace", "file/log", "a.csv", "--why", "clock was wrong")
    assert "copy 1 (1 pieces, 4 lines) is replaced by copy 2" in out
    station.replaced_alone = (20,)  # the corrected file does not have it
    expect(station, {0: 5.0, 10: 5.15, 20: 5.2, 25: 5.2})
    assert contested(station) == {"current": 4, "conflicts": 0, "repeats": 1, "replaced": 1}
    way = call_json(station, "explain", "x", "2026-04-01T12:10:00Z")
    assert (way["agrees"], way["value"], way["reasons"]) == (True, 5.15, [])
    way = call_json(station, "explain", "x", "2026-04-01T12:20:00Z")
    assert (way["agrees"], way["flag"]) == (True, 4)
    assert [r["why"] for r in way["reasons"]] == [
        f"a later copy of {station.data}/a.csv replaces the one that has it, and lacks it"
    ]
    assert call_json(station, "rebuild")["differing"] == 0
    expect(station, {0: 5.0, 10: 5.15, 20: 5.2, 25: 5.2})

    name = "replacement-a.csv-copy-2"
    back = station.folder / "back.toml"
    back.write_text(f'[[revocation]]\nid = "back"\nof = "{name}"\nwhy = "wrong file"\n')
    call(station, "apply", str(back))
    station.replaced_alone = ()
    expect(station, {0: 5.0, 10: 5.1, 20: 5.2, 25: 5.2})
    assert contested(station) == {"current": 4, "conflicts": 1, "repeats": 1, "replaced": 0}
    assert call_json(station, "rebuild")["differing"] == 0


def test_an_edit_at_equal_length_is_noticed_counted_and_made_to_stand(station):
    station.replaced_alone = ()
    text = HEAD + row(0, 5.0) + row(10, 5.1) + row(20, 5.2)
    write(station, text)
    expect(station, {0: 5.0, 10: 5.1, 20: 5.2})
    write(station, text.replace(",5.1\n", ",5.3\n"), in_place=True)
    until(lambda: contested(station)["conflicts"] == 1)
    expect(station, {0: 5.0, 10: 5.1, 20: 5.2})
    assert contested(station) == {"current": 3, "conflicts": 1, "repeats": 2, "replaced": 0}
    call(station, "files", "replace", "file/log", "a.csv")
    expect(station, {0: 5.0, 10: 5.3, 20: 5.2})
    assert contested(station) == {"current": 3, "conflicts": 0, "repeats": 2, "replaced": 1}
