"""A value taken from another channel counts for so long after it, whatever ends there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from tests.daemon.derive.lives import T0
from tests.daemon.derive.test_second_inputs import BESIDE, EnteredFacts, ec25, values

from edaphon.clock import instant_text
from edaphon.derive.plan import Plan
from edaphon.facts import Knowledge
from edaphon.model import ALWAYS, EntryId
from edaphon_drivers.sheets import Output

HOUR_NS = 3600 * 10**9
EC = "bulk_electrical_conductivity"


def time(minute: float) -> str:
    start = datetime.fromtimestamp(T0 // 10**9, UTC)
    return (start + timedelta(minutes=minute)).isoformat()


def with_an_end(minute: float) -> EnteredFacts:
    """The temperature is deployed until then, measured in minute 2."""
    plot = EnteredFacts()
    plot.learn("deployment", id="ended", supersedes="dwarm", channel="warm", source="local/temp",
               output="t", to=time(minute))  # fmt: skip
    plot.calibrate("c1", BESIDE)
    plot.hear("temp", 2, t=35.0)
    return plot


@pytest.mark.parametrize("limit", [1, 4000])
@pytest.mark.parametrize("end", [2.5, 20])
def test_a_correction_of_what_ended_corrects_what_took_it_after_the_end(tmp_path, limit, end):
    plot = with_an_end(end)
    plot.hear("ec", 15, ec=100.0)
    plot.hear("ec", 31, ec=100.0)
    plot.learn("calibration", id="offset", channel="warm", curve="polynomial",
               parameters={"c0": -10.0, "c1": 1.0}, from_unit="K", to_unit="K")  # fmt: skip
    plot.hear("ec", 31.5, ec=100.0)
    assert values(tmp_path, plot.entries, limit) == [pytest.approx(ec25(100, 25))] * 3


def hour(n: int) -> str:
    return instant_text(T0 + n * HOUR_NS)


def test_a_derivation_names_those_of_the_other_channel_whose_values_it_can_take():
    """Two probes of temperature, one until hour 3 and one from then on; an age of one hour."""
    tables: list[dict[str, Any]] = [
        {"kind": "channel", "id": "warm", "quantity": "soil_temperature", "unit": "degC"},
        {"kind": "channel", "id": "ec", "quantity": EC + "_25c", "unit": "uS/cm"},
        {"kind": "deployment", "id": "d1", "channel": "warm", "source": "a", "output": "t",
         "to": hour(3)},
        {"kind": "deployment", "id": "d2", "channel": "warm", "source": "b", "output": "t",
         "from": hour(3)},
        {"kind": "deployment", "id": "d3", "channel": "ec", "source": "a", "output": "ec"},
        {"kind": "calibration", "id": "c", "channel": "ec", "curve": "conductivity_at_25",
         "parameters": {}, "second": {"channel": "warm", "max_age": "1h"}},
    ]  # fmt: skip
    knowledge = Knowledge.of([(EntryId(1, n), table) for n, table in enumerate(tables, 1)])
    outputs = {"t": Output("t", "soil_temperature", "degC"), "ec": Output("ec", EC, "uS/cm")}
    plan = Plan.of(knowledge, {"a": outputs, "b": outputs}, "site")
    first, second = (e.derivation for e in plan.intervals["warm"])
    assert [
        (e.start_ns, e.end_ns, orjson.loads(plan.texts[e.derivation])["beside"])
        for e in plan.intervals["ec"]
    ] == [
        (ALWAYS[0], T0 + 3 * HOUR_NS, [["c", first]]),
        (T0 + 3 * HOUR_NS, T0 + 4 * HOUR_NS, [["c", *sorted([first, second])]]),
        (T0 + 4 * HOUR_NS, ALWAYS[1], [["c", second]]),
    ]
