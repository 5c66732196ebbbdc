"""What counts as wrong and as right again: thresholds, holds, and the cases of the definitions."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.alerts.station import DAY, HOUR, MINUTE, SECOND, START, TEN, healthy

from edaphon.alerts.look import (
    ChannelState,
    DoubtState,
    LookResult,
    PauseNow,
    Situation,
    SourceState,
    SupplyState,
)
from edaphon.alerts.model import HOLDS, LOGGER, Severity, What
from edaphon.alerts.rules import conditions, days_left

CASES = Path(__file__).parent / "cases"
PROBE = "source one/0"
CHANNEL = "channel one/0/0"


def cases(name: str) -> list[Any]:
    table = json.loads((CASES / f"{name}.json").read_text("utf-8"))
    return [pytest.param(case, id=case["id"]) for case in table["cases"]]


def later(situation: Situation, ns: int) -> Situation:
    return replace(situation, now_ns=situation.now_ns + ns, mono_ns=situation.mono_ns + ns)


def held(situation: Situation) -> LookResult:
    """What is found once every hold has passed, at the monotonic time of the situation."""
    early = replace(situation, mono_ns=situation.mono_ns - 3 * DAY)
    return conditions(situation, conditions(early, LookResult()))


def standing(
    situation: Situation, before: LookResult | None = None, after: int = 3 * DAY
) -> dict[tuple[str, What], Severity]:
    """What stands once every hold has passed."""
    found = conditions(situation, before or LookResult())
    found = conditions(replace(situation, mono_ns=situation.mono_ns + after), found)
    return {one.key: one.severity for one in found.standing}


def whats(situation: Situation, before: LookResult | None = None) -> set[What]:
    return {what for _, what in standing(situation, before)}


def with_source(**changes: Any) -> Situation:
    now = healthy()
    return replace(
        now,
        sources=tuple(replace(one, **changes) if one.node == PROBE else one for one in now.sources),
    )


def with_channel(now: Situation | None = None, **changes: Any) -> Situation:
    now = now or healthy()
    channels = tuple(
        replace(one, **changes) if one.node == CHANNEL else one for one in now.channels
    )
    return replace(now, channels=channels)


def doubting(node: str, what: What) -> Situation:
    return replace(healthy(), doubtful={node: DoubtState(what, START - HOUR, "flat")})


@pytest.mark.parametrize("case", cases("silence"))
def test_silence_is_as_the_cases_define_it(case: Mapping[str, Any]) -> None:
    inputs = case["inputs"]
    last, age = START, (inputs["now_s"] - inputs["last_s"]) * SECOND
    until = inputs.get("allowed_until_s")
    now = later(with_source(last_ns=last, interval_ns=inputs["interval_s"] * SECOND), age)
    now = replace(now, sources=(replace(now.sources[0], age_ns=age),))
    if until is not None:
        pause = PauseNow(frozenset({PROBE}), START, START + until * SECOND, "pause", "f")
        now = replace(now, pauses=(pause,))
    assert ((PROBE, What.SILENT) in standing(now)) == (case["expect"] == "silent")


@pytest.mark.parametrize("case", cases("supply"))
def test_supply_is_as_the_cases_define_it(case: Mapping[str, Any]) -> None:
    days = days_left(case["inputs"]["daily_minimum"], case["params"]["cutoff"])
    found = None if days is None else "will be lost" if days <= case["params"]["days"] else "fine"
    assert found == case["expect"]


def test_days_left_follow_a_line_through_all_minima() -> None:
    assert days_left([13.0, 12.0, 12.0, 11.0], 10.0) == pytest.approx(1.1 / 0.6, rel=1e-9)
    assert days_left([9.0, 8.0, 7.0], 10.0) == 0
    assert days_left([12.0, 12.0, 12.0], 10.0) == math.inf


@pytest.mark.parametrize(
    ("age", "numbered", "silent"),
    [(30, False, False), (31, False, True), (60, True, False), (61, True, True)],
)
def test_a_source_is_silent_after_three_intervals_with_a_counter_after_six(
    age: int, numbered: bool, silent: bool
) -> None:
    now = with_source(age_ns=age * MINUTE, numbered=numbered)
    assert (whats(now) == {What.SILENT}) == silent


def test_silence_ends_when_data_come_and_not_while_it_is_late() -> None:
    before = held(with_source(age_ns=HOUR))
    assert [one.key for one in before.standing] == [(PROBE, What.SILENT)]
    forgotten = with_source(age_ns=0)  # a start: its age begins again, and no value came
    assert whats(forgotten, before) == {What.SILENT}
    for age in (20, 25):  # minutes: one that is late at its first word may fall silent again
        late = with_source(last_ns=START + 9, age_ns=age * MINUTE)
        assert What.SILENT in whats(late, before)
    speaks = with_source(last_ns=START + 9, age_ns=19 * MINUTE)
    assert What.SILENT not in whats(speaks, before)
    assert {one.what for one in conditions(speaks, before).standing} == {What.SILENT}


def test_a_source_without_an_interval_is_never_silent() -> None:
    assert whats(with_source(age_ns=400 * DAY, interval_ns=None)) == set()


def test_a_source_that_never_spoke_is_silent_too() -> None:
    assert whats(with_source(last_ns=None, age_ns=HOUR)) == {What.SILENT}


def numberless(age: int, **changes: Any) -> Situation:
    """A source that spoke just now, one of whose channels has no number for some minutes."""
    return with_channel(with_source(**changes), last_number_ns=START - age * MINUTE)


def begins_after(minutes: int, last_age: int = 0, **changes: Any) -> bool:
    """Whether NO_NUMBER stands after looks each minute, the last number being of that age."""
    found = LookResult()
    for minute in range(minutes + 1):
        now = numberless(last_age + minute, **changes)
        found = conditions(replace(now, mono_ns=now.mono_ns + minute * MINUTE), found)
    return [one.key for one in found.standing] == [(CHANNEL, What.NO_NUMBER)]


def test_a_channel_has_no_number_after_three_intervals_while_its_source_speaks() -> None:
    assert not begins_after(30)
    assert begins_after(31)
    assert not begins_after(60, numbered=True)
    assert begins_after(61, numbered=True)


def test_a_silence_takes_as_long_by_the_monotonic_clock_less_one_interval() -> None:
    now = with_source(age_ns=400 * DAY)
    found = conditions(now, LookResult())
    assert conditions(replace(now, mono_ns=now.mono_ns + 2 * TEN - 1), found).standing == ()
    assert conditions(replace(now, mono_ns=now.mono_ns + 2 * TEN), found).standing != ()


def test_after_a_silence_of_its_source_a_channel_has_its_intervals_again() -> None:
    assert not begins_after(19, last_age=1000)
    assert begins_after(20, last_age=1000)


def station_at(interval: int, second: int, source_stops: int, number_stops: int) -> Situation:
    """A source with records 2 s after its slots, of which the last come at these seconds."""

    def last(until: int) -> int:
        return START + (min(second, until) - 2) // interval * interval * SECOND

    now_ns, spoke = START + second * SECOND, last(source_stops)
    now = with_source(last_ns=spoke, age_ns=now_ns - spoke, interval_ns=interval * SECOND)
    now = with_channel(now, last_number_ns=last(number_stops), interval_ns=interval * SECOND)
    # the other channels of the probe, and other sources, are not what this is about
    sources = tuple(one for one in now.sources if one.node == PROBE)
    channels = tuple(one for one in now.channels if one.node == CHANNEL)
    mono_ns = now.mono_ns + second * SECOND
    return replace(now, now_ns=now_ns, mono_ns=mono_ns, sources=sources, channels=channels)


def noticed(interval: int, start: int, *stops: int) -> dict[What, int]:
    """What stands in looks each 30 s, and since which second."""
    found, first = LookResult(), dict[What, int]()
    for second in range(900 + start, 1500, 30):
        found = conditions(station_at(interval, second, *stops), found)
        first = {one.what: second for one in found.standing} | first
    return first


@pytest.mark.parametrize("interval", [5, 10, 15, 20, 30, 60])
def test_numbers_that_come_between_two_looks_are_never_missed(interval: int) -> None:
    assert all(noticed(interval, start, 9999, 9999) == {} for start in range(30))


@pytest.mark.parametrize(
    ("what", "stops"), [(What.NO_NUMBER, (9999, 1000)), (What.SILENT, (1000, 1000))]
)
def test_a_short_interval_that_stops_is_noticed_in_time(what: What, stops: tuple[int, int]) -> None:
    for start in range(30):
        found = noticed(10, start, *stops)
        assert list(found) == [what]
        assert 1010 < found[what] <= 1000 + 2 * 30 + 10


def test_a_silent_source_has_no_channels_without_numbers() -> None:
    now = with_source(last_ns=START, age_ns=2 * HOUR)
    assert set(standing(with_channel(now, last_number_ns=START - HOUR))) == {(PROBE, What.SILENT)}


def test_a_channel_that_never_had_a_number_counts_from_its_deployment() -> None:
    fresh = with_channel(last_number_ns=None, since_ns=START - 9 * MINUTE)
    assert whats(fresh) == set()
    old = with_channel(last_number_ns=None, since_ns=START - 11 * MINUTE)
    assert whats(old) == {What.NO_NUMBER}
    assert conditions(old, LookResult()).standing == ()


def test_no_number_ends_with_a_new_number() -> None:
    wrong = numberless(60)
    before = conditions(replace(wrong, mono_ns=99 * DAY), LookResult())
    before = conditions(wrong, before)
    assert {one.what for one in before.standing} == {What.NO_NUMBER}
    assert whats(numberless(60), before) == {What.NO_NUMBER}
    assert whats(with_channel(last_number_ns=START), before) == set()
    late = with_channel(last_number_ns=START - 20 * MINUTE)  # two intervals: it may stop again
    assert whats(late, before) == {What.NO_NUMBER}


def test_times_that_are_corrected_are_no_new_number() -> None:
    wrong = with_channel(with_source(last_ns=START + HOUR), last_number_ns=START)
    before = held(wrong)
    assert {one.what for one in before.standing} == {What.NO_NUMBER}
    assert whats(with_channel(last_number_ns=START), before) == {What.NO_NUMBER}


def failing(*minutes_ago: int, **changes: Any) -> Situation:
    times = tuple(sorted(START - ago * MINUTE for ago in minutes_ago))
    return with_channel(failed_ns=times, code="no supply", **changes)


@pytest.mark.parametrize(
    ("minutes_ago", "wrong"),
    [((5,), False), ((5, 15), True), ((5, 360), True), ((5, 361), False), ((400, 410), False)],
)
def test_two_failure_codes_within_six_hours_are_a_condition(
    minutes_ago: tuple[int, ...], wrong: bool
) -> None:
    assert (whats(failing(*minutes_ago)) == {What.FAILURE_CODE}) == wrong


def test_failure_codes_of_a_pause_do_not_count_after_it() -> None:
    pause = PauseNow(frozenset({CHANNEL}), START - DAY, START - 10 * MINUTE, "visit", "f")
    assert whats(replace(failing(5, 15), pauses=(pause,))) == set()
    assert whats(replace(failing(5, 9), pauses=(pause,))) == {What.FAILURE_CODE}


def test_slow_instruments_have_three_of_their_intervals_for_two_codes() -> None:
    slow = failing(70, 400, interval_ns=3 * HOUR)
    assert whats(slow) == {What.FAILURE_CODE}


def test_failure_codes_end_after_six_hours_without_one_and_numbers() -> None:
    before = conditions(failing(5, 15), LookResult())
    assert before.standing[0].numbers["code"] == "no supply"
    assert whats(failing(360, 400), before) == {What.FAILURE_CODE}
    assert whats(failing(361, 400), before) == set()
    no_numbers = with_channel(last_number_ns=START - 25 * MINUTE)
    assert What.FAILURE_CODE in whats(no_numbers, before)


def supply(last_v: float, *minima: float, least_v: float | None = 11.0) -> Situation:
    return replace(
        healthy(), supplies=(SupplyState("supply battery", START, last_v, least_v, minima),)
    )


def test_a_low_supply_ends_a_margin_above_where_it_began() -> None:
    assert standing(supply(10.9)) == {("supply battery", What.LOW_SUPPLY): Severity.LOST}
    before = conditions(supply(10.9), LookResult())
    assert before.standing == ()  # one low value is no loss yet
    before = conditions(replace(supply(10.9), mono_ns=200 * DAY), before)
    assert whats(supply(11.1), before) == {What.LOW_SUPPLY}
    assert whats(supply(11.3), before) == set()
    assert whats(supply(5.0, least_v=None)) == set()


def test_an_old_voltage_says_nothing_of_now() -> None:
    assert whats(later(supply(10.0), 2 * DAY)) == set()


def test_a_supply_that_will_be_too_low_within_a_week_is_known_before() -> None:
    falling = supply(12.0, 12.6, 12.3, 12.0)
    assert standing(falling) == {("supply battery", What.SUPPLY_FALLS): Severity.WILL_BE_LOST}
    assert whats(supply(12.0, 12.2, 12.1, 12.0)) == set()
    assert whats(supply(12.0, 13.0, 12.0)) == set()
    before = LookResult(
        conditions(replace(falling, mono_ns=200 * DAY), conditions(falling, LookResult())).standing
    )
    assert whats(supply(12.0, 12.2, 12.1, 12.0), before) == {What.SUPPLY_FALLS}
    assert whats(supply(12.0, 12.1, 12.05, 12.0), before) == set()


def test_the_texts_of_a_falling_supply_know_when_data_begin_to_be_lost() -> None:
    falling = supply(12.0, 12.6, 12.3, 12.0)
    found = conditions(replace(falling, mono_ns=200 * DAY), conditions(falling, LookResult()))
    numbers = found.standing[0].numbers
    assert numbers["begins_ns"] == pytest.approx(START + DAY / 0.3, abs=HOUR)
    assert (numbers["last_v"], numbers["least_v"]) == (12.0, 11.0)


def sink(**changes: Any) -> Situation:
    now = healthy()
    return replace(now, sinks=(replace(now.sinks[0], **changes), now.sinks[1]))


@pytest.mark.parametrize(
    ("wrong", "node", "what", "severity", "hold"),
    [
        (
            replace(healthy(), down={"bus one": (START, "")}),
            "bus one",
            What.PORT_LOST,
            Severity.LOST,
            5 * MINUTE,
        ),
        (sink(up=False), "sink a", What.SINK_AWAY, Severity.LATE, 6 * HOUR),
        (sink(up=False, blocked=True), "sink a", What.SINK_BLOCKED, Severity.LATE, 10 * MINUTE),
        (sink(set_aside=3), "sink a", What.SET_ASIDE, Severity.LATE, 10 * MINUTE),
        (replace(healthy(), disk_full=True), "disk disk", What.DISK_FULL, Severity.LOST, 0),
        (
            replace(healthy(), disk_days=13.0),
            "disk disk",
            What.DISK_FILLS,
            Severity.WILL_BE_LOST,
            HOUR,
        ),
        (
            replace(healthy(), journal_fails="EIO"),
            "journal journal",
            What.JOURNAL_FAILS,
            Severity.LOST,
            0,
        ),
        (
            replace(healthy(), losses=("rows 1-9",)),
            "journal journal",
            What.ENTRIES_LOST,
            Severity.LOST,
            0,
        ),
        (
            replace(healthy(), clock_known=False),
            "clock clock",
            What.CLOCK_UNKNOWN,
            Severity.LOST,
            HOUR,
        ),
        (
            replace(healthy(), wrong_sensors={PROBE: ("2", "1")}),
            PROBE,
            What.WRONG_SENSOR,
            Severity.DOUBTFUL,
            10 * MINUTE,
        ),
        (
            doubting(CHANNEL, What.DOUBTFUL_VALUES),
            CHANNEL,
            What.DOUBTFUL_VALUES,
            Severity.DOUBTFUL,
            0,
        ),
        (doubting(CHANNEL, What.VALUES_LOST), CHANNEL, What.VALUES_LOST, Severity.LOST, 0),
        (
            doubting(CHANNEL, What.CABLES_SWAPPED),
            CHANNEL,
            What.CABLES_SWAPPED,
            Severity.DOUBTFUL,
            0,
        ),
        (with_source(clock_ahead_ns=HOUR), PROBE, What.CLOCK_OFF, Severity.DOUBTFUL, 0),
        (
            replace(healthy(), calibrations_end={CHANNEL: START + 29 * DAY}),
            CHANNEL,
            What.CALIBRATION_ENDS,
            Severity.WILL_BE_LOST,
            HOUR,
        ),
        (
            replace(healthy(), failing={"deriver": "ValueError"}),
            "service service",
            What.PART_FAILS,
            Severity.LATE,
            10 * MINUTE,
        ),
        (
            replace(healthy(), receivers_refuse={"mail": "535"}),
            "receiver mail",
            What.RECEIVER_REFUSES,
            Severity.LATE,
            0,
        ),
        (
            with_source(numbered=True, missed=11, received=9),
            PROBE,
            What.UPLINKS_MISSED,
            Severity.LOST,
            HOUR,
        ),
        (
            replace(healthy(), floods={PROBE: (START - HOUR, 7), "source gone": (START, 1)}),
            PROBE,
            What.FLOOD,
            Severity.DOUBTFUL,
            0,
        ),
    ],
)
def test_a_condition_begins_after_its_hold_and_ends_when_all_is_well(
    wrong: Situation, node: str, what: What, severity: Severity, hold: int
) -> None:
    found = conditions(wrong, LookResult())
    if hold:
        found = conditions(replace(wrong, mono_ns=wrong.mono_ns + hold - 1), found)
        assert found.standing == ()
        found = conditions(replace(wrong, mono_ns=wrong.mono_ns + hold), found)
    assert [(one.node, one.what, one.severity) for one in found.standing] == [
        (node, what, severity)
    ]
    well = with_source(numbered=True, received=20) if what is What.UPLINKS_MISSED else healthy()
    well = with_source(clock_ahead_ns=0) if what is What.CLOCK_OFF else well
    if HOLDS[what].end_ns:
        found = conditions(replace(well, mono_ns=200 * DAY), found)
        assert len(found.standing) == 1
    found = conditions(replace(well, mono_ns=300 * DAY), found)
    assert found.standing == ()


@pytest.mark.parametrize(
    ("begins", "stays", "what"),
    [
        (replace(healthy(), disk_days=13.0), replace(healthy(), disk_days=20.0), What.DISK_FILLS),
        (
            with_source(numbered=True, missed=11, received=9),
            with_source(numbered=True, missed=6, received=14),
            What.UPLINKS_MISSED,
        ),
    ],
)
def test_between_the_thresholds_nothing_begins_and_nothing_ends(
    begins: Situation, stays: Situation, what: What
) -> None:
    assert whats(stays) == set()
    before = conditions(begins, LookResult())
    before = conditions(replace(begins, mono_ns=200 * DAY), before)
    assert whats(replace(stays, mono_ns=300 * DAY), before) == {what}


def test_without_a_clock_nobody_knows_whether_a_calibration_ends() -> None:
    now = replace(healthy(), calibrations_end={CHANNEL: START + DAY}, clock_known=False)
    assert whats(now) == {What.CLOCK_UNKNOWN}


def test_a_few_frames_make_no_share() -> None:
    assert whats(with_source(numbered=True, missed=5, received=1)) == set()


def test_a_broker_that_is_away_is_late_for_hours_before_anybody_must_know() -> None:
    now = healthy()
    broker = now.nodes["bus one"]._replace(kind=type(now.nodes["bus one"].kind).BROKER)
    now = replace(now, nodes={**now.nodes, "bus one": broker}, down={"bus one": (START, "")})
    assert standing(now) == {("bus one", What.BROKER_LOST): Severity.LATE}
    found = conditions(replace(now, mono_ns=now.mono_ns + 5 * HOUR), conditions(now, LookResult()))
    assert found.standing == ()


def test_a_hold_begins_again_when_it_is_well_between() -> None:
    wrong = sink(up=False)
    found = conditions(wrong, LookResult())
    found = conditions(replace(healthy(), mono_ns=wrong.mono_ns + 5 * HOUR), found)
    found = conditions(replace(wrong, mono_ns=wrong.mono_ns + 5 * HOUR + 1), found)
    found = conditions(replace(wrong, mono_ns=wrong.mono_ns + 7 * HOUR), found)
    assert found.standing == ()


@pytest.mark.parametrize("jump", [-400 * DAY, 400 * DAY])
def test_a_step_of_the_clock_passes_no_hold(jump: int) -> None:
    wrong = sink(up=False)
    found = conditions(wrong, LookResult())
    found = conditions(replace(wrong, now_ns=START + jump, mono_ns=wrong.mono_ns + HOUR), found)
    assert found.standing == ()


def test_a_node_in_a_pause_begins_nothing_and_its_end_counts_anew() -> None:
    pause = PauseNow(frozenset({"bus one"}), START - DAY, START + HOUR, "pause", "f")
    now = replace(with_source(age_ns=DAY), pauses=(pause,))
    assert whats(now) == set()
    ended = replace(now, pauses=(replace(pause, end_ns=START - 30 * MINUTE),))
    assert whats(ended) == set()
    assert whats(later(ended, MINUTE)) == {What.SILENT}


def test_what_is_no_longer_configured_stands_no_more() -> None:
    before = held(with_source(age_ns=HOUR))
    now = with_source(age_ns=HOUR)
    assert whats(replace(now, sources=now.sources[1:]), before) == set()
    removal = PauseNow(frozenset({PROBE}), START, START + DAY, "removal", "f")
    assert whats(replace(now, pauses=(removal,)), before) == set()


def test_a_supply_that_nobody_measures_any_more_is_as_it_was() -> None:
    before = conditions(supply(10.0), LookResult())
    before = conditions(replace(supply(10.0), mono_ns=200 * DAY), before)
    assert whats(replace(healthy(), supplies=()), before) == {What.LOW_SUPPLY}


def test_every_kind_has_a_severity_and_a_hold() -> None:
    assert set(HOLDS) == set(What)
    assert Severity.COSMETIC not in {hold.severity for hold in HOLDS.values()}


def test_unknown_nodes_in_a_situation_do_no_harm() -> None:
    now = replace(healthy(), down={"bus nine": (START, "")}, failing={"x": "y"}, nodes={})
    lone = (SourceState("source lone", START, HOUR, TEN),)
    channels = (ChannelState("channel lone", START, TEN),)
    assert LOGGER in {node for node, _ in standing(replace(now, sources=lone, channels=channels))}


@pytest.mark.parametrize(("age", "ends"), [(2 * DAY, True), (60 * DAY, False)])
def test_cables_that_were_swapped_longer_ago_than_rows_are_tested_still_are(
    age: int, ends: bool
) -> None:
    swapped = DoubtState(What.CABLES_SWAPPED, START - age, "cables swapped, against b")
    found = conditions(replace(healthy(), doubtful={CHANNEL: swapped}), LookResult())
    for mono in (HOUR, 3 * HOUR):
        found = conditions(replace(healthy(), mono_ns=healthy().mono_ns + mono), found)
    assert (found.standing == ()) is ends
