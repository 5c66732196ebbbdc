"""Hours and days: what belongs to a window, and that runs may be cut anywhere."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemon.commands.calling import call
from tests.daemon.test_python_face import plot, settled, site
from tests.stories.station import Station

import edaphon
from edaphon.clock import DAY_NS
from edaphon.model import Observations
from edaphon.tables import ChannelRow, Means, means_of

__all__ = ["plot", "settled", "site"]  # fixtures

HOUR_NS = DAY_NS // 24
ROW = ChannelRow("a", "soil_temperature", "degC")


def run(
    time_h: Sequence[float],
    value: Sequence[float],
    flag: Sequence[int] | None = None,
    support_h: float = 0.0,
    u: tuple[float, float] = (0.1, 0.1155),
) -> Observations:
    time_ns = (np.array(time_h) * HOUR_NS).astype(np.int64)
    n, number = len(time_ns), np.array(value, float)
    flags = np.array(flag if flag is not None else [1] * n, np.int8)
    return Observations(
        "a",
        "d",
        time_ns,
        time_ns - int(support_h * HOUR_NS),
        number,
        number,
        np.full(n, u[0]),
        np.full(n, u[1]),
        flags,
        flags,
        time_ns,
    )


def days(*runs: Observations, every_h: float = 24, offset_h: float = 0) -> Means:
    return means_of([(ROW, runs)], int(every_h * HOUR_NS), int(offset_h * HOUR_NS), [1, 2])


def test_an_instant_belongs_where_it_lies_and_a_window_ends_before_its_end() -> None:
    found = days(run([0, 6, 12, 18, 24], [1, 2, 3, 4, 100]))
    assert found.time_start.astype("int64").tolist() == [0, DAY_NS]
    assert found.time.astype("int64").tolist() == [DAY_NS, 2 * DAY_NS]
    assert found.n.tolist() == [4, 1]
    assert found.mean.tolist() == [2.5, 100.0]
    assert (found.minimum[0], found.maximum[0], found.total[0]) == (1.0, 4.0, 10.0)
    assert found.coverage.tolist() == [1.0, 0.25]


def test_a_row_with_an_interval_belongs_where_that_lies_and_one_across_is_left_out() -> None:
    found = days(run([6, 12, 18, 24], [1, 1, 1, 5], support_h=6))
    assert found.n.tolist() == [4]  # that of 18 to 24 h is of the first day
    assert (found.total.tolist(), found.coverage.tolist()) == ([8.0], [1.0])
    across = days(run([2, 26, 30], [1, 2, 4], support_h=4))
    assert across.across == {"a": 2}
    assert across.total.tolist() == [4.0]
    assert days(run([30], [1.0], support_h=30)).across == {"a": 1}


def test_days_may_be_those_of_the_site() -> None:
    found = days(run([22.5, 23.5], [1, 3]), offset_h=1)
    assert found.n.tolist() == [1, 1]
    assert found.time_start.astype("int64").tolist() == [-HOUR_NS, 23 * HOUR_NS]


def test_random_parts_shrink_and_systematic_ones_stay_whatever_the_derivations() -> None:
    n = 365 * 24
    parts = [run(range(k, n, 3), [10.0] * len(range(k, n, 3))) for k in range(3)]
    found = days(*parts, every_h=366 * 24)
    assert found.n.tolist() == [n]
    assert found.u_systematic == pytest.approx([0.1155])
    assert found.u_random == pytest.approx([0.1 / np.sqrt(n)])


def test_an_unknown_uncertainty_of_one_row_is_unknown_for_the_mean() -> None:
    found = days(run([1, 2], [1, 2]), run([3], [3], u=(np.nan, np.nan)))
    assert found.mean.tolist() == [2.0]
    assert np.isnan(found.u_random).all()
    assert np.isnan(found.u_systematic).all()


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ([1] * 20, 1),
        ([1] * 19 + [3], 1),  # 2 x 0.05
        ([1] * 18 + [3, 4], 3),  # 2 x 0.1 is on the limit
        ([1] * 17 + [2, 2, 9], 1),  # 0.15
        ([1] * 16 + [2, 2, 2, 9], 3),
        ([9] * 20, 9),
        ([4] * 20, 9),
    ],
)
def test_the_flag_of_a_window_follows_the_share_of_bad_and_of_unknown_rows(
    flags: list[int], wanted: int
) -> None:
    assert days(run(range(20), [1.0] * 20, flags)).flag.tolist() == [wanted]


def test_a_window_without_a_wanted_value_has_no_number() -> None:
    found = days(run([1, 2], [1, 2], [4, 4]))
    assert found.n.tolist() == [0]
    for column in (found.mean, found.minimum, found.maximum, found.total):
        assert np.isnan(column).all()


@given(
    hours=st.lists(st.integers(0, 24 * 5), unique=True, min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)
def test_how_the_rows_come_in_runs_changes_nothing(hours: list[int], cuts: list[int]) -> None:
    hours = sorted(hours)
    whole = days(run(hours, hours, u=(0.0, 0.0)), every_h=6)
    ends = sorted({0, len(hours), *(cut for cut in cuts if cut < len(hours))})
    parts = [hours[a:b] for a, b in zip(ends, ends[1:], strict=False)]
    cut = days(*(run(part, part, u=(0.0, 0.0)) for part in parts), every_h=6)
    for name in ("time", "n", "mean", "minimum", "maximum", "total"):
        assert getattr(cut, name).tolist() == getattr(whole, name).tolist()


def test_python_gives_days_and_the_command_the_same(site: edaphon.Site, plot: Station) -> None:
    found = site.read(["p-temp", "p-vwc"], every="1h")
    assert list(found.channel) == sorted(found.channel)
    assert found.to_pandas()["time_start"].dt.tz is not None
    printed = call(plot, "query", "p-temp", "p-vwc", "--every", "1h", "--format", "csv")[0]
    rows = list(csv.DictReader(printed.splitlines()))
    assert [row["channel"] for row in rows] == list(found.channel)
    shown = [float(row["mean"] or "nan") for row in rows]
    assert np.array_equal(shown, found.mean, equal_nan=True)
    assert {row["unit"] for row in rows} == {"degC", "m3/m3"}
    assert all(row["time_start"] < row["time"] for row in rows)


def test_several_channels_come_with_their_names(plot: Station) -> None:
    printed = call(plot, "query", "p-vwc", "p-temp", "--format", "csv")[0]
    rows = list(csv.DictReader(printed.splitlines()))
    assert [row["channel"] for row in rows] == ["p-vwc"] * 5 + ["p-temp"] * 5
    one = call(plot, "query", "p-temp", "--format", "csv")[0].splitlines()
    assert one[0].startswith("time,support_s,value,")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--every", "7h"], "a part of a day or whole days"),
        (["--every", "day"], 'such as "1h" or "1d"'),
        (["--every", "1d", "--flags", "1,x"], "expected flags of 1, 2, 3, 4, 9"),
        (["--every", "1d", "--flags", "7"], "expected flags of 1, 2, 3, 4, 9"),
        (["--every", "1d", "--utc-offset", "CET"], 'such as "+01:00"'),
    ],
)
def test_a_window_that_is_none_is_refused(plot: Station, words: list[str], says: str) -> None:
    assert says in call(plot, "query", "p-temp", *words, codes=(2,))[1]


def test_python_refuses_a_window_that_is_none(site: edaphon.Site, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a part of a day"):
        site.read("p-temp", every="5h")
    with pytest.raises(ValueError, match="an offset from UTC"):
        site.read("p-temp", every="1d", utc_offset="1")
