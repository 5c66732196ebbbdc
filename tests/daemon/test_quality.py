"""`edaphon quality`, `site.quality`: a channel's values held against their context."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.conformance.quality_plots import Plot
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_explain import FACTS, TABLES
from tests.daemon.commands.test_release import settled
from tests.stories.station import Station

import edaphon
from edaphon.facts import Horizon
from edaphon.model import Channel
from edaphon.quality import context_of
from edaphon.service.check import examine

__all__ = ["settled"]  # a fixture

ROW_NS = 600_000_000_000


@pytest.fixture
def station(settled: Path, tmp_path: Path) -> Station:
    station = Station(tmp_path / "plot", TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


def test_what_fails_is_listed_with_its_tests_and_nothing_is_written(station: Station) -> None:
    before = (station.storage / "series.sqlite").read_bytes()
    printed, _ = call(station, "quality", "p-temp")
    assert printed.startswith("p-temp: 5 rows: ")
    assert "horizon: none; see [[horizon]]" in printed
    assert "test range: " in printed
    found = call_json(station, "quality", "p-temp")
    assert found["rows"] == sum(found["flags"].values()) == 5
    assert found["flags"]["4"] >= 1  # the row's own flag stays
    assert (station.storage / "series.sqlite").read_bytes() == before


def test_all_channels_are_listed_with_what_failed_in_them(station: Station) -> None:
    printed, _ = call(station, "quality", "--start", "2026-04-01")
    lines = printed.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["ec25", "p-temp", "p-vwc"]
    assert lines[1].startswith("p-temp: 5 rows: ")
    assert {len(call_json(station, "quality", "--start", "2026-04-01"))} == {3}
    two = call(station, "quality", "p-temp", "p-vwc")[0].splitlines()
    assert len(two) == 2
    assert "0 rows" in call(station, "quality")[0]  # of the last seven days


def test_own_rules_stand_in_place_of_the_usual_ones(station: Station, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'version = "cold"\n[[rule]]\ntest = "range"\nquantities = ["soil_temperature"]\n'
        "lowest = -5\nhighest = 15.05\n"
    )
    found = call_json(station, "quality", "p-temp", "--rules", str(rules))
    assert found["rules"].endswith("with cold")
    assert found["failed"]["range"] >= 2
    assert "range" in {span["reason"] for span in found["spans"]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version = 1\n", 'expected `version = "..."`'),
        ('version = "a"\n[[rule]]\ntest = "rnge"\n', "did you mean range"),
        (
            'version = "a"\n[[rule]]\ntest = "flat"\nquantities = ["soil_temprature"]\n',
            "did you mean soil_temperature",
        ),
        (
            'version = "a"\n[[rule]]\ntest = "flat"\nquantities = ["soil_temperature"]\n'
            "hours = 3\n",
            "hours is no parameter (known: window_hours",
        ),
        (
            'version = "a"\n[[rule]]\ntest = "flat"\nquantities = ["soil_temperature"]\n'
            'window_hours = "3"\n',
            "expected a number, came '3'",
        ),
        ("version = ", "expected TOML"),
    ],
)
def test_wrong_rules_get_a_clear_error(
    station: Station, tmp_path: Path, text: str, says: str
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(text)
    _, shown = call(station, "quality", "p-temp", "--rules", str(rules), codes=(2,))
    assert says in shown
    assert str(rules) in shown


def test_rules_in_another_encoding_get_a_clear_error(station: Station, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_bytes(b'version = "\xe4"\n')
    _, shown = call(station, "quality", "p-temp", "--rules", str(rules), codes=(2,))
    assert "utf-8" in shown


def test_a_channel_that_there_is_not_is_named(station: Station) -> None:
    _, shown = call(station, "quality", "p-tmp", codes=(1,))
    assert "did you mean p-temp" in shown


def test_python_gives_the_rows_with_flag_and_reason(station: Station) -> None:
    report = edaphon.open(station.storage).quality("p-temp", "2026-04-01", "2026-05-01")
    assert len(report.value) == len(report.flag) == len(report.reason) == 5
    assert report.time.dtype == "datetime64[ns]"
    assert json.loads(json.dumps(report.as_json()))["channel"] == "p-temp"
    nothing = edaphon.open(station.storage).quality("p-temp", "1999-01-01", "1999-02-01")
    assert (len(nothing.value), list(nothing.spans())) == (0, [])


def channel(id: str, quantity: str, depth: str = "", profile: str = "pit", n: int = 1) -> Channel:
    return Channel(id, quantity, "1", "s", "p", profile, depth, "instant", n)


def test_context_is_the_same_depth_the_next_above_and_the_plots_rain() -> None:
    known = {
        one.id: one
        for one in (
            channel("w5", "volumetric_water_content", "5"),
            channel("w5b", "volumetric_water_content", "5", n=2),
            channel("w20", "volumetric_water_content", "20"),
            channel("t5", "soil_temperature", "5"),
            channel("t20", "soil_temperature", "20"),
            channel("air", "air_temperature", profile=""),
            channel("rain", "precipitation", profile=""),
        )
    }
    water = context_of(known, "w5")
    assert (water.temperature, water.rain, water.replicate) == ("t5", "rain", "w5b")
    assert set(water.others) == {"w5b", "w20"}
    assert context_of(known, "w20").replicate is None
    deep, shallow = context_of(known, "t20"), context_of(known, "t5")
    assert (deep.above, shallow.above) == ("t5", "air")
    assert deep.temperature is None


def test_a_sensor_that_left_the_soil_fails_where_the_wilting_point_is_known() -> None:
    rows = ["0.20"] * 20 + ["0.012"] * 20
    time_ns = np.arange(len(rows)) * ROW_NS
    soil = Horizon(id="h", profile="pit", top_cm=0, bottom_cm=30, porosity=0.46, wilting_point=0.1)
    for facts, fails in (([], 0), ([soil], 20)):
        plot = Plot(time_ns, facts)
        plot.add("w", "volumetric_water_content", "m3/m3", 5, rows)
        assert plot.report("w").failed.get("range", 0) == fails


def test_peat_above_its_porosity_fails_and_below_passes() -> None:
    rows = ["0.70", "0.85", "0.93", "0.999"]
    peat = Horizon(id="h", profile="pit", top_cm=0, bottom_cm=30, porosity=0.92, organic=True)
    plot = Plot(np.arange(4) * ROW_NS, [peat])
    plot.add("w", "volumetric_water_content", "m3/m3", 5, rows)
    reasons = plot.report("w").reason
    assert ["range" in reason for reason in reasons] == [False, False, True, True]


def test_porosity_follows_from_bulk_density() -> None:
    layer = {"id": "h", "profile": "pit", "top_cm": 0, "bottom_cm": 10}
    assert Horizon(**layer, bulk_density=1.325).pores == pytest.approx(0.5)
    assert Horizon(**layer, bulk_density=0.14, organic=True).pores == pytest.approx(0.9)
    assert Horizon(**layer).pores is None


HORIZONS = """
[[horizon]]
id = "a"
profile = "pit"
top_cm = 0
bottom_cm = 20
porosity = 0.5
[[horizon]]
id = "b"
profile = "{profile}"
top_cm = {top}
bottom_cm = 40
field_capacity = {capacity}
wilting_point = 0.1
"""


@pytest.mark.parametrize(
    ("profile", "top", "capacity", "says"),
    [
        ("pit", 20, 0.3, ""),
        ("pit", 15, 0.3, "15 to 40 cm, where a lies too"),
        ("pit", 50, 0.3, "`bottom_cm` is below `top_cm`"),
        ("pit", 20, 0.05, "wilting_point <= field_capacity <= porosity"),
        ("pitt", 20, 0.3, "is no profile"),
    ],
)
def test_horizons_lie_one_below_the_other_in_a_known_profile(
    tmp_path: Path, profile: str, top: float, capacity: float, says: str
) -> None:
    file = tmp_path / "soil.toml"
    text = HORIZONS.format(profile=profile, top=top, capacity=capacity)
    file.write_text(f'[[plot]]\nid = "p"\n[[profile]]\nid = "pit"\nplot = "p"\n{text}')
    plain = tmp_path / "edaphon.toml"
    plain.write_text(
        f'logger = {{ id = "l" }}\nsite = {{ id = "s" }}\n[storage]\nfolder = "{tmp_path}/s"\n'
    )
    found = "\n".join(str(error) for error in examine([plain, file]).config_errors)
    assert (says in found) if says else found == ""
