"""A ledger that does not add up is found, whatever else agrees."""

import shutil
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_explain import FACTS, TABLES
from tests.daemon.commands.test_release import settled
from tests.stories.station import Station

from edaphon.series import Series

__all__ = ["settled"]  # a fixture


@pytest.fixture
def plot(settled: Path, tmp_path: Path) -> Station:
    station = Station(tmp_path / "plot", TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


@pytest.mark.parametrize("name", ["records", "decoded", "dead", "duplicates"])
def test_records_are_the_sum_of_what_became_of_them(plot: Station, name: str) -> None:
    assert call_json(plot, "verify", codes=(1,))["entries"]["closes"]  # its slots have gaps
    with closing(Series(plot.storage / "series.sqlite")) as series:
        table = orjson.loads(series.checkpoint("deriver") or b"")
        table["state"]["counts"][name] += 1
        series.flush({"deriver": orjson.dumps(table).decode()})
    found = call_json(plot, "verify", codes=(1,))
    assert not found["entries"]["closes"]
    assert not found["good"]


@pytest.mark.parametrize("deep", [(), ("--deep",)])
def test_a_sink_that_is_not_read_back_is_unknown_and_does_not_close(
    settled: Path, tmp_path: Path, deep: tuple[str, ...]
) -> None:
    sink = f'[[sink]]\nname = "out"\nkind = "jsonl"\nfolder = "{tmp_path / "out"}"\n'
    station = Station(tmp_path / "plot", [*TABLES, sink], FACTS)
    shutil.copytree(settled, station.storage)
    found = call_json(station, "verify", *deep, codes=(1,))["sinks"]["out"]
    assert found["closes"] is (True if deep else None)
    assert (found["delivered"] is None) is not bool(deep)
    assert ("UNKNOWN" in call(station, "verify", *deep, codes=(1,))[0]) is not bool(deep)
