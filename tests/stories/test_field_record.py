"""A season of a real plot, played again from the wire to the database: every row once, exact."""

import csv
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.instants import Instants
from tests.programs import Influx1, VictoriaMetrics, wait_until
from tests.stories.influx import Database, Point, sink_table
from tests.stories.played import IdleWatch, PlayedClock
from tests.stories.station import Station, teros12_facts

from edaphon.journal import Kind, read_only
from edaphon.service.process import running
from edaphon.service.service import Service
from edaphon.service.sources import Overrides
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Timing

DATA = Path(__file__).parent / "data"
ARIZONA = timezone(timedelta(hours=-7))
COUNT = 3.879e-4  # one count of the probe [m3/m3]
TWO_HOURS_NS = 7_200_000_000_000
DAY_NS = 86_400_000_000_000
MISSING = "-9999"


class Row(NamedTuple):
    """One row of the record; "" for a number that it lacks."""

    moisture: str
    temperature: str


def read_table(name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(UTC ns, row): the record's times carry no zone and are those of Arizona."""
    with (DATA / name).open(newline="", encoding="ascii") as lines:
        for row in csv.DictReader(lines):
            local = datetime.fromisoformat(row.get("CSR_TIMESTAMP_BEGIN") or row["time"])
            yield int(local.replace(tzinfo=ARIZONA).timestamp()) * 10**9, row


RECORD = {
    t: Row(r["CSR_SM5"], r["CSR_T5"]) for t, r in read_table("cosore_d20190617_SCOTT_WHS.csv")
}
SAID = {t: (r["counts"], r["temperature"], "+12") for t, r in read_table("counts.csv")}
HOLES = [(a, b) for a, b in pairwise(RECORD) if b - a > DAY_NS]
SILENT = [list(range(a + TWO_HOURS_NS, b, TWO_HOURS_NS)) for a, b in HOLES]
SLOTS = sorted([*RECORD, *(t for run in SILENT for t in run)])


@contextmanager
def played(folder: Path, sink: str) -> Iterator[tuple[Station, Service]]:
    """The station at work on the record, with all of it recorded and delivered."""
    watch = IdleWatch(quiet_s=0.001)
    clock = PlayedClock(SLOTS, SLOTS[0] - 60 * 10**9, watch)
    probe = Probe(
        "a",
        "14METER   TER12 312T12-00041873",
        values=lambda: SAID.get(clock.wall_ns(), ()),
        fault=lambda _: None if clock.wall_ns() in SAID else "silent",
    )
    line = SimulatedBus([probe], second_s=0.003)
    station = Station(
        folder,
        [
            f'[bus.sdi12]\nkind = "sdi12"\nport = "{line.start()}"\n',
            '[[source]]\nbus = "sdi12"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "2h"\n',
            sink,
        ],
        [teros12_facts("sdi12/a", "whs")],
    )
    overrides = Overrides(
        clock=clock,
        schedules={"sdi12/a": Instants(SLOTS)},
        timing=Timing(answer_s=0.15, gap_s=0.002, late_s=0.05, second_s=0.003),
        make_bus=watch.make_bus,
    )
    try:
        with running(station.file, overrides) as service:
            rows = 2 * len(RECORD)
            wait_until(lambda: service.series.count() == rows, "the last row", within_s=120)
            wait_until(lambda: not service.sinks["db"].feed.waiting(), "all delivered")
            yield station, service
    finally:
        line.stop()


@pytest.mark.timeout(150)
def test_a_season_of_a_plot_arrives_in_influxdb_exactly_once(tmp_path: Path) -> None:
    with Influx1(tmp_path) as server:
        database = Database(server, "season")
        sink = sink_table(server.url, "season", name="db")
        with played(tmp_path / "station", sink) as (station, service):
            assert service.problem == {}
        moisture = database.points("volumetric_water_content", "whs-vwc")
        temperature = database.points("soil_temperature", "whs-temp")
        assert list(moisture) == list(temperature) == list(RECORD)
        for time_ns, row in RECORD.items():
            assert_within(moisture[time_ns], row.moisture, COUNT)
            assert_within(temperature[time_ns], row.temperature, 0.05)
            assert moisture[time_ns]["raw"] == stated(SAID[time_ns][0])
            assert temperature[time_ns]["raw"] == stated(SAID[time_ns][1])
        assert database.count() == 2 * len(RECORD)
        assert_each_hole_is_one_gap(station)
        found = station.json("verify", "--deep")
        assert found["slots"]["sdi12/a"]["records"] == len(RECORD)
        assert found["slots"]["sdi12/a"]["in_gaps"] == sum(map(len, SILENT))
        assert found["sinks"]["db"]["read_back"] == 2 * len(RECORD)


def stated(text: str) -> float | None:
    return None if text == MISSING else float(text)


def assert_within(point: Point, written: str, tolerance: float) -> None:
    """The number of the record, or flag 9 and no number where it has none."""
    if written:
        assert point["value"] == pytest.approx(float(written), rel=0, abs=tolerance + 1e-9)
        assert point["flag"] in {1, 3, 4}
        assert point["derivation"]
    else:
        assert point["flag"] == 9
        assert point["value"] is point["raw"] is None


def assert_each_hole_is_one_gap(station: Station) -> None:
    entries = read_only(station.storage / "journal").scan(kinds={Kind.GAP})
    gaps = [json.loads(entry.payload) for _, entry in entries]
    closed = [gap for gap in gaps if gap["state"] == "closed"]
    assert [(g["first_ns"], g["last_ns"], g["n"], g["cause"]) for g in closed] == [
        (run[0], run[-1], len(run), "no answer") for run in SILENT
    ]
    assert len(gaps) == 2 * len(closed), "each gap is opened once and closed once"
    assert max(run[-1] - run[0] for run in SILENT) > 11.9 * DAY_NS


@pytest.mark.timeout(150)
def test_a_season_of_a_plot_arrives_in_victoria_metrics_exactly_once(tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path) as server:
        sink = sink_table(server.url, "season", version=3, name="db")
        with played(tmp_path / "station", sink) as (station, service):
            assert service.problem == {}
        found = station.json("verify", codes=(1,))  # what can't be read back isn't proved
        assert found["entries"]["closes"]
        assert found["observations"]["closes"]
        assert "does not answer InfluxQL" in found["sinks"]["db"]["differs"][0]
        urllib.request.urlopen(f"{server.url}/internal/force_flush").close()  # noqa: S310
        rows = 2 * len(RECORD)
        wait_until(lambda: sum(map(len, exported(server, "flag").values())) >= rows, "the points")
        flags = exported(server, "flag")
        assert len(flags) == 2
        for (metric, channel), points in flags.items():
            assert (metric, channel) in {
                ("volumetric_water_content_flag", "whs-vwc"),
                ("soil_temperature_flag", "whs-temp"),
            }
            assert list(points) == list(RECORD), metric
        values = exported(server, "value")
        moisture = values["volumetric_water_content_value", "whs-vwc"]
        temperature = values["soil_temperature_value", "whs-temp"]
        assert list(moisture) == [t for t, row in RECORD.items() if row.moisture]
        assert list(temperature) == [t for t, row in RECORD.items() if row.temperature]
        for time_ns, number in moisture.items():
            assert number == pytest.approx(float(RECORD[time_ns].moisture), rel=0, abs=COUNT)
        for time_ns, number in temperature.items():
            written = float(RECORD[time_ns].temperature)
            assert number == pytest.approx(written, rel=0, abs=0.05 + 1e-9)


def exported(server: VictoriaMetrics, field: str) -> Mapping[tuple[str, str], dict[int, float]]:
    """By metric and channel, the numbers by time; a time that stands twice fails."""
    query = urllib.parse.urlencode({"match[]": f'{{__name__=~".*_{field}"}}'})
    found: dict[tuple[str, str], dict[int, float]] = {}
    with urllib.request.urlopen(f"{server.url}/api/v1/export?{query}") as answer:  # noqa: S310
        for line in answer:
            series = json.loads(line)
            times = [t * 10**6 for t in series["timestamps"]]
            assert len(set(times)) == len(times)
            name = (series["metric"]["__name__"], series["metric"]["channel"])
            assert name not in found
            found[name] = dict(sorted(zip(times, series["values"], strict=True)))
    return found
