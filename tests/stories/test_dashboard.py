"""What others draw and watch: the Grafana dashboard against a real InfluxDB, /metrics of a plot."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.daemon.web.served import served
from tests.daemon.web.test_metrics import of, samples
from tests.daemon.web.test_routes import ask as get
from tests.documents import ROOT
from tests.instants import Instants
from tests.programs import Influx1, wait_until
from tests.stories.influx import Database, sink_table
from tests.stories.played import IdleWatch, PlayedClock
from tests.stories.station import Station, teros12_facts

from edaphon.service import alerting
from edaphon.service.process import running
from edaphon.service.sources import Overrides
from edaphon.storage.client import ask
from edaphon.web import ControlView
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Timing

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "edaphon.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES: list[dict[str, Any]] = DASHBOARD["templating"]["list"]
TARGETS = [
    pytest.param(panel, target, id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel.get("targets", [])
]
# Grafana: packages/grafana-data/src/valueFormats/categories.ts
UNITS = {"none", "short", "s", "bytes", "percent", "percentunit", "celsius", "dateTimeFromNow"}
KINDS = {"row", "stat", "table", "timeseries", "state-timeline"}
HOUR_NS = 3600 * 10**9
EVERY_NS = 1200 * 10**9
DAY_NS = 86400 * 10**9
SLOTS = [(time.time_ns() // EVERY_NS - n) * EVERY_NS for n in range(48, 0, -1)]
SILENT, MISSING, FAILED, SUSPECT = SLOTS[8:17], SLOTS[22:26], SLOTS[30:34], SLOTS[38:40]
CHECKS = "checks = { range = { fail = [-20.0, 40.0], suspect = [-10.0, 30.0] } }\n"


class Filled(NamedTuple):
    """A database that the service has filled, and what it showed at /metrics."""

    database: Database
    metrics: str
    silent: str


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("dashboard")
    watch = IdleWatch(quiet_s=0.001)
    clock = PlayedClock(SLOTS, SLOTS[0] - 60 * 10**9, watch)

    def stated() -> tuple[str, ...]:
        now = clock.wall_ns()
        if now in MISSING:
            return ("-9999", "-9999", "-9999")
        warm = "+55.0" if now in FAILED else "+35.0" if now in SUSPECT else "+11.5"
        return ("+2000", warm, "+12")

    probes = [
        Probe(
            address,
            f"14METER   TER12 312T12-0004187{address}",
            values=stated,
            fault=lambda _: "silent" if clock.wall_ns() in SILENT else None,
        )
        for address in "ab"
    ]
    line = SimulatedBus(probes, second_s=0.003)
    with Influx1(folder) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerting, "HEALTH_AFTER_S", 0.0)
        database = Database(server, "soil")
        source = (
            '[[source]]\nbus = "sdi12"\naddress = "{}"\nmodel = "meter.teros12"\n'
            'interval = "20min"\n'
        )
        station = Station(
            folder / "station",
            [
                f'[bus.sdi12]\nkind = "sdi12"\nport = "{line.start()}"\n',
                *map(source.format, "ab"),
                sink_table(server.url, "soil", name="db"),
                '[alerts]\nheartbeat_every = "1s"\n',
            ],
            [
                teros12_facts("sdi12/a", "P1.x", CHECKS),
                teros12_facts("sdi12/b", "b").replace('plot = "b"\n', ""),
            ],
        )
        overrides = Overrides(
            clock=clock,
            schedules={"sdi12/a": Instants(SLOTS), "sdi12/b": Instants(SLOTS)},
            timing=Timing(answer_s=0.15, gap_s=0.002, late_s=0.05, second_s=0.003),
            make_bus=watch.make_bus,
            look_every_s=0.3,
        )
        try:
            with running(station.file, overrides) as service:
                rows = 4 * (len(SLOTS) - len(SILENT))
                wait_until(lambda: service.series.count() == rows, "the last row", within_s=60)
                wait_until(lambda: not service.sinks["db"].feed.waiting(), "all delivered")
                ages = 'SELECT last("age_s") FROM "edaphon_health" GROUP BY "source"'
                wait_until(lambda: len(database.ask(ages)) == 2, "the rows of health")
                socket = service.layout.control
                with served(ControlView(lambda q: ask(socket, q))) as port:
                    metrics = get(port, path="/metrics")[2].decode()
            with served(ControlView(lambda q: ask(socket, q))) as port:
                silent = get(port, path="/metrics")[2].decode()
            yield Filled(database, metrics, silent)
        finally:
            line.stop()


def chosen(name: str, database: Database, among: dict[str, str]) -> list[str]:
    """What Grafana offers for a variable: the answer's last column, kept by its pattern."""
    (variable,) = [one for one in VARIABLES if one["name"] == name]
    series = database.ask(interpolated(variable["query"], among))
    found = sorted({row[-1] for one in series for row in one["values"]})
    pattern = variable["regex"].strip("/")
    return [text for text in found if re.search(pattern, text)]


def variables(database: Database) -> dict[str, str]:
    """Every variable as text of a query, as Grafana writes it with All, or with the first one."""
    among: dict[str, str] = {}
    for variable in VARIABLES:
        if variable["type"] != "query":
            continue
        values = [re.escape(v) for v in chosen(variable["name"], database, among)]
        assert values, f"${variable['name']} has no value"
        every = variable.get("allValue") or f"({'|'.join(values)})"
        among[variable["name"]] = every if variable["includeAll"] else values[0]
    return among


def interpolated(query: str, among: dict[str, str]) -> str:
    """As Grafana's InfluxQL: $timeFilter, $__interval and variables, the longest name first."""
    texts = {
        "timeFilter": f"time >= {SLOTS[0] - DAY_NS} AND time <= {SLOTS[-1] + DAY_NS}",
        "__interval": "1h",
        **among,
    }
    for name in sorted(texts, key=len, reverse=True):
        query = query.replace(f"${name}", texts[name])
    assert "$" not in query.replace("$/", ""), query
    return query


def rows(query: str, filled: Filled, **more: str) -> list[dict[str, Any]]:
    """All rows of the answer, with their tags."""
    series = filled.database.ask(interpolated(query, {**variables(filled.database), **more}))
    return [
        {**one.get("tags", {}), **dict(zip(one["columns"], row, strict=True))}
        for one in series
        for row in one["values"]
    ]


def query_of(title: str, ref: str = "A") -> str:
    (found,) = [
        t["query"]
        for panel in PANELS
        for t in panel.get("targets", [])
        if panel["title"] == title and t["refId"] == ref
    ]
    return str(found)


def test_each_variable_offers_what_is_stored_and_quantities_are_no_health(filled: Filled) -> None:
    database, among = filled.database, variables(filled.database)
    assert chosen("quantity", database, among) == ["soil_temperature", "volumetric_water_content"]
    assert chosen("site", database, among) == ["story"]
    assert chosen("plot", database, among) == ["P1.x"]
    assert chosen("depth_cm", database, among) == ["5"]
    assert "P1.x-temp" in chosen("channel", database, among)


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_each_query_gives_rows(
    panel: dict[str, Any], target: dict[str, Any], filled: Filled
) -> None:
    channel = re.escape("P1.x-temp")
    found = rows(target["query"], filled, channel=channel)
    numbers = [v for row in found for v in row.values() if isinstance(v, int | float)]
    assert found
    assert len(numbers) > len(found), "times alone are no answer"


def test_channels_without_a_plot_are_drawn_too(filled: Filled) -> None:
    found = {row["channel"] for row in rows(query_of("$quantity"), filled)}
    assert found == {"P1.x-temp", "P1.x-vwc", "b-temp", "b-vwc"}
    some = rows(query_of("$quantity"), filled, plot=re.escape("P1.x"))
    assert {row["channel"] for row in some} == {"P1.x-temp", "P1.x-vwc"}


def test_failed_and_missing_values_are_hidden_and_suspect_ones_marked(filled: Filled) -> None:
    one = {"quantity": "soil_temperature", "plot": re.escape("P1.x")}
    drawn = [row["mean"] for row in rows(query_of("$quantity"), filled, **one)]
    assert max(drawn) <= 35.0
    marks = {row["time"] for row in rows(query_of("$quantity", "B"), filled, **one)}
    points = filled.database.points("soil_temperature", "P1.x-temp")
    suspect = {t for t, point in points.items() if point["flag"] == 3}
    assert suspect >= set(SUSPECT)
    assert marks == {t // HOUR_NS * HOUR_NS for t in suspect}
    channel = re.escape("P1.x-temp")
    failed = rows(query_of("$channel", "D"), filled, channel=channel)
    assert {row["mean"] for row in failed} == {55.0}
    flags = {row["max"] for row in rows(query_of("Worst flag"), filled, **one)}
    assert flags >= {None, 3.0, 4.0, 9.0}


def test_a_gap_is_a_zero_and_no_flag(filled: Filled) -> None:
    within = [row for row in rows(query_of("Gaps"), filled) if row["channel"] == "b-temp"]
    hours = {row["time"]: row["count"] for row in within}
    inside = SILENT[3] // HOUR_NS * HOUR_NS
    assert hours[inside] == 0
    assert hours[SLOTS[-4] // HOUR_NS * HOUR_NS] > 0


def test_the_band_lies_around_the_value(filled: Filled) -> None:
    channel = re.escape("P1.x-temp")
    value, lower, upper = (
        {
            r["time"]: list(r.values())[-1]
            for r in rows(query_of("$channel", ref), filled, channel=channel)
        }
        for ref in "ABC"
    )
    assert set(value) == set(lower) == set(upper)
    assert all(lower[t] < value[t] < upper[t] for t in value)


def test_the_newest_row_has_its_own_time_and_flag(filled: Filled) -> None:
    newest = {
        row["channel"]: row
        for row in rows(query_of("Newest row of each channel in 30 days"), filled)
    }
    assert len(newest) == 4
    row = newest["P1.x-temp"]
    assert (row["time"], row["flag"], row["value"]) == (SLOTS[-1], 1.0, 11.5)
    assert row["u_systematic"] > 0


def rule() -> str:
    """The query of the rule for a dead logger, from the guide."""
    text = (ROOT / "docs" / "technician.md").read_text("utf-8")
    return " ".join(re.search(r"SELECT moving_average.+?fill\(0\)", text, re.DOTALL)[0].split())


def test_the_rule_of_the_guide_is_zero_for_a_dead_logger_and_not_for_one_alive(
    filled: Filled,
) -> None:
    database = Database(filled.database.server, "rule")
    now_s = time.time_ns() // 10**9
    ages = {
        "dead": range(12000, 40000, 300),
        "quiet": range(10200, 40000, 300),
        "alive": range(0, 40000, 300),
    }
    lines = [
        f"edaphon_health,logger={logger} open_incidents=0.0 {now_s - age_s}000000000"
        for logger, ages_s in ages.items()
        for age_s in ages_s
    ]
    database.write("\n".join(lines))
    last = {one["tags"]["logger"]: one["values"][-1][1] for one in database.ask(rule())}
    assert last.pop("dead") == 0
    assert set(last) == {"quiet", "alive"}
    assert min(last.values()) > 0.001


def test_the_dashboard_is_one_that_any_grafana_takes() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"] is None
    assert {panel["type"] for panel in PANELS} <= KINDS
    names = {variable["name"] for variable in VARIABLES}
    for panel in PANELS:
        place = panel["gridPos"]
        assert 0 < place["w"] + place["x"] <= 24
        if panel["type"] == "row":
            continue
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(set(refs)) == len(refs)
        fields = panel["fieldConfig"]
        properties = [p for o in fields["overrides"] for p in o["properties"]]
        units = [fields["defaults"]["unit"], *(p["value"] for p in properties if p["id"] == "unit")]
        assert set(units) <= UNITS
        for target in panel["targets"]:
            named = set(re.findall(r"\$(?!/)(\w+)", target["query"]))
            assert named <= names | {"timeFilter", "__interval"}
            assert target["rawQuery"] is True
            assert target["datasource"] == panel["datasource"]
    assert all(p["datasource"]["uid"] == "${datasource}" for p in PANELS if p["type"] != "row")
    assert not re.search(r'"uid": "(?!\$\{datasource\})', json.dumps(DASHBOARD, indent=1))


def test_no_panel_lies_over_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        p = panel["gridPos"]
        cells = {
            (x, y) for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_metrics_of_a_running_plot_are_read_by_prometheus(filled: Filled) -> None:
    found = samples(filled.metrics)
    n = len(SLOTS) - len(SILENT)
    assert found["edaphon_up",] == 1
    assert found["edaphon_clock_known",] == 1
    assert found["edaphon_source_interval_seconds", ("source", "sdi12/a")] == 1200
    assert 0 <= found["edaphon_source_age_seconds", ("source", "sdi12/b")] < 1200
    assert found["edaphon_records", ("state", "decoded")] == 2 * n
    assert sum(of(found, "records").values()) == found["edaphon_records_taken_total",]
    assert found["edaphon_observations", ("state", "current")] == 4 * n
    assert found["edaphon_slots_missed", ("cause", "no answer")] == 2 * len(SILENT)
    assert found["edaphon_sink_waiting_points", ("sink", "db")] == 0
    assert found["edaphon_sink_delivered_points_total", ("sink", "db")] >= 4 * n
    assert found["edaphon_sink_up", ("sink", "db")] == 1
    assert found["edaphon_channels", ("flag", "passed")] == 4
    assert found["edaphon_disk_free_bytes",] > 0
    assert not of(found, "disk_days_left"), "less than a day of samples: not known"
    assert found["edaphon_series_left_out",] == 0


def test_metrics_of_a_service_that_is_off_say_so(filled: Filled) -> None:
    assert samples(filled.silent)["edaphon_up",] == 0
    assert not of(samples(filled.silent), "source_age_seconds")
