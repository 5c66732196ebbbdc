"""A technician at a plot: silence meanwhile, a list at the end, then what stays silent."""

import time
from pathlib import Path

import pytest
from tests.programs import wait_until
from tests.stories.station import Station
from tests.stories.test_alerts import (
    FakeServer,
    adapter_with_probes,
    all_speak,
    messages,
    open_numbers,
)

INTERVAL_S = 4


def flags(station: Station, channel: str) -> list[int]:
    words = ("query", channel, "--config", str(station.file), "--format", "csv")
    return [int(line.split(",")[6]) for line in station.command(*words).splitlines()[1:]]


@pytest.mark.timeout(240)
def test_a_cable_cut_in_a_visit_is_reported_at_its_end_and_within_four_intervals_as_an_incident(
    tmp_path: Path,
) -> None:
    interval = f"{INTERVAL_S}s"
    with (
        FakeServer() as server,
        adapter_with_probes(tmp_path, server, interval, "ab") as (bus, station),
    ):
        wait_until(all_speak(station), "both probes", 60)
        config = ("--config", str(station.file))
        station.command("visit", "start", "Pa", "--who", "K. Berg", *config)
        wait_until(lambda: 3 in flags(station, "Pa-temp"), "values marked by the visit", 30)
        assert 3 not in flags(station, "Pb-temp")
        cut = bus.probes.pop("a")
        time.sleep(6 * INTERVAL_S)
        assert messages(server, "technician") == []
        out = station.command("visit", "end", "Pa", *config)
        ended_s = time.monotonic()
        assert "does not speak yet: source line/a" in out
        wait_until(lambda: len(messages(server, "technician")) > 1, "list and incident", 60)
        assert time.monotonic() - ended_s <= 4 * INTERVAL_S + 4  # a look and a message on top
        bus.probes["a"] = cut
        wait_until(lambda: not open_numbers(station), "no open incident", 60)
        wait_until(lambda: len(messages(server, "technician")) > 2, "its return", 30)
        found = messages(server, "technician")
        wait_until(lambda: flags(station, "Pa-temp")[-1] != 3, "values after the visit", 30)
    assert [one["occasion"] for one in found] == ["visit ended", "opened", "resolved"]
    assert "line/a" in found[0]["text"]
