"""Why values would lose their number: the stretch, the step without a calibration, what to do."""

from typing import Any

import pytest
from tests.daemon.derive.test_compare import NAN, compared, rows

from edaphon.clock import instant_text
from edaphon.derive.plan import Plan
from edaphon.facts import Knowledge
from edaphon.model import EntryId
from edaphon.preview import LostStretch, lost_stretches
from edaphon_drivers.sheets import Output

T0, HOUR_NS = 1_790_000_000_000_000_000, 3600 * 10**9
OUTPUTS = {"a": {"n": Output("n", "raw_counts", "count")}}


def hour(n: int) -> int:
    return T0 + n * HOUR_NS


def calibration(id: str, begin: int | None = None, end: int | None = None) -> dict[str, Any]:
    times = {"from": begin, "to": end}
    return {
        "kind": "calibration",
        "id": id,
        "channel": "t",
        "curve": "polynomial",
        "parameters": {"c0": 0.0, "c1": 1.0},
        "from_unit": "count",
        "to_unit": "degC",
        **{key: instant_text(hour(n)) for key, n in times.items() if n is not None},
    }


def lost(*calibrations: dict[str, Any], times: tuple[int, int] = (1, 9), deployed: bool = True):
    tables: list[dict[str, Any]] = [
        {"kind": "channel", "id": "t", "quantity": "soil_temperature", "unit": "degC"},
        {"kind": "deployment", "id": "d", "channel": "t", "source": "a", "output": "n",
         "to": instant_text(hour(20))},
    ][: 1 + deployed]  # fmt: skip
    tables += calibrations
    knowledge = Knowledge.of([(EntryId(1, n), table) for n, table in enumerate(tables, 1)])
    plan = Plan.of(knowledge, OUTPUTS, "site")
    at = [hour(n) for n in range(times[0], times[1] + 1)]
    found = compared(([rows(at, [1.0] * len(at))], [rows(at, [NAN] * len(at))]))
    return lost_stretches(plan, knowledge, "t", found)


def test_before_a_calibration_that_begins_later_its_begin_may_be_left_out():
    (one,) = lost(calibration("c", begin=5))
    assert (one.first_ns, one.last_ns) == (hour(1), hour(5))
    assert one.why == (
        "no calibration of step 1 of t covers them; leave out `from` of c if it holds for all time"
    )


def test_between_two_the_later_one_may_begin_earlier_behind_the_last_it_may_go_on():
    between, behind = lost(calibration("early", end=2), calibration("c", begin=3, end=5))
    assert between[:2] == (hour(2), hour(3))
    assert between.why.endswith("leave out `from` of c if it holds for all time")
    assert behind[:2] == (hour(5), hour(9))
    assert behind.why.endswith("leave out `to` of c if it holds for all time")


def test_each_stretch_has_its_own_reason():
    found = lost(calibration("a", begin=3, end=5), calibration("b", begin=7, end=8))
    assert [(s.first_ns, s.last_ns) for s in found] == [
        (hour(1), hour(3)), (hour(5), hour(7)), (hour(8), hour(9))
    ]  # fmt: skip
    keys = [s.why.partition("leave out ")[2].split(" if ")[0] for s in found]
    assert keys == ["`from` of a", "`from` of b", "`to` of b"]


def test_a_stretch_that_only_touches_the_lost_values_is_not_named():
    assert [s.first_ns for s in lost(calibration("a", begin=1, end=5))] == [hour(5)]
    assert [s.last_ns for s in lost(calibration("a", begin=5, end=10))] == [hour(5)]


def test_without_calibration_there_is_no_way_to_the_quantity():
    (one,) = lost()
    assert one.why == "no factory curve or calibration leads to the channel's quantity then"


@pytest.mark.parametrize(
    ("deployed", "words"),
    [
        (False, "no deployment feeds the channel any more"),
        (True, "no deployment feeds the channel"),
    ],
)
def test_where_no_stretch_is_to_blame_it_is_the_deployment(deployed, words):
    (one,) = lost(calibration("c"), deployed=deployed)
    assert one[:2] == (hour(1), hour(9))
    assert one.why.startswith(words)
    assert one.why.endswith("then, or a second input is not there") is deployed


def test_where_nothing_is_lost_there_is_no_stretch():
    same = [rows([hour(1)], [1.0])]
    assert lost_stretches(Plan(), Knowledge(), "t", compared((same, same))) == ()
    assert LostStretch(1, 2, "x").why == "x"
