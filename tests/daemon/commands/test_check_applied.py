"""`check` holds files against what was applied before, in the order in which it was."""

from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, call_plain
from tests.daemon.commands.test_explain import TABLES
from tests.stories.station import Station, teros12_facts

from edaphon.clock import SystemClock
from edaphon.journal import Journal

EXCHANGE = (
    '[[deployment]]\nid = "d-p-temp-ended"\nsupersedes = "d-p-temp"\nchannel = "p-temp"\n'
    'source = "sdi12/a"\noutput = "soil_temperature"\nto = "2026-05-01T09:00:00Z"\n'
    '[[deployment]]\nid = "d-p-temp-2"\nchannel = "p-temp"\nsource = "sdi12/a"\n'
    'output = "soil_temperature"\nfrom = "2026-05-01T10:00:00Z"\n'
)


@pytest.fixture
def plot(tmp_path: Path) -> Station:
    station = Station(tmp_path, TABLES, [teros12_facts("sdi12/a", "p")])
    with Journal(station.storage / "journal", SystemClock()):
        pass
    call(station, "apply")
    return station


def check(station: Station, *codes: int) -> str:
    return "".join(call_plain("check", str(station.file), codes=codes))


def test_an_exchange_in_a_file_that_sorts_first_is_good_once_it_was_applied(plot: Station) -> None:
    (plot.inbox / "2026-05-exchange.toml").write_text(EXCHANGE)
    call(plot, "apply", str(plot.inbox / "2026-05-exchange.toml"))
    assert "good: " in check(plot, 0)


def test_after_the_check_of_a_new_fact_the_next_step_is_to_apply_it(plot: Station) -> None:
    assert f"next: edaphon run {plot.file}" in check(plot, 0)
    (plot.inbox / "2026-05-exchange.toml").write_text(EXCHANGE)
    shown = check(plot, 0)
    assert f"next: edaphon apply --config {plot.file}   (2 new facts" in shown
    assert "next: edaphon run" not in shown
    call(plot, "apply")
    assert f"next: edaphon run {plot.file}" in check(plot, 0)
    elsewhere = plot.file.parent / "elsewhere.toml"
    elsewhere.write_text('[[plot]]\nid = "P7"\n')
    shown, _ = call_plain("check", str(plot.file), str(elsewhere))
    assert f"next: edaphon apply {elsewhere} --config {plot.file}   (1 new fact;" in shown


def test_a_row_that_was_edited_after_it_was_applied_is_a_mistake(plot: Station) -> None:
    file = plot.inbox / "first.toml"
    file.write_text(file.read_text().replace("depth_cm = 5", "depth_cm = 7", 1))
    assert "applied with other content" in check(plot, 3)


def test_an_exchange_is_good_before_it_is_applied_too(plot: Station) -> None:
    (plot.inbox / "2026-05-exchange.toml").write_text(EXCHANGE)
    assert "good: " in check(plot, 0)


def test_an_inbox_that_was_never_applied_is_read_in_the_order_of_what_replaces_what(
    tmp_path: Path,
) -> None:
    station = Station(tmp_path, TABLES, [teros12_facts("sdi12/a", "p")])
    (station.inbox / "2026-05-exchange.toml").write_text(EXCHANGE)
    assert "good: " in check(station, 0)
    with Journal(station.storage / "journal", SystemClock()):
        pass
    call(station, "apply")
    assert "good: " in check(station, 0)
