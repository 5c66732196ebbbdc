"""Incidents over simulated time: one message when it begins, one when data flow again."""

from dataclasses import replace

import pytest
from tests.daemon.alerts.station import DAY, HOUR, MINUTE, TEN, Station, dids, healthy

from edaphon.alerts.book import Book, replayed
from edaphon.alerts.look import LookResult, PauseNow
from edaphon.alerts.model import LOGGER, Severity, What


def test_a_healthy_station_sends_nothing() -> None:
    station = Station().run(2 * DAY, each=5 * MINUTE)
    assert station.events == []


def test_a_silent_probe_is_one_message_within_four_intervals_and_one_when_back() -> None:
    station = Station().run(HOUR)
    last = max(one.last_ns or 0 for one in station.now.sources)
    station.silent = {"source one/1"}
    station.run(3 * HOUR)
    assert station.occasions == ["opened"]
    at, _ = station.messages[0]
    assert at - last <= 4 * TEN
    (incident,) = station.book.open
    assert (incident.cause, incident.what) == ("source one/1", What.SILENT)
    assert "channel one/1/0" in incident.members
    assert incident.since_ns == last
    assert incident.due_ns - incident.opened_ns == TEN // 2
    station.silent = set()
    station.run(3 * HOUR)
    assert station.occasions == ["opened", "resolved"]
    assert station.book.open == ()


@pytest.mark.parametrize(
    ("silent", "cause"),
    [
        ({"bus one"}, "bus one"),
        ({"source one/0", "source one/2"}, "bus one"),
        ({"supply battery"}, "supply battery"),
        ({LOGGER}, "supply battery"),
    ],
)
def test_what_fails_together_is_one_incident_of_its_cause(silent: set[str], cause: str) -> None:
    station = Station().run(HOUR)
    station.silent = silent
    station.run(5 * HOUR)
    assert station.open_causes == [cause]
    assert station.occasions == ["opened"]
    station.silent = set()
    station.run(2 * HOUR)
    assert station.occasions == ["opened", "resolved"]


def test_a_port_that_is_lost_takes_in_all_that_hangs_on_it_also_when_it_comes_back() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR, down={"bus one": (station.now.now_ns, "no such port")})
    assert station.occasions == ["opened"]
    (incident,) = station.book.open
    assert incident.what is What.PORT_LOST
    assert {f"channel one/{n}/1" for n in range(3)} <= set(incident.members)
    station.silent = {"source one/0", "source one/1"}
    station.run(15 * MINUTE, down={})
    station.silent = {"source one/0"}
    station.run(15 * MINUTE)
    station.silent = set()
    station.run(2 * HOUR)
    assert station.occasions == ["opened", "resolved"]


def test_a_port_back_after_minutes_is_resolved_only_when_its_sources_speak() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(8 * MINUTE, down={"bus one": (station.now.now_ns, "no such port")})
    station.run(90 * MINUTE, down={})
    assert station.open_causes == ["bus one"]
    assert station.occasions == ["opened"]


def test_a_child_that_stays_ill_when_its_bus_is_back_gets_its_own_incident() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR)
    station.silent = {"source one/2"}
    station.run(2 * HOUR)
    assert station.open_causes == ["source one/2"]
    assert sorted(station.occasions) == ["opened", "opened", "resolved"]


def test_a_child_sent_before_its_parent_joins_it_and_sends_nothing_more() -> None:
    station = Station().run(HOUR)
    station.silent = {"source one/0"}
    station.run(2 * HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR)
    station.silent = set()
    station.run(2 * HOUR)
    assert station.occasions == ["opened", "opened", "resolved"]
    assert [message.numbers for _, message in station.messages] == [(1,), (2,), (2,)]
    assert station.book.incidents[1].closed == "joined"


def test_a_parent_that_fails_before_the_first_message_is_the_only_one_sent() -> None:
    station = Station().run(HOUR + 5 * MINUTE)
    station.silent = {"source one/0"}
    station.pass_time(3 * MINUTE)
    station.silent = {"bus one"}
    ages = {"source one/0": 2 * MINUTE}
    later = tuple(
        replace(one, age_ns=one.age_ns + ages.get(one.node, 0)) for one in station.now.sources
    )
    station.run(2 * HOUR, sources=later)
    child, parent = station.book.incidents[1], station.book.incidents[2]
    assert (child.closed, parent.cause) == ("joined", "bus one")
    assert parent.opened_ns > child.opened_ns
    assert parent.due_ns == child.due_ns
    assert [message.numbers for _, message in station.messages] == [(2,)]


def test_channels_of_one_probe_without_numbers_are_one_incident_of_the_probe() -> None:
    station = Station().run(HOUR)
    station.numberless = {"channel one/1/0", "channel one/1/1"}
    station.run(2 * HOUR)
    station.numberless = {"channel one/1/0"}
    station.run(2 * HOUR)
    assert station.open_causes == ["sensor one/1"]
    assert station.occasions == ["opened"]
    assert station.book.open[0].what is What.NO_NUMBER
    station.numberless = set()
    station.run(2 * HOUR)
    assert station.occasions == ["opened", "resolved"]


def test_one_output_of_a_probe_is_an_incident_of_its_channel() -> None:
    station = Station().run(HOUR)
    station.numberless = {"channel one/1/0"}
    station.run(2 * HOUR)
    assert station.open_causes == ["channel one/1/0"]


def test_an_open_supply_incident_takes_in_what_fails_below_it() -> None:
    station = Station().run(HOUR)
    falling = replace(station.now.supplies[0], daily_minima_v=(12.0, 11.7, 11.4))
    station.run(4 * HOUR, supplies=(falling,))
    station.silent = {"source one/0"}
    station.run(4 * HOUR)
    assert station.open_causes == ["supply battery"]
    assert station.occasions == ["opened"]
    assert station.book.open[0].severity is Severity.LOST
    assert station.book.open[0].what is What.SUPPLY_FALLS


def test_a_disk_that_is_full_explains_the_silence() -> None:
    station = Station().run(HOUR)
    station.silent = {LOGGER}
    station.run(3 * HOUR, disk_full=True)
    assert station.open_causes == ["disk disk"]
    assert station.occasions == ["opened"]
    station.silent = set()
    station.run(3 * HOUR, disk_full=False)
    assert station.occasions == ["opened", "resolved"]


def test_a_disk_found_full_after_the_silence_takes_its_incident_in() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR)
    station.run(HOUR, disk_full=True)
    assert station.open_causes == ["disk disk"]
    assert station.book.incidents[1].closed == "joined"
    station.run(30 * MINUTE, disk_full=False)
    assert station.open_causes == ["disk disk"]  # what hangs on it may take a while
    station.run(2 * HOUR)
    assert station.open_causes == ["bus one"]


def test_two_different_things_of_one_node_are_two_incidents() -> None:
    station = Station().run(HOUR)
    ends = station.now.now_ns + 10 * DAY
    station.silent = {"bus one"}
    station.run(3 * HOUR, calibrations_end={"channel one/0/0": ends})
    assert sorted(station.open_causes) == ["bus one", "channel one/0/0"]


def test_a_restart_neither_resolves_nor_opens_nor_sends() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR, down={"bus one": (station.now.now_ns, "no such port")})
    before = len(station.events)
    for off in (0, MINUTE, 2 * HOUR):
        station.restart(off)
        station.now = replace(station.now, down={})
        station.run(25 * MINUTE)
    assert station.events[before:] == []
    station.run(3 * HOUR)
    assert station.open_causes == ["bus one"]
    assert "resolved" not in station.occasions


@pytest.mark.parametrize("jump", [-400 * DAY, -HOUR, HOUR, 400 * DAY])
def test_a_step_of_the_clock_neither_opens_nor_resolves(jump: int) -> None:
    station = Station().run(HOUR)
    station.silent = {"source one/1"}
    station.run(2 * HOUR, down={"bus two": (station.now.now_ns, "")})
    before = list(dids(station.events))
    station.now = replace(station.now, now_ns=station.now.now_ns + jump)
    station.look()
    assert list(dids(station.events)) == before


def test_ages_that_jump_with_the_clock_open_nothing() -> None:
    station = Station().run(HOUR)
    for _ in range(3):
        ages = tuple(replace(one, age_ns=one.age_ns + 3 * HOUR) for one in station.now.sources)
        station.run(25 * MINUTE, sources=ages)
    assert station.events == []


def test_data_are_back_since_the_first_of_them_and_not_since_the_look_that_was_sure() -> None:
    station = Station().run(HOUR)
    station.silent = {"source one/0"}
    station.run(2 * HOUR + 3 * MINUTE)
    station.silent = set()
    first_ns = station.now.now_ns // TEN * TEN
    station.run(HOUR)
    (one,) = station.book.incidents.values()
    assert one.closed == "resolved"
    assert one.since_ns < one.back_ns
    assert abs(one.back_ns - first_ns) <= TEN
    assert one.back_ns < one.resolved_ns - TEN + MINUTE


def test_after_a_start_data_are_back_no_later_than_the_newest_of_them() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR)
    station.silent = set()
    station.run(11 * MINUTE)
    station.found = LookResult.of(station.book.parts)
    station.run(HOUR)
    (one,) = station.book.incidents.values()
    assert one.closed == "resolved"
    assert one.since_ns < one.back_ns <= one.resolved_ns // TEN * TEN


def test_what_flaps_stays_open_until_a_day_of_quiet() -> None:
    station = Station().run(HOUR)
    for _ in range(6):
        station.silent = {"source one/1"}
        station.run(HOUR)
        station.silent = set()
        station.run(HOUR)
    assert station.occasions == ["opened", "resolved", "opened", "resolved", "opened"]
    assert station.open_causes == ["source one/1"]
    station.run(22 * HOUR, each=5 * MINUTE)
    assert station.open_causes == ["source one/1"]
    station.run(3 * HOUR, each=5 * MINUTE)
    assert station.open_causes == []
    assert station.occasions[-1] == "resolved"


def test_a_day_of_quiet_passes_over_a_restart_of_the_machine() -> None:
    station = Station().run(HOUR)
    for _ in range(3):
        station.silent = {"source one/1"}
        station.run(HOUR)
        station.silent = set()
        station.run(HOUR)
    assert station.book.open[0].flaps
    before = len(station.events)
    station.restart(boot=True)
    station.run(23 * HOUR, each=5 * MINUTE)
    assert station.open_causes == ["source one/1"]
    assert station.events[before:] == []
    station.run(2 * HOUR, each=5 * MINUTE)
    assert station.open_causes == []


def test_a_removed_source_is_not_resolved() -> None:
    station = Station().run(HOUR)
    station.silent = {"source one/1"}
    station.run(2 * HOUR)
    left = {id_: one for id_, one in station.now.nodes.items() if "one/1" not in id_}
    station.run(
        HOUR,
        nodes=left,
        sources=tuple(one for one in station.now.sources if one.node in left),
        channels=tuple(one for one in station.now.channels if one.node in left),
    )
    assert station.occasions == ["opened"]
    assert station.book.incidents[1].closed == "removed"


def pause(station: Station, duration: int, kind: str = "pause") -> PauseNow:
    now = station.now.now_ns
    return PauseNow(frozenset({"bus one"}), now, now + duration, kind, "f1")


def test_a_pause_opens_nothing_and_after_it_three_intervals_are_waited() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(5 * HOUR, pauses=(pause(station, 5 * HOUR),))
    station.run(30 * MINUTE)
    assert station.events == []
    station.run(15 * MINUTE)
    assert station.open_causes == ["bus one"]


def test_a_pause_silences_what_was_open_and_does_not_resolve_it() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR)
    station.run(3 * DAY, each=10 * MINUTE, pauses=(pause(station, 3 * DAY + HOUR),))
    assert station.occasions == ["opened"]
    assert station.open_causes == ["bus one"]
    station.run(2 * HOUR, pauses=())
    assert station.occasions == ["opened", "repeated"]


def test_a_declared_removal_closes_without_a_message() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR)
    station.run(HOUR, pauses=(pause(station, 1000 * DAY, "removal"),))
    assert station.book.open == ()
    assert station.occasions == ["opened"]


def test_nothing_is_opened_for_sources_that_nobody_gave_an_interval() -> None:
    now = healthy()
    free = tuple(replace(one, interval_ns=None) for one in now.sources)
    station = Station(now=replace(now, sources=free, channels=()))
    station.silent = {LOGGER}
    station.run(2 * DAY, each=10 * MINUTE)
    assert station.events == []


def test_sinks_of_one_server_are_one_incident() -> None:
    station = Station().run(HOUR)
    away = tuple(replace(one, up=False, why="refused") for one in station.now.sinks)
    station.run(5 * HOUR, sinks=away)
    assert station.events == []
    station.run(2 * HOUR)
    assert station.open_causes == ["server influx"]
    assert station.book.open[0].severity is Severity.LATE


def test_the_book_is_its_events_and_survives_the_state_file() -> None:
    station = Station().run(HOUR)
    station.silent = {"bus one"}
    station.run(2 * HOUR)
    station.silent = {"source one/2"}
    station.run(2 * HOUR)
    book = Book()
    for event in station.events:
        book = replayed(book, event)
    assert book == station.book
    assert Book.from_json(book.to_json()) == book


def test_an_incident_that_flaps_for_weeks_keeps_the_turns_of_a_day() -> None:
    station = Station().run(HOUR)
    for _ in range(30):
        station.silent = {"source one/1"}
        station.run(HOUR, each=5 * MINUTE)
        station.silent = set()
        station.run(HOUR, each=5 * MINUTE)
    (incident,) = station.book.open
    assert len(incident.turns_ns) <= 26
    assert len(station.messages) <= 8
