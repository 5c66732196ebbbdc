"""The book is what its events say, whatever stands between them."""

import json

import pytest
from tests.daemon.alerts.station import DAY, HOUR, START
from tests.daemon.alerts.test_due import book, grew, opened, resolved, worse

from edaphon.alerts.book import CLOSED_KEPT, Book, acknowledged, replayed
from edaphon.alerts.due import Due, sent
from edaphon.alerts.model import Event, Occasion, Severity


@pytest.mark.parametrize(
    "event",
    [
        Event("resolved", 9, START, {}),
        Event("of newer software", 1, START, {"x": 1}),
        opened(1, START + HOUR, Severity.LATE),
        Event("acknowledged", 9, START, {"until_ns": 5}),
        Event("acknowledged", 1, START, {"until": 5}),
        Event("opened", 2, START, {**opened(2).table, "what": "of newer software"}),
        Event("sent", 1, START, {"receiver": "mail", "numbers": [1], "states": []}),
    ],
)
def test_an_event_that_nothing_knows_changes_nothing(event: Event) -> None:
    before = book(opened(1))
    assert replayed(before, event) == before


def test_a_closed_incident_is_never_changed_again() -> None:
    before = book(opened(1), resolved(1, START + HOUR))
    for event in (worse(1, START), grew(1, START), acknowledged(1, START, START, "", "")):
        assert replayed(before, event) == before


def test_a_worse_severity_changes_what_is_wrong_and_its_numbers() -> None:
    (before,) = book(opened(1, severity=Severity.WILL_BE_LOST)).open
    table = {
        "members": ["a"],
        "parts": [["a", "low supply", "lost", 5, {"last_v": 10.5}]],
        "what": "low supply",
        "severity": "lost",
        "numbers": {"last_v": 10.5},
    }
    (after,) = book(
        opened(1, severity=Severity.WILL_BE_LOST), Event("changed", 1, START + 1, table)
    ).open
    assert (after.what.value, after.severity.value, after.numbers) == (
        "low supply",
        "lost",
        {"last_v": 10.5},
    )
    assert (after.state, after.changed_ns) == (before.state, START + 1)
    assert after.parts[0].numbers == {"last_v": 10.5}


def test_the_loss_that_was_announced_is_news_only_to_who_acknowledged_the_announcement() -> None:
    announced, lost = opened(1, severity=Severity.WILL_BE_LOST), worse(1, START + HOUR)
    (unread,) = book(announced, lost).open
    (read,) = book(announced, acknowledged(1, START, START + DAY, "me", ""), lost).open
    (late,) = book(opened(1, severity=Severity.LATE), lost).open
    assert [one.state for one in (unread, read, late)] == [1, 2, 2]
    assert read.acknowledged_until_ns == 0


def test_the_state_file_keeps_all_of_a_book() -> None:
    now = book(
        opened(1, begins_ns=START + DAY),
        grew(1, START + 1),
        acknowledged(1, START + 2, START + DAY, "me", "spare ordered"),
        opened(2),
        Event("quiet", 2, START + 3, {"mono_ns": 7, "flaps": True}),
        sent(Due("mail", (1, 2), (1, 1), Occasion.SUMMARY), START + 4),
        sent(Due("mail", (), (), Occasion.WELL), START + 5),
        resolved(1, START + 6),
    )
    assert Book.from_json(json.loads(json.dumps(now.to_json()))) == now


def test_a_state_file_of_newer_software_is_read() -> None:
    now = book(opened(1))
    table = now.to_json()
    table["incidents"][0]["colour"] = "red"
    assert Book.from_json(table) == now


def test_a_book_forgets_the_oldest_of_many_closed_incidents_and_no_open_one() -> None:
    now = book(opened(1), sent(Due("mail", (1,), (1,), Occasion.OPENED), START))
    for number in range(2, CLOSED_KEPT + 12):
        for event in (
            opened(number),
            sent(Due("mail", (number,), (1,), Occasion.OPENED), START),
            resolved(number, START + HOUR),
        ):
            now = replayed(now, event)
    assert len(now.incidents) == CLOSED_KEPT + 1
    assert 1 in now.incidents
    assert 2 not in now.incidents
    assert set(now.sent["mail"]) == set(now.incidents)
    assert now.last_number == CLOSED_KEPT + 11


def test_messages_of_the_last_day_count_for_the_rate() -> None:
    first = sent(Due("mail", (), (), Occasion.TEST), START)
    now = book(first, first._replace(time_ns=START + 23 * HOUR))
    assert now.times_ns["mail"] == (START, START + 23 * HOUR)
    now = replayed(now, first._replace(time_ns=START + 25 * HOUR))
    assert now.times_ns["mail"] == (START + 23 * HOUR, START + 25 * HOUR)
