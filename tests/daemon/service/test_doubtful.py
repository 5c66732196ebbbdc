"""Values that fail tests with their context become an incident; one odd value does not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.conformance.quality_plots import Plot
from tests.daemon.commands.calling import call_json, until
from tests.daemon.commands.test_files import HEAD, MODEL, SOURCE
from tests.daemon.commands.test_visit import FACTS
from tests.stories.station import Station

from edaphon.alerts.model import What
from edaphon.doubts import doubt_of
from edaphon.facts import Mark
from edaphon.service.process import running

ROW_NS = 600_000_000_000


def thermometer(values: np.ndarray) -> Plot:
    plot = Plot(np.arange(len(values)) * ROW_NS)
    plot.add("t", "soil_temperature", "degC", 5, [f"{value:.2f}" for value in values])
    return plot


def daily(n: int) -> np.ndarray:
    """A temperature that moves with the day."""
    return 12 + 4 * np.sin(np.arange(n) * 2 * np.pi / 144)


def test_a_stuck_sensor_is_doubtful_since_it_is_stuck() -> None:
    values = daily(432)
    assert doubt_of(thermometer(values).report("t")) is None
    values[200:300] = values[200]
    doubt = doubt_of(thermometer(values).report("t"))
    assert doubt is not None
    assert doubt.tests[0] == "flat"
    assert doubt.since_ns == pytest.approx(200 * ROW_NS, abs=2 * ROW_NS)
    assert doubt.text.startswith("flat")


def test_what_a_person_has_marked_is_nothing_new() -> None:
    values = daily(432)
    values[200:300] = values[200]
    report = thermometer(values).report("t")
    begin, end = (f"{np.datetime64(row * 600, 's')}Z" for row in (199, 301))
    mark = {"id": "m", "channels": ["t"], "cause": "logger hung", "flag": 4, "who": "K. Berg"}
    whole = Mark.model_validate({**mark, "from": begin, "to": end})
    assert doubt_of(report, [whole]) is None
    part = Mark.model_validate({**mark, "from": begin, "to": f"{np.datetime64(250 * 600, 's')}Z"})
    assert doubt_of(report, [part]) is not None


@pytest.mark.parametrize(("spikes", "doubtful"), [(1, False), (2, False), (3, True)])
def test_one_spike_is_no_reason_and_three_are(spikes: int, doubtful: bool) -> None:
    values = daily(432)
    values[100 : 100 + 40 * spikes : 40] += 9
    assert (doubt_of(thermometer(values).report("t")) is not None) is doubtful


def test_two_probes_that_drift_apart_are_one_doubt_that_names_both() -> None:
    n = 144 * 20
    plot = Plot(np.arange(n) * ROW_NS)
    for id, slope in (("wa", 0.0), ("wb", 0.004 / 144)):
        cells = [f"{0.25 + slope * row + 0.0004 * (row % 7):.4f}" for row in range(n)]
        plot.add(id, "volumetric_water_content", "m3/m3", 5, cells)
    doubt = doubt_of(plot.report("wb"))
    assert doubt is not None
    assert set(doubt.tests) <= {"drift", "replicate"}
    assert doubt.against == "wa"
    assert doubt.text.endswith(", against wa")


def test_the_service_reports_a_channel_whose_values_are_doubtful(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=20)
    times = [begin + timedelta(minutes=10 * n) for n in range(114)]
    rows = [f"{time:%Y-%m-%d %H:%M},9.87\n" for time in times]
    (data / "a.csv").write_text(HEAD + "".join(rows))
    station = Station(tmp_path, [MODEL, SOURCE.replace("FOLDER", str(data))], [FACTS])
    with running(station.file) as service:
        until(lambda: call_json(station, "status", codes=(0, 1))["ledgers"]["derived"] == 114)
        service.doubtful.run()
        (node,) = service.doubtful.found
        assert (node, service.doubtful.found[node].why) == ("channel x", "flat")

        def reported() -> list[str]:
            service.alerts.wake()
            found = call_json(station, "status", codes=(0, 1))["incidents"]
            return [one["what"] for one in found]

        until(lambda: What.VALUES_LOST.value in reported())
        assert service.doubtful.found[node].since_ns <= int(times[1].timestamp() * 1e9)
