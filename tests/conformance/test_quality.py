"""The quality tests against cases that were calculated by hand, and against series with defects.

`--quality FOLDER` takes the cases of another folder of the same form. The truth series is hourly,
with 255 defects put in and 4,065 values that have none; the zoo is at 10 minutes.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.conformance.quality_cases import Case, found
from tests.conformance.quality_plots import Plot, plot_of_zoo
from tests.conformance.zoo_files import plays_of, read_play

from edaphon.clock import DAY_NS

HERE = Path(__file__).parent
HOUR_NS = 3_600_000_000_000
COLUMNS = {
    "vwc_pct": ("volumetric_water_content", "%", 5),
    "soil_temperature_degC": ("soil_temperature", "degC", 5),
    "co2_ppm": ("co2_mole_fraction", "ppm", 5),
    "air_temperature_degC": ("air_temperature", "degC", None),
    "precipitation_mm": ("precipitation", "mm", None),
}


def test_a_case_gives_what_was_calculated_by_hand(quality_check: str, quality_case: Case) -> None:
    assert found(quality_check, quality_case) == quality_case["expect"], quality_case["why"]


@pytest.fixture(scope="module")
def truth() -> Plot:
    with (HERE / "truth" / "soil_input.csv").open() as file:
        rows = list(csv.DictReader(file))
    plot = Plot(np.arange(len(rows)) * HOUR_NS)
    for column, (quantity, unit, depth) in COLUMNS.items():
        cells = [row[column] for row in rows]
        plot.add(column, quantity, unit, depth, cells)
    return plot


def defects() -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    with (HERE / "truth" / "soil_injected_defects.csv").open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["column"], {})[int(row["row_index"])] = row["defect"]
    return found


def counted(truth: Plot, rules: str) -> tuple[int, int]:
    """(defects that are found, good values that fail)."""
    hits = wrong = clean = injected = 0
    for column, own in defects().items():
        bad = truth.report(column, rules).flag >= 3
        clean += len(bad) - len(own)
        wrong += int(bad.sum()) - sum(bool(bad[row]) for row in own)
        no_frost = [row for row, defect in own.items() if defect != "frost"]
        injected += len(no_frost)
        hits += sum(bool(bad[row]) for row in no_frost)
    assert (injected, clean) == (215, 4065)
    return hits, wrong


def test_the_usual_rules_find_the_defects_of_the_truth_series(truth: Plot) -> None:
    hits, wrong = counted(truth, "")
    assert hits >= 170
    assert wrong <= 0.005 * 4065


# A plot without a second probe of water content, whose sensor never rests for a day.
STATED = """
version = "stated"
[[rule]]
test = "flat"
quantities = ["volumetric_water_content"]
window_hours = 24
[[rule]]
test = "flat"
quantities = ["co2_mole_fraction"]
window_hours = 6
"""


def test_rules_that_a_person_states_find_nearly_all(truth: Plot) -> None:
    hits, wrong = counted(truth, STATED)
    assert hits >= 200
    assert wrong <= 0.003 * 4065


FOUND_BY_ROWS = {"F01", "F02", "F03", "F04", "F05", "F06", "F09", "F11", "F12", "F18", "F22"}


def zoo() -> list[tuple[str, str, str]]:
    return list(plays_of(HERE / "zoo_data"))


@pytest.mark.parametrize(("site", "season", "scenario"), zoo())
def test_rows_of_a_fault_are_found_and_good_ones_are_left_alone(
    site: str, season: str, scenario: str
) -> None:
    play = read_play(HERE / "zoo_data", site, season, scenario)
    plot, cells = plot_of_zoo(play)
    hits = bad = wrong = good = 0
    for column in plot.columns:
        report = plot.report(column)
        failed = (report.flag >= 3) & np.array([r != "frozen" for r in report.reason])
        true = cells[column]
        hits, bad = hits + int((failed & true).sum()), bad + int(true.sum())
        wrong, good = (
            wrong + int((failed & ~true & (report.flag < 9)).sum()),
            good + int((~true).sum()),
        )
    if play.fault is None:
        assert wrong <= 0.005 * good
    elif play.fault.number in FOUND_BY_ROWS:
        assert hits >= 0.9 * bad


# Faults that a look at each day finds, and within how many days.
FOUND_BY_DAYS = {"F03": 2, "F04": 2, "F05": 3, "F06": 2, "F09": 2, "F11": 2, "F18": 1, "F19": 1}


@pytest.mark.parametrize(("site", "season", "scenario"), zoo())
def test_a_look_at_each_day_finds_the_fault_and_reports_nothing_of_a_good_plot(
    site: str, season: str, scenario: str
) -> None:
    play = read_play(HERE / "zoo_data", site, season, scenario)
    plot, _ = plot_of_zoo(play)
    if play.fault is None:
        days = range(3, 29)
        assert {day: found for day in days if (found := plot.doubts(day * DAY_NS))} == {}
    elif play.fault.number in FOUND_BY_DAYS:
        first = play.fault.first * play.site.interval_ns // DAY_NS + 1
        days = range(first, first + FOUND_BY_DAYS[play.fault.number] + 1)
        found = {id for day in days for id in plot.doubts(day * DAY_NS)}
        assert found & set(play.fault.columns)
