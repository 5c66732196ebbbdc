"""Checks: results by hand, levels and limits, and windows that give what the whole gives."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_calibration import (
    QUANTITIES,
    Flag,
    LimitError,
    LimitKind,
    UnitError,
    UnknownCheck,
    UnknownQuantity,
    check_names,
    default_limits,
    find_check,
    prepare_check,
)
from edaphon_calibration.arrays import Int

HOUR = 3_600_000_000_000
NAN = np.nan


def hourly(n: int) -> Int:
    return np.arange(n, dtype=np.int64) * HOUR


def some_limits(name: str) -> dict[str, float]:
    """Limits on two levels that random walks of the property tests do reach."""
    limits: dict[str, float] = {}
    for limit, kind in find_check(name).limits.items():
        if kind is LimitKind.HOURS:
            limits[limit] = 2.0
        else:
            sign = -1.0 if limit == "lowest" else 1.0
            limits |= {f"suspect_{limit}": sign * 1.5, f"fail_{limit}": sign * 3.0}
    return limits


@pytest.mark.parametrize("name", check_names())
def test_a_check_says_what_it_is(name: str) -> None:
    meta = find_check(name)
    assert meta.name == name
    assert meta.effect in {Flag.SUSPECT, Flag.FAIL}
    assert meta.looks_back >= 0
    assert meta.looks_ahead >= 0
    assert meta.reference
    assert set(meta.defaults) == {n for n, k in meta.limits.items() if k is LimitKind.HOURS}
    examples = doctest.DocTestFinder().find(meta.evaluate, globs={"np": np, name: meta})
    assert any(found.examples for found in examples)


ROWS = st.lists(
    st.tuples(
        st.sampled_from([0, HOUR // 2, HOUR, 3 * HOUR]),
        st.one_of(st.just(NAN), st.integers(-8, 8).map(lambda i: i / 2)),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("name", check_names())
@given(rows=ROWS, first=st.integers(0, 39), n=st.integers(1, 40))
def test_a_window_with_its_context_gives_what_the_whole_gives(
    name: str, rows: list[tuple[int, float]], first: int, n: int
) -> None:
    check = prepare_check(find_check(name), some_limits(name))
    time_ns = np.cumsum([step for step, _ in rows])
    value = np.array([number for _, number in rows])
    first %= len(rows)
    last = min(first + n, len(rows))
    begin = max(0, first - check.rule.looks_back)
    end = min(len(rows), last + check.rule.looks_ahead)
    for of in (check, check.flags):
        whole = of(time_ns, value)
        window = of(time_ns[begin:end], value[begin:end])
        assert window.dtype == whole.dtype == np.int8
        assert window[first - begin : last - begin].tolist() == whole[first:last].tolist()


@pytest.mark.parametrize("name", check_names())
@given(rows=ROWS)
def test_results_and_flags_agree_and_missing_values_are_not_evaluable(
    name: str, rows: list[tuple[int, float]]
) -> None:
    check = prepare_check(find_check(name), some_limits(name))
    time_ns = np.cumsum([step for step, _ in rows])
    value = np.array([number for _, number in rows])
    before = value.copy()
    results, flags = check(time_ns, value), check.flags(time_ns, value)
    assert len(results) == len(flags) == len(value)
    assert value.tobytes() == before.tobytes()
    assert set(results[np.isnan(value)]) <= {-1}
    assert ((results == -1) == (flags == Flag.NOT_EVALUATED)).all()
    assert ((results == 0) == (flags == Flag.PASSED)).all()
    assert ((results == 1) == np.isin(flags, [Flag.SUSPECT, Flag.FAIL])).all()


def test_range_tells_fail_from_suspect_and_passes_a_value_on_the_limit() -> None:
    limits = {
        "fail_lowest": 0.0,
        "fail_highest": 0.6,
        "suspect_lowest": 0.01,
        "suspect_highest": 0.5,
    }
    value = np.array([-0.001, 0.0, 0.005, 0.01, 0.5, 0.55, 0.6, 0.61, NAN])
    found = prepare_check(find_check("range"), limits)
    assert found.flags(hourly(9), value).tolist() == [4, 3, 3, 1, 1, 3, 3, 4, 2]
    assert found(hourly(9), value).tolist() == [1, 1, 1, 0, 0, 1, 1, 1, -1]


def test_a_plain_limit_works_with_the_checks_own_flag() -> None:
    value = np.array([1.0, 3.0])
    assert prepare_check(find_check("range"), {"highest": 2.0}).flags(
        hourly(2), value
    ).tolist() == [1, 4]
    assert prepare_check(find_check("rate"), {"rise_per_hour": 1}).flags(
        hourly(2), value
    ).tolist() == [2, 3]


def test_rate_tells_rise_from_fall() -> None:
    check = prepare_check(find_check("rate"), {"rise_per_hour": 0.10, "fall_per_hour": 0.03})
    value = np.array([0.20, 0.29, 0.27, 0.22, 0.40])
    assert check(hourly(5), value).tolist() == [-1, 0, 0, 1, 1]


def test_noise_between_close_readings_is_not_a_rate_but_a_leap_is():
    two_seconds = np.array([0, 1, 2, 3]) * 2_000_000_000
    value = np.array([0.2220, 0.2226, 0.2221, 0.2500])
    limits = {"rise_per_hour": 0.1, "fall_per_hour": 0.03}
    assert prepare_check(find_check("rate"), limits).flags(two_seconds, value).tolist() == [
        2,
        3,
        3,
        3,
    ]
    calm = prepare_check(find_check("rate"), {**limits, "least_change": 0.01})
    assert calm.flags(two_seconds, value).tolist() == [2, 1, 1, 3]


def test_rate_is_per_hour_whatever_the_interval() -> None:
    check = prepare_check(find_check("rate"), {"rise_per_hour": 3.0})
    time_ns = np.array([0, 10, 20, 140]) * 60_000_000_000
    assert check(time_ns, np.array([10.0, 10.4, 11.0, 16.0])).tolist() == [-1, 0, 1, 0]


def test_rate_needs_a_value_in_the_row_before_and_within_the_gap() -> None:
    check = prepare_check(find_check("rate"), {"rise_per_hour": 1.0, "max_gap_hours": 2.0})
    time_ns = np.array([0, 1, 2, 3, 6, 6, 7]) * HOUR
    value = np.array([0.0, 9.0, NAN, 0.0, 9.0, 50.0, 50.0])
    assert check(time_ns, value).tolist() == [-1, 1, -1, -1, -1, -1, 0]


def test_the_defaults_leave_the_gap_at_six_hours() -> None:
    check = prepare_check(find_check("rate"), {"rise_per_hour": 1.0})
    time_ns = np.array([0, 6, 13]) * HOUR
    assert check(time_ns, np.array([0.0, 0.0, 0.0])).tolist() == [-1, 0, -1]


@pytest.mark.parametrize(
    ("name", "limits", "words"),
    [
        ("range", {}, "at least one of lowest"),
        ("rate", {"max_gap_hours": 3.0}, "at least one of rise_per_hour"),
        ("range", {"lowst": 0.0}, "did you mean lowest"),
        ("range", {"fail_lowst": 0.0}, "did you mean fail_lowest"),
        ("range", {"lowest": NAN}, "finite number .* for lowest; came nan"),
        ("range", {"lowest": True}, "came True"),
        ("range", {"lowest": "0"}, "came '0'"),
        ("range", {"lowest": 1.0, "highest": 1.0}, "lowest below highest"),
        ("range", {"highest": 1.0, "fail_highest": 2.0}, "highest is given twice for flag FAIL"),
        ("rate", {"rise_per_hour": -1.0}, "above 0 .* per hour"),
        ("rate", {"fail_max_gap_hours": 1.0}, "came 'fail_max_gap_hours'"),
    ],
)
def test_limits_that_do_not_fit_are_refused(
    name: str, limits: dict[str, float], words: str
) -> None:
    with pytest.raises(LimitError, match=words):
        prepare_check(find_check(name), limits)


@pytest.mark.parametrize("name", ["ranges", "definition", "limits", "../units", "", "r" * 300])
def test_an_unknown_check_is_refused_with_a_suggestion(name: str) -> None:
    with pytest.raises(UnknownCheck, match=r"expected the name of a check.*range"):
        prepare_check(find_check(name), {"lowest": 0.0})


@pytest.mark.parametrize("name", QUANTITIES)
def test_all_default_limits_can_be_prepared(name: str) -> None:
    for depth_cm in (None, 5.0, 20.0, 100.0):
        for check, limits in default_limits(name, depth_cm).items():
            assert prepare_check(find_check(check), limits).levels


@pytest.mark.parametrize("name", check_names())
def test_each_default_names_a_quantity_and_its_source_from_the_top_down(name: str) -> None:
    defaults = find_check(name).usual
    assert set(defaults) <= set(QUANTITIES)
    for lines in defaults.values():
        depths = [line.from_depth_cm for line in lines]
        assert depths == sorted(set(depths))
        assert all(line.source for line in lines)


@pytest.mark.parametrize(
    ("depth_cm", "per_hour"), [(None, 3.0), (2.5, 3.0), (10, 3.0), (20, 1.0), (49, 1.0), (90, 0.3)]
)
def test_soil_temperature_changes_more_slowly_with_depth(
    depth_cm: float | None, per_hour: float
) -> None:
    assert default_limits("soil_temperature", depth_cm)["rate"]["rise_per_hour"] == per_hour


def test_default_limits_follow_the_channels_unit() -> None:
    found = default_limits("soil_temperature", 5.0, unit="degF")
    assert found["range"]["fail_lowest"] == pytest.approx(-40.0)
    assert found["range"]["fail_highest"] == pytest.approx(140.0)
    assert found["rate"]["rise_per_hour"] == pytest.approx(5.4)
    percent = default_limits("volumetric_water_content", unit="%")
    assert percent["range"]["fail_highest"] == pytest.approx(60.0)
    with pytest.raises(UnitError):
        default_limits("soil_temperature", unit="kPa")


def test_quantities_without_usual_limits_have_none_and_unknown_ones_are_refused() -> None:
    assert set(default_limits("battery_voltage")) == {"physics"}
    assert default_limits("raw_counts") == {}
    with pytest.raises(UnknownQuantity, match="did you mean soil_temperature"):
        default_limits("soil_temperatur")
