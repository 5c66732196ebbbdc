"""What the tests of all channels show together: a cause has one name, what is natural has none."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from tests.conformance.quality_plots import Plot

from edaphon.doubts import NO_RAIN, STEP, SWAPPED, Doubt, exchanges
from edaphon.facts import Fact, Horizon, Visit

ROW_NS, DAY_ROWS = 600_000_000_000, 144
SOIL = Horizon(id="soil", profile="pit", top_cm=0, bottom_cm=100, porosity=0.46, wilting_point=0.1)
WATER = ("volumetric_water_content", "m3/m3")
KINDS = {
    "t": ("soil_temperature", "degC"),
    "w": WATER,
    "rain": ("precipitation", "mm"),
    "flux": ("soil_co2_efflux", "umol/m2/s"),
    "r2": ("flux_fit_r2", "dimensionless"),
}


def temperature(n: int, depth_cm: float) -> np.ndarray:
    """Heat goes into the soil: less and later with depth."""
    row, damped = np.arange(n), np.exp(-depth_cm / 10)
    return 12 + depth_cm / 20 + 5 * damped * np.sin(2 * np.pi * row / DAY_ROWS - depth_cm / 10)


def water(n: int, level: float) -> np.ndarray:
    return level + 0.0003 * np.sin(np.arange(n) / 9)


def found(columns: Mapping[str, np.ndarray], facts: Sequence[Fact] = ()) -> Mapping[str, Doubt]:
    """Names begin with what is measured, and say the depth: "w5a", "t50"."""
    n = len(next(iter(columns.values())))
    plot = Plot(np.arange(n) * ROW_NS, [SOIL, *facts])
    for id, values in columns.items():
        kind = id.rstrip("ab0123456789") or id
        kind = id if id in KINDS else kind
        depth = "".join(c for c in id if c.isdigit()) if kind in {"t", "w"} else ""
        cells = [f"{value:.5g}" if np.isfinite(value) else "" for value in values]
        plot.add(id, *KINDS[kind], float(depth) if depth else None, cells)
    return plot.doubts(n * ROW_NS)


def swapped_at(a: np.ndarray, b: np.ndarray, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    c, d = a.copy(), b.copy()
    c[rows], d[rows] = b[rows], a[rows]
    return c, d


def test_two_probes_that_go_on_with_each_others_values_are_swapped() -> None:
    n = 10 * DAY_ROWS
    t5, t50 = swapped_at(temperature(n, 5), temperature(n, 50), slice(n - 150, n))
    w5a, w50 = swapped_at(water(n, 0.22), water(n, 0.31), slice(n - 150, n))
    doubts = found({"t5": t5, "t20": temperature(n, 20), "t50": t50, "w5a": w5a, "w50": w50})
    assert {doubt.tests for doubt in doubts.values()} == {(SWAPPED,)}
    assert doubts["t5"].against == "t50"
    assert doubts["t5"].since_ns == (n - 150) * ROW_NS
    assert doubts["t5"].swapped


def test_cables_that_were_put_back_are_no_longer_swapped() -> None:
    n = 10 * DAY_ROWS
    pair = swapped_at(temperature(n, 5), temperature(n, 50), slice(n - 300, n - 100))
    assert found({"t5": pair[0], "t50": pair[1]}) == {}


def test_an_exchange_needs_both_and_a_distance() -> None:
    low, high = np.full(20, 0.2), np.full(20, 0.3)
    both = np.array(swapped_at(low, high, slice(8, 20)))
    assert exchanges(both, 0.02).tolist() == [8]
    assert exchanges(both, 0.1).tolist() == []
    assert exchanges(np.array([both[0], high]), 0.02).tolist() == []
    assert exchanges(both[:, :5], 0.02).tolist() == []


def stepped(n: int, level: float, row: int, size: float, until: int | None = None) -> np.ndarray:
    values = water(n, level)
    values[row:until] += size
    return values


def test_a_level_that_changed_within_a_row_is_doubtful_until_it_steps_back() -> None:
    n = 12 * DAY_ROWS
    others = {"t20": temperature(n, 20), "w50": water(n, 0.3)}
    (doubt,) = found({"w20": stepped(n, 0.25, n - 500, -0.06), **others}).values()
    assert (doubt.tests, doubt.since_ns, doubt.lost) == ((STEP,), (n - 500) * ROW_NS, False)
    assert found({"w20": stepped(n, 0.25, n - 500, -0.06, n - 200), **others}) == {}
    assert found({"w20": stepped(n, 0.25, n - 500, -0.02), **others}) == {}


def test_a_step_of_several_probes_is_the_soil() -> None:
    n = 12 * DAY_ROWS
    own = {id: stepped(n, 0.25, n - 500, -0.06) for id in ("w20", "w50")}
    assert found({"t20": temperature(n, 20), **own}) == {}


def test_a_cold_hour_of_several_probes_is_the_weather() -> None:
    n = 8 * DAY_ROWS
    cold = temperature(n, 5)
    cold[-100:-94] -= 4
    assert set(found({"t5a": cold, "t20": temperature(n, 20)})) == {"t5a"}
    assert found({"t5a": cold, "t5b": cold + 0.1, "t20": temperature(n, 20)}) == {}


def test_a_step_at_a_visit_is_known() -> None:
    n = 12 * DAY_ROWS
    begin, end = (f"{np.datetime64(row * 600, 's')}Z" for row in (n - 512, n - 500))
    span = {"from": begin, "to": end}
    visit = Visit.model_validate({"id": "v", "plot": "p", "who": "K. Berg", **span})
    own = {"w20": stepped(n, 0.25, n - 500, -0.06), "t20": temperature(n, 20)}
    assert set(found(own)) == {"w20"}
    assert found(own, [visit]) == {}


@pytest.mark.parametrize(("rains", "blocked"), [((900,), False), ((900, 1300), True)])
def test_soil_that_gets_wet_twice_without_rain_is_the_gauge(
    rains: tuple[int, ...], blocked: bool
) -> None:
    n = 12 * DAY_ROWS
    w5, w20 = water(n, 0.2), water(n, 0.22)
    for row in rains:
        for column, late in ((w5, 0), (w20, 9)):
            column[row + late :] += np.minimum(np.arange(n - row - late) * 0.012, 0.05)
    warm = {f"t{depth}": temperature(n, depth) for depth in (5, 20)}
    doubts = found({"w5a": w5, "w20": w20, "rain": np.zeros(n), **warm})
    assert set(doubts) == ({"rain"} if blocked else set())
    if blocked:
        assert doubts["rain"].tests == (NO_RAIN,)
        assert doubts["rain"].since_ns == pytest.approx(rains[0] * ROW_NS, abs=6 * ROW_NS)


@pytest.mark.parametrize("drifts", ["w5a", "w5b"])
def test_of_two_probes_the_one_that_left_a_third_is_named(drifts: str) -> None:
    n = 26 * DAY_ROWS
    own = {id: water(n, 0.25) for id in ("w5a", "w5b", "w20")}
    own[drifts] = own[drifts] + np.maximum(np.arange(n) - 6 * DAY_ROWS, 0) * 0.003 / DAY_ROWS
    doubts = found(own)
    assert set(doubts) == {drifts}
    assert doubts[drifts].against == ({"w5a", "w5b"} - {drifts}).pop()
    assert doubts[drifts].text.endswith(f", against {doubts[drifts].against}")


def test_the_one_that_was_named_stays_named() -> None:
    n = 26 * DAY_ROWS
    plot = Plot(np.arange(n) * ROW_NS, [SOIL])
    for id, drift in (("w5a", 0.0), ("w5b", 0.003), ("w20", 0.0)):
        values = water(n, 0.25) + np.maximum(np.arange(n) - 6 * DAY_ROWS, 0) * drift / DAY_ROWS
        depth = float(id[1:].rstrip("ab"))
        plot.add(id, *WATER, depth, [f"{value:.5g}" for value in values])
    for before, named in ((set(), "w5b"), ({"w5a"}, "w5a"), ({"w5b"}, "w5b"), ({"w20"}, "w5b")):
        assert set(plot.doubts(n * ROW_NS, before=before)) == {named}


def test_a_stuck_probe_does_not_accuse_its_neighbour() -> None:
    n = 20 * DAY_ROWS
    moves = 0.25 + 0.05 * np.sin(np.arange(n) * 2 * np.pi / (9 * DAY_ROWS))
    stuck = moves + 0.01
    stuck[-4 * DAY_ROWS :] = stuck[-4 * DAY_ROWS]
    doubts = found({"w5a": moves, "w5b": stuck, "w20": moves - 0.02})
    assert set(doubts) == {"w5b"}
    assert doubts["w5b"].lost


def test_fits_without_a_line_say_that_a_chamber_does_not_close() -> None:
    n = 6 * DAY_ROWS
    flux, r2 = np.where(np.arange(n) % 3 == 0, 2.0 + 0.1 * np.sin(np.arange(n)), np.nan), None
    for share, lost in ((0.99, False), (0.2, True)):
        r2 = np.where(np.isfinite(flux), 0.99, np.nan)
        r2[-100:] = np.where(np.isfinite(r2[-100:]), share, np.nan)
        doubts = found({"flux": flux, "r2": r2})
        assert set(doubts) == ({"flux", "r2"} if lost else set())
        assert all(doubt.lost and doubt.tests == ("diagnostics",) for doubt in doubts.values())


def test_a_probe_out_of_the_soil_is_lost_as_a_whole() -> None:
    n = 10 * DAY_ROWS
    own = water(n, 0.25)
    own[-60:] = 0.012
    doubt = found({"w5a": own, "t5": temperature(n, 5)})["w5a"]
    assert doubt.lost
    assert doubt.of_probe
    assert "range" in doubt.tests


def test_nothing_is_known_where_the_service_stops_meanwhile() -> None:
    n = 3 * DAY_ROWS
    plot = Plot(np.arange(n) * ROW_NS, [SOIL])
    plot.add("t5", *KINDS["t"], 5, ["7"] * n)
    assert set(plot.doubts(n * ROW_NS)) == {"t5"}
    assert plot.doubts(n * ROW_NS, stops=True) == {}
