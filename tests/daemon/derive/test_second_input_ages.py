"""A value taken from another channel counts for so long after it, whatever ends there."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.daemon.derive.lives import T0
from tests.daemon.derive.test_beside import BESIDE, EnteredFacts, ec25, values


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
