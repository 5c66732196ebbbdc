"""A rehearsal shows who would get what if a fault struck the station."""

import pytest
from tests.daemon.alerts.station import HOUR, TEN, healthy

from edaphon.alerts.due import ReceiverRules
from edaphon.alerts.model import LOGGER, Severity
from edaphon.alerts.rehearse import FAULTS, CannotRehearse, ending_at, rehearsed, situations

MAIL = ReceiverRules("mail", repeat_ns=100 * 24 * HOUR)


@pytest.mark.parametrize(
    ("fault", "cause", "occasions"),
    [
        ("F01", "source one/0", ["opened", "resolved"]),
        ("F12", "sensor one/0", ["opened", "resolved"]),
        ("F13", "supply battery", ["opened", "resolved"]),
        ("F14", "supply battery", ["opened", "resolved"]),
        ("F22", "bus one", ["opened", "resolved"]),
        ("F09", "sensor one/0", ["opened", "resolved"]),
        ("F15", "source one/0", ["opened", "resolved"]),
        *(
            (f"F{n:02}", "channel one/0/0", ["opened", "resolved"])
            for n in (2, 3, 4, 5, 6, 7, 8, 10, 11, 16, 17, 18, 19, 20, 21)
        ),
        ("adapter", "bus one", ["opened", "resolved"]),
        ("disk-full", "disk disk", ["opened", "resolved"]),
        ("sink-away", "sink a", ["opened", "resolved"]),
    ],
)
def test_a_fault_is_one_message_of_its_cause_and_one_when_it_is_mended(
    fault: str, cause: str, occasions: list[str]
) -> None:
    messages = rehearsed(healthy(), fault, [MAIL])
    assert [one.due.occasion.value for one in messages] == occasions
    assert {one.incidents[0].cause for one in messages} == {cause}
    assert len({one.due.numbers for one in messages}) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_no_time_of_a_play_that_ends_now_is_to_come(fault: str) -> None:
    station = healthy()
    times = [one.now_ns for one in situations(ending_at(station, fault), fault)]
    assert max(times) <= station.now_ns < max(times) + HOUR


def test_every_fault_is_tried() -> None:
    assert list(FAULTS)[:22] == [f"F{n:02}" for n in range(1, 23)]
    assert len(FAULTS) == 25


def test_a_cut_cable_is_sent_within_four_intervals() -> None:
    first = rehearsed(healthy(), "F01", [MAIL])[0]
    assert 2 * TEN < first.after_ns <= 4 * TEN


def test_a_fault_strikes_the_node_that_is_named() -> None:
    (first, _) = rehearsed(healthy(), "F22", [MAIL], "bus two")
    assert first.incidents[0].cause == "bus two"


@pytest.mark.parametrize(("fault", "node"), [("F99", ""), ("F22", "bus three"), ("F13", LOGGER)])
def test_what_cannot_be_rehearsed_says_why(fault: str, node: str) -> None:
    with pytest.raises(CannotRehearse, match="F99|bus three|voltage"):
        rehearsed(healthy(), fault, [MAIL], node)


@pytest.mark.parametrize("fault", ["F03", "F04", "F09", "F18", "F21"])
def test_numbers_that_say_nothing_are_lost_data(fault: str) -> None:
    assert rehearsed(healthy(), fault, [MAIL])[0].incidents[0].severity is Severity.LOST
