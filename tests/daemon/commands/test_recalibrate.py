"""Values again from the readings that are kept: the same, or put right and counted."""

from dataclasses import replace

import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_cal_preview import FACTS, TABLES, minute, station_in, values
from tests.stories.station import Station

from edaphon.series import Series
from edaphon.service.process import running
from edaphon.toml_input.values import instant_ns


def altered(station: Station, channel: str, *minutes: int) -> None:
    """Values of the series changed by hand."""
    series = Series(station.storage / "series.sqlite")
    for each in minutes:
        at = instant_ns(minute(each))
        (run,) = series.read(channel, at, at + 1)
        series.merge([replace(run, value=run.value + 1e-12)], {})
    series.flush()
    series.close()


@pytest.fixture(params=[False, True], ids=["daemon off", "daemon on"])
def begin(request, tmp_path):
    """A plot whose series is altered, then with the service off or on."""
    station = station_in(tmp_path)

    def started(**channels: tuple[int, ...]) -> Station:
        for name, minutes in channels.items():
            altered(station, name.replace("_", "-"), *minutes)
        if request.param:
            service = running(station.file)
            service.__enter__()
            request.addfinalizer(lambda: service.__exit__(None, None, None))
        return station

    return started


def counts(found: dict) -> dict[str, tuple[int, int]]:
    return {row["channel"]: (row["rows"], row["differing"]) for row in found["channels"]}


def test_where_nothing_differs_none_is_shown_for_each_channel(begin):
    plot = begin()
    found = call_json(plot, "recalibrate")
    assert counts(found) == {"p-temp": (6, 0), "p-vwc": (6, 0)}
    assert found["differing"] == 0
    out, _ = call(plot, "recalibrate", "--channel", "p-vwc")
    assert out == "channel\trows\tdiffering\np-vwc\t6\t0\n"


def test_rows_that_differ_are_counted_by_channel_and_put_right(begin):
    plot = begin(p_vwc=(10, 40), p_temp=(20,))
    wrong = values(plot, "p-vwc")
    dry = call_json(plot, "recalibrate", "--dry-run", codes=(1,))
    assert counts(dry) == {"p-temp": (6, 1), "p-vwc": (6, 2)}
    assert values(plot, "p-vwc") == wrong
    found = call_json(plot, "recalibrate")
    assert counts(found) == {"p-temp": (6, 1), "p-vwc": (6, 2)}
    assert call_json(plot, "recalibrate")["differing"] == 0
    assert call_json(plot, "recalibrate", "--dry-run")["differing"] == 0
    right = values(plot, "p-vwc")
    assert [n for n, (a, b) in enumerate(zip(wrong, right, strict=True)) if a != b] == [1, 4]


def test_only_what_was_asked_for_is_derived_again(begin):
    plot = begin(p_vwc=(10, 40), p_temp=(20,))
    found = call_json(plot, "recalibrate", "--channel", "p-temp")
    assert counts(found) == {"p-temp": (6, 1)}
    assert counts(call_json(plot, "recalibrate", "--channel", "p-vwc"))["p-vwc"] == (6, 2)


def test_a_stretch_with_one_chain_is_derived_whole_as_its_checks_look_back(begin):
    plot = begin(p_vwc=(10,))
    found = call_json(plot, "recalibrate", "--since", "2026-04-01T12:30", "--channel", "p-vwc")
    assert counts(found) == {"p-vwc": (6, 1)}


def test_wrong_names_and_times_are_refused(tmp_path):
    plot = Station(tmp_path, TABLES, FACTS)
    assert "no journal in" in call(plot, "recalibrate", codes=(1,))[1]
    assert "expected a time" in call(plot, "recalibrate", "--since", "x", codes=(2,))[1]
    call(plot, "apply")
    err = call(plot, "recalibrate", "--channel", "p-tmp", codes=(1,))[1]
    assert "expected the id of a channel, got 'p-tmp'; did you mean p-temp?" in err


def test_a_journal_without_values_has_none_that_differ(tmp_path):
    plot = Station(tmp_path, TABLES, FACTS)
    call(plot, "apply")
    assert counts(call_json(plot, "recalibrate")) == {"p-temp": (0, 0), "p-vwc": (0, 0)}
