"""Queries: units as UCUM codes, and what was known at a time of the past."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call
from tests.daemon.commands.test_explain import FACTS, TABLES
from tests.daemon.commands.test_release import CORRECTION, settled
from tests.stories.station import Station

from edaphon.commands.offline import settled_deriver
from edaphon.commands.storage import open_storage

__all__ = ["settled"]  # a fixture


@pytest.fixture
def plot(settled: Path, tmp_path: Path) -> Station:
    station = Station(tmp_path / "plot", TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


def test_units_are_told_as_ucum_codes(plot: Station) -> None:
    def units(*words: str) -> set[str]:
        rows = call(plot, "query", "p-temp", *words)[0].splitlines()[1:]
        return {row.split(",")[3] for row in rows}

    assert (units(), units("--ucum")) == ({"degC"}, {"Cel"})
    assert units("--ucum", "--level", "raw") == {"Cel"}


def test_what_was_known_before_a_correction_stays_answerable(plot: Station) -> None:
    before = call(plot, "query", "p-temp")[0]
    then = datetime.now(UTC) + timedelta(milliseconds=1)
    while datetime.now(UTC) < then:
        pass
    file = plot.folder / "bath.toml"
    file.write_text(CORRECTION)
    call(plot, "apply", str(file))
    with settled_deriver(open_storage(plot.file)):
        pass
    assert call(plot, "query", "p-temp")[0] != before
    assert call(plot, "query", "p-temp", "--as-known-at", then.isoformat())[0] == before
    later = (then + timedelta(hours=1)).isoformat()
    known_later = call(plot, "query", "p-temp", "--as-known-at", later)[0]
    assert known_later == call(plot, "query", "p-temp")[0]


def test_a_time_of_which_nothing_is_known_is_refused(plot: Station) -> None:
    _, said = call(plot, "query", "p-temp", "--as-known-at", "1990-01-01", codes=(1,))
    assert "nothing was known then" in said
    _, said = call(plot, "query", "p-temp", "--as-known-at", "soon", codes=(2,))
    assert "expected a time such as 2026-04-01" in said
    words = ("--as-known-at", "2026-01-01", "--release", "r")
    assert "got both" in call(plot, "query", "p-temp", *words, codes=(2,))[1]
