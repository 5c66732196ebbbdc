"""Numbers beyond physics: no value where an instrument reports one, flag 4 where a curve makes one.

And how `explain` shows them, with times as network servers stamp them.
"""

from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.daemon.commands.calling import call, call_json
from tests.stories.station import Station

from edaphon.clock import SystemClock, instant_text
from edaphon.journal import Entry, Journal, Kind
from edaphon.service.check import open_storage
from edaphon.service.process import running
from edaphon.storage.access import settled_deriver
from edaphon.toml_input.values import instant_ns
from edaphon_drivers.readings import pack_message
from edaphon_drivers.simulators.modbus import SimulatedLine, Unit

NOON_NS = instant_ns("2026-04-01T12:00:00Z")
MINUTE_NS = 60_000_000_000


def field(name: str, quantity: str, unit: str) -> str:
    return (
        f'[[source.field]]\nname = "{name}"\npath = "{name}"\nquantity = "{quantity}"\n'
        f'unit = "{unit}"\n'
    )


TABLES = [
    '[broker.home]\nhost = "127.0.0.1"\nport = 9\ntopics = ["#"]\n'
    '[[source]]\nbroker = "home"\ntopic = "n"\n'
    + field("t", "soil_temperature", "degC")
    + field("w", "volumetric_water_content", "%")
    + field("n", "water_content_counts", "count")
    + field("ec", "bulk_electrical_conductivity", "uS/cm")
]


def channel(name: str, output: str, quantity: str, unit: str, more: str = "") -> str:
    return (
        f'[[channel]]\nid = "{name}"\nplot = "p"\nquantity = "{quantity}"\nunit = "{unit}"\n{more}'
        f'[[deployment]]\nid = "d-{name}"\nchannel = "{name}"\nsource = "home/n"\n'
        f'output = "{output}"\n'
    )


def calibration(channel: str, slope: float, to: str) -> str:
    return (
        f'[[calibration]]\nid = "cal-{channel}"\nchannel = "{channel}"\ncurve = "linear"\n'
        f'parameters = {{ c0 = 0.0, c1 = {slope} }}\nto_unit = "{to}"\n'
    )


WIDE = "checks = { range = { fail = [-1000.0, 1000.0] } }\n"
WATER, TEMPERATURE = "volumetric_water_content", "soil_temperature"
FACTS = [
    '[[plot]]\nid = "p"\n',
    channel("temp", "t", TEMPERATURE, "degF"),
    channel("wide", "t", TEMPERATURE, "degC", WIDE),
    channel("sum", "t", TEMPERATURE, "degC", 'statistic = "sum"\ninterval = "1h"\n' + WIDE),
    channel("water", "w", WATER, "m**3/m**3", WIDE),
    calibration("water", 2.0, "%"),
    channel("ec25", "ec", "bulk_electrical_conductivity_25c", "uS/cm"),
    '[[calibration]]\nid = "to-25"\nchannel = "ec25"\ncurve = "conductivity_at_25"\n'
    'second = { output = "t" }\n',
    channel("raw", "n", "water_content_counts", "count"),
]
# Times as ChirpStack stamped four uplinks of one sensor.
JITTER_NS = (0, 1_200_399_126_571, 2_401_087_500_375, 3_601_065_895_869)


def entry(kind: Kind, passed_ns: int, source: str, payload: bytes) -> Entry:
    return Entry(kind, NOON_NS + passed_ns, passed_ns, "boot-1", source, payload, None)


def node(passed_ns: int, **numbers: float) -> Entry:
    payload = pack_message("n", orjson.dumps(numbers), 1, False, False)
    return entry(Kind.RECORD, passed_ns, "home", payload)


def plot_of(folder: Path, *records: Entry) -> Station:
    """A plot with these records, journalled, derived, and the service off."""
    station = Station(folder, TABLES, FACTS)
    text = station.file.read_text()
    configuration = orjson.dumps({"file": "edaphon.toml", "sha256": "", "text": text})
    with Journal(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(entry(Kind.CONFIGURATION, -6 * MINUTE_NS, "", configuration))
    call(station, "apply", "--who", "M. Moser")
    clock = orjson.dumps({"offset_ns": NOON_NS})
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for each in (entry(Kind.CLOCK, -5 * MINUTE_NS, "", clock), *records):
            journal.append_now(each)
    with settled_deriver(open_storage(station.file)):
        pass
    return station


@pytest.fixture(scope="module")
def plot(tmp_path_factory: pytest.TempPathFactory) -> Station:
    first = node(JITTER_NS[0], t=-3276.8, w=70.0, n=65535, ec=400.0)
    second = node(JITTER_NS[1], t=21.5, w=30.0, n=-32768, ec=65535.0)
    third = node(JITTER_NS[2], t=21.5, w=30.0, n=5, ec=400.0)
    fourth = node(JITTER_NS[3], t=327.67, w=30.0, n=5, ec=400.0)
    return plot_of(tmp_path_factory.mktemp("plot"), first, second, third, fourth)


def at(n: int) -> str:
    return instant_text(NOON_NS + JITTER_NS[n])


def values(plot: Station, channel: str) -> list[tuple[float | None, int]]:
    out, _ = call(plot, "query", channel, "--format", "json")
    return [(row["value"], row["flag"]) for row in orjson.loads(out)]


def test_a_number_beyond_physics_is_no_value_whatever_range_a_channel_states(plot: Station) -> None:
    assert values(plot, "temp")[0] == (None, 9)
    assert values(plot, "wide")[:2] == [(None, 9), (21.5, 1)]
    assert values(plot, "ec25")[1][0] is None


def test_a_value_that_a_calibration_makes_beyond_physics_fails(plot: Station) -> None:
    (beyond, failed), (within, _), *_ = values(plot, "water")
    assert (beyond, failed, within) == (pytest.approx(1.4), 4, 0.6)
    why = call_json(plot, "explain", "water", at(0))["reasons"]
    assert [r["why"] for r in why] == [
        "check physics failed (lowest = 0, highest = 1)",
        "check physics failed (lowest = -0.15, highest = 1.1)",
    ]


def test_a_number_that_is_refused_is_no_second_input_either(plot: Station) -> None:
    assert values(plot, "ec25")[3] == (None, 9)


def test_counts_and_sums_have_no_limits_of_physics(plot: Station) -> None:
    assert [number for number, _ in values(plot, "raw")] == [65535, -32768, 5, 5]
    checks = call_json(plot, "explain", "sum", at(1))["checks"]
    assert "physics" not in {check["check"] for check in checks}


def test_explain_shows_the_number_as_received_the_limit_and_its_reason(plot: Station) -> None:
    way = call_json(plot, "explain", "temp", at(0))
    assert (way["value"], way["flag"], way["agrees"]) == (None, 9, True)
    assert (way["reading"]["number"], way["reading"]["status"]) == (None, "impossible")
    words = "-3276.8 is below the lowest possible soil_temperature, -100 degC (no place on earth"
    assert words in way["reading"]["impossible"]
    assert way["reasons"][0]["why"].startswith(f"the number as received is impossible: {words}")
    text, _ = call(plot, "explain", "temp", at(0))
    assert words in " ".join(text.split())
    assert "status impossible" in text


def test_read_shows_an_impossible_number_as_such(tmp_path: Path) -> None:
    line = SimulatedLine([Unit(1, inputs={1: 0x8000, 2: 500})])
    table = f'[bus.rs485]\nkind = "serial"\nport = "{line.start()}"\nanswer_s = 0.2\n'
    source = '[[source]]\nbus = "rs485"\naddress = "1"\nmodel = "generic.xy-md02"\n'
    station = Station(tmp_path, [table, source + 'interval = "1h"\n'], [])
    with running(station.file):
        reported, _ = call(station, "read", "rs485/1")
    line.stop()
    assert "air_temperature IMPOSSIBLE" in reported
    assert "relative_humidity 50.0 %" in reported


def test_no_channel_states_limits_of_physics_of_its_own(tmp_path: Path) -> None:
    own = "checks = { physics = { lowest = -1000.0 } }\n"
    station = Station(tmp_path, TABLES, [channel("own", "t", TEMPERATURE, "degC", own)])
    _, err = call(station, "apply", "--who", "M. Moser", codes=(3,))
    assert "physics" in err
    assert "leave it out: it counts for every channel" in err


def test_explain_takes_times_of_network_servers_to_the_nanosecond(plot: Station) -> None:
    way = call_json(plot, "explain", "wide", at(2))
    assert (way["value"], way["time"], way["nearest"]) == (21.5, at(2), False)
    assert way["usual_interval"] == "about 20min"
    near, _ = call(plot, "explain", "wide", instant_text(NOON_NS + JITTER_NS[2] + 1))
    assert "the usual interval is about 20min" in near


def test_query_cuts_to_the_nanosecond(plot: Station) -> None:
    behind = instant_text(NOON_NS + JITTER_NS[2] + 1)
    until = call(plot, "query", "wide", "--format", "json", "--end", behind)[0]
    assert [row["time"] for row in orjson.loads(until)] == [at(0), at(1), at(2)]
    since = call(plot, "query", "wide", "--format", "json", "--start", behind.rstrip("Z"))[0]
    assert [row["time"] for row in orjson.loads(since)] == [at(3)]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"])
def test_times_beyond_all_records_are_no_error(plot: Station, time: str) -> None:
    assert "no observation" in call(plot, "explain", "wide", time, codes=(1,))[1]
    assert call(plot, "query", "wide", "--start", time, "--end", time)[0].count("\n") == 1


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(st.lists(st.integers(1, 5 * MINUTE_NS), min_size=1, max_size=6), st.integers(0, 2**40))
def test_explain_status_and_query_take_any_real_times(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], off: int
) -> None:
    passed = np.cumsum([0, *steps]).tolist()
    plot = plot_of(tmp_path_factory.mktemp("times"), *(node(ns, t=20.0, w=30.0) for ns in passed))
    for ns in passed:
        time = instant_text(NOON_NS + ns)
        assert call_json(plot, "explain", "wide", time)["value"] == 20.0
        assert time in call(plot, "explain", "wide", time)[0]
    call(plot, "explain", "wide", instant_text(NOON_NS + off), codes=(0, 1))
    for form in ("table", "csv", "json"):
        out, _ = call(plot, "query", "wide", "--format", form)
        assert all(instant_text(NOON_NS + ns) in out for ns in passed)
