"""Which node explains what fails: by its children, by itself, by its supply or by the storage."""

from dataclasses import replace

import pytest
from tests.daemon.alerts.station import DAY, HOUR, START, TEN, healthy, node

from edaphon.alerts.incidents import causes
from edaphon.alerts.look import ChannelState, PauseNow, Situation, SourceState
from edaphon.alerts.model import LOGGER, Condition, Node, NodeKind, Severity, What

LOST = Severity.LOST


def condition(id_: str, what: What = What.SILENT, since: int = START) -> Condition:
    return Condition(id_, what, LOST, since)


def silent(*names: str) -> list[Condition]:
    return [condition(f"source {name}") for name in names]


def found(situation: Situation, conditions: list[Condition]) -> list[str]:
    return sorted(one.node for one in causes(situation, conditions))


def file_logger() -> Situation:
    """Another logger whose file is followed: four probes on its bus, three without."""
    tree = [
        Node(LOGGER, NodeKind.LOGGER, "logger", "", "logger"),
        node(NodeKind.SOURCE, "file", LOGGER),
        node(NodeKind.BUS, "far", "source file"),
        *(node(NodeKind.SENSOR, name, "bus far") for name in "ABCD"),
        *(node(NodeKind.SENSOR, name, "source file") for name in "GKL"),
    ]
    outputs = {"A": 3, "B": 1, "C": 2, "D": 2, "G": 1, "K": 2, "L": 5}
    tree += [
        node(NodeKind.CHANNEL, f"{name}{n}", f"sensor {name}")
        for name, count in outputs.items()
        for n in range(count)
    ]
    return Situation(
        now_ns=START,
        mono_ns=DAY,
        nodes={one.id: one for one in tree},
        sources=(SourceState("source file", START, 0, TEN),),
        channels=tuple(
            ChannelState(one.id, START, TEN) for one in tree if one.kind is NodeKind.CHANNEL
        ),
        listening_ns=DAY,
    )


def without(*channels: str, what: What = What.NO_NUMBER) -> list[Condition]:
    return [condition(f"channel {one}", what) for one in channels]


BUS = ["A0", "A1", "A2", "B0", "C0", "C1", "D0", "D1"]


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        (["A0"], ["channel A0"]),
        (["A0", "A1"], ["sensor A"]),
        (["L0", "L1"], ["sensor L"]),
        (["A0", "A1", "A2"], ["sensor A"]),
        (["B0"], ["sensor B"]),
        (["A0", "A1", "A2", "B0"], ["sensor A", "sensor B"]),
        (BUS, ["bus far"]),
        (["A0", "A1", "A2", "B0", "C0", "C1"], ["bus far"]),
        ([*BUS, "G0"], ["bus far", "sensor G"]),
        ([*BUS, "G0", "K0", "K1"], ["source file"]),
    ],
)
def test_what_a_file_does_not_bring_is_gathered_at_the_probe_or_the_bus(
    failing: list[str], expected: list[str]
) -> None:
    assert found(file_logger(), without(*failing)) == expected


def test_a_probe_that_brings_one_of_three_numbers_is_not_dead() -> None:
    failing = without("A0", "B0", "C0", "D0")  # of A only one, of B all, of C and D half
    assert found(file_logger(), failing) == ["channel A0", "channel C0", "channel D0", "sensor B"]


def test_a_probe_with_an_open_incident_keeps_it_until_all_of_it_is_well() -> None:
    (cause,) = causes(file_logger(), without("A0"), {"sensor A"})
    assert (cause.node, cause.members) == ("sensor A", ("sensor A", "channel A0"))


def test_a_probe_with_codes_between_its_numbers_still_gives_data() -> None:
    codes = without(*BUS, what=What.FAILURE_CODE)
    assert found(file_logger(), codes) == ["sensor A", "sensor B", "sensor C", "sensor D"]
    old = file_logger()
    old = replace(
        old, channels=tuple(replace(one, last_number_ns=START - HOUR) for one in old.channels)
    )
    assert found(old, codes) == ["bus far"]


def test_a_source_that_speaks_shows_that_its_bus_works() -> None:
    names = [f"one/{n}/{output}" for n in range(3) for output in range(2)]
    expected = ["sensor one/0", "sensor one/1", "sensor one/2"]
    assert found(healthy(), without(*names)) == expected


def test_two_thirds_and_two_of_the_children() -> None:
    assert found(healthy(), silent("one/0")) == ["source one/0"]
    assert found(healthy(), silent("one/0", "one/1")) == ["bus one"]
    four = healthy(probes=4)
    assert found(four, silent("one/0", "one/1")) == ["source one/0", "source one/1"]
    assert found(four, silent("one/0", "one/1", "one/2")) == ["bus one"]
    alone = healthy(probes=1)
    assert found(alone, silent("one/0")) == ["source one/0"]


def test_paused_children_are_not_expected_to_give_data() -> None:
    pause = PauseNow(frozenset({"source one/2"}), START - 1, START + DAY, "pause", "f")
    four = replace(healthy(probes=4), pauses=(pause,))
    assert found(four, silent("one/0", "one/1")) == ["bus one"]


def test_a_node_that_is_down_takes_its_children_whatever_their_share() -> None:
    now = replace(healthy(), down={"bus one": (START - 5, "no such port")})
    (cause,) = causes(now, silent("one/1"))
    assert (cause.node, cause.what, cause.severity) == ("bus one", What.PORT_LOST, LOST)
    assert cause.numbers["why"] == "no such port"
    assert cause.since_ns == START - 5
    assert "channel one/2/1" in cause.members


def test_the_supply_beats_the_bus_and_the_logger_beats_all() -> None:
    every = [f"{bus}/{n}" for bus in ("one", "two") for n in range(3)]
    assert found(healthy(), silent(*every)) == ["supply battery"]
    now = healthy()
    other = node(NodeKind.SOURCE, "file", LOGGER)
    now = replace(
        now,
        nodes={**now.nodes, other.id: other},
        sources=(*now.sources, SourceState(other.id, START, 0, TEN)),
    )
    assert found(now, silent(*every)) == ["supply battery"]
    assert found(now, silent(*every, "file")) == [LOGGER]


@pytest.mark.parametrize("what", [What.LOW_SUPPLY, What.SUPPLY_FALLS])
def test_a_supply_that_is_wrong_takes_in_what_fails_below_it(what: What) -> None:
    severity = Severity.WILL_BE_LOST if what is What.SUPPLY_FALLS else LOST
    low = Condition("supply battery", what, severity, START, {"last_v": 10.5})
    (cause,) = causes(healthy(), [low, *silent("one/0")])
    assert (cause.node, cause.what, cause.severity) == ("supply battery", what, LOST)
    assert cause.numbers["last_v"] == 10.5


def test_what_is_wrong_with_a_node_by_its_children_is_what_most_of_them_have() -> None:
    (cause,) = causes(file_logger(), without(*BUS))
    assert (cause.what, cause.severity) == (What.NO_NUMBER, LOST)
    both = [*without("A0", "A1"), *without("A0", "A1", what=What.FAILURE_CODE)]
    (cause,) = causes(file_logger(), both)
    assert cause.what is What.FAILURE_CODE
    assert cause.members == ("sensor A", "channel A0", "channel A1")


def test_a_full_disk_explains_that_nothing_comes() -> None:
    full = condition("disk disk", What.DISK_FULL)
    (cause,) = causes(healthy(), [*silent("one/0", "two/0"), full])
    assert (cause.node, cause.what) == ("disk disk", What.DISK_FULL)
    filling = Condition("disk disk", What.DISK_FILLS, Severity.WILL_BE_LOST, START)
    assert found(healthy(), [*silent("one/0"), filling]) == ["disk disk", "source one/0"]


def test_the_sinks_of_a_server_are_its_incident_if_all_are_away() -> None:
    away = [condition("sink a", What.SINK_AWAY), condition("sink b", What.SINK_BLOCKED)]
    assert found(healthy(), away) == ["server influx"]
    assert found(healthy(), away[:1]) == ["sink a"]


def test_other_things_of_a_node_are_incidents_of_their_own() -> None:
    ends = Condition("channel one/0/0", What.CALIBRATION_ENDS, Severity.WILL_BE_LOST, START)
    aside = Condition("sink a", What.SET_ASIDE, Severity.LATE, START)
    lost = condition("sink a", What.SINK_AWAY)
    assert found(healthy(), [ends, aside, lost, *silent("one/0")]) == [
        "channel one/0/0",
        "sink a",
        "sink a",
        "source one/0",
    ]


def test_a_condition_of_an_unknown_node_is_its_own_cause() -> None:
    assert found(healthy(), [condition("source gone")]) == ["source gone"]
