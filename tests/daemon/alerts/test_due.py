"""Which message is due to whom: by class, hours, escalation, rate, and after weeks offline."""

from collections import Counter
from datetime import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.alerts.station import DAY, HOUR, MINUTE, START

from edaphon.alerts.book import Book, acknowledged, replayed
from edaphon.alerts.due import Due, ReceiverRules, due, refused, sent, waiting
from edaphon.alerts.model import Event, Occasion, Severity, What

MAIL = ReceiverRules("mail")
MIDNIGHT = START - START % DAY


def opened(
    number: int,
    at: int = START,
    severity: Severity = Severity.LOST,
    cause: str = "",
    due_ns: int | None = None,
    **numbers: object,
) -> Event:
    table = {
        "cause": cause or f"source {number}",
        "what": What.SILENT.value,
        "severity": severity.value,
        "since_ns": at,
        "members": [f"source {number}"],
        "parts": [[f"source {number}", "silent", severity.value, at, {}]],
        "numbers": numbers,
        "due_ns": at if due_ns is None else due_ns,
    }
    return Event("opened", number, at, table)


def resolved(number: int, at: int) -> Event:
    return Event("resolved", number, at, {})


def grew(number: int, at: int) -> Event:
    return Event("grew", number, at, {"members": ["a", "b"], "parts": []})


def worse(number: int, at: int) -> Event:
    table = {"members": [], "parts": [], "what": "silent", "severity": "lost", "numbers": {}}
    return Event("changed", number, at, table)


def book(*events: Event) -> Book:
    now = Book()
    for event in events:
        now = replayed(now, event)
    return now


def occasions(now: Book, at: int, *receivers: ReceiverRules) -> list[tuple[str, str, int]]:
    messages = due(now, receivers or (MAIL,), at)
    return [(one.receiver, one.occasion.value, one.numbers[0]) for one in messages]


def deliver(now: Book, at: int, rules: ReceiverRules = MAIL) -> tuple[Book, list[Due]]:
    """Send what is due as the service does: one after the other, each journalled."""
    taken: list[Due] = []
    while messages := due(now, [rules], at):
        taken.append(messages[0])
        now = replayed(now, sent(messages[0], at))
        assert len(taken) < 100
    return now, taken


def test_an_opening_goes_to_each_receiver_of_its_class_once() -> None:
    late = ReceiverRules("late", classes=frozenset({Severity.LATE}))
    now = book(opened(1))
    assert occasions(now, START, MAIL, late) == [("mail", "opened", 1)]
    now, _ = deliver(now, START)
    assert occasions(now, START + HOUR, MAIL, late) == []


def test_what_is_cosmetic_is_never_sent() -> None:
    everything = ReceiverRules("all", classes=frozenset(Severity))
    assert occasions(book(opened(1, severity=Severity.COSMETIC)), START, everything) == []


def test_the_first_message_waits_for_its_parent_and_no_clock_makes_it_wait_longer() -> None:
    now = book(opened(1, due_ns=START + 5 * MINUTE))
    assert occasions(now, START) == []
    assert occasions(now, START + 5 * MINUTE) != []
    assert occasions(now, START - 400 * DAY) != []


def test_it_is_repeated_daily_until_somebody_acknowledges() -> None:
    now, _ = deliver(book(opened(1)), START)
    assert occasions(now, START + 23 * HOUR) == []
    assert occasions(now, START + DAY) == [("mail", "repeated", 1)]
    known = replayed(now, acknowledged(1, START, START + 3 * DAY, "me", "spare ordered"))
    assert occasions(known, START + 2 * DAY) == []
    assert occasions(known, START + 3 * DAY) == [("mail", "repeated", 1)]


def test_what_is_doubtful_is_repeated_weekly() -> None:
    now, _ = deliver(book(opened(1, severity=Severity.DOUBTFUL)), START)
    assert occasions(now, START + 6 * DAY) == []
    assert occasions(now, START + 7 * DAY) == [("mail", "repeated", 1)]


def test_what_will_be_lost_is_repeated_at_half_of_the_time_left() -> None:
    ends = START + 16 * DAY
    now, _ = deliver(book(opened(1, severity=Severity.WILL_BE_LOST, begins_ns=ends)), START)
    times = []
    for day in range(1, 17):
        now, taken = deliver(now, START + day * DAY)
        times += [day] * len(taken)
    assert times == [8, 12, 14, 15, 16]


@pytest.mark.parametrize("news", [grew, worse])
def test_news_breaks_an_acknowledgement(news: object) -> None:
    now, _ = deliver(book(opened(1, severity=Severity.LATE)), START)
    now = replayed(now, acknowledged(1, START, START + 30 * DAY, "me", ""))
    now = replayed(now, news(1, START + HOUR))  # type: ignore[operator]
    assert occasions(now, START + HOUR) == [("mail", "changed", 1)]
    now, _ = deliver(now, START + HOUR)
    assert occasions(now, START + 25 * HOUR) == [("mail", "repeated", 1)]


def test_children_that_join_what_is_known_send_nothing() -> None:
    now, _ = deliver(book(opened(1)), START)
    assert occasions(replayed(now, grew(1, START + HOUR)), START + HOUR) == []
    now = replayed(now, acknowledged(1, START, START + MINUTE, "me", "over by then"))
    assert occasions(replayed(now, grew(1, START + HOUR)), START + HOUR) == []


def test_resolved_goes_once_and_only_where_the_opening_was_sent() -> None:
    now, _ = deliver(book(opened(1)), START)
    now = replayed(now, resolved(1, START + HOUR))
    other = ReceiverRules("other", since_ns=START + 2 * HOUR)
    assert occasions(now, START + HOUR, MAIL, other) == [("mail", "resolved", 1)]
    now, _ = deliver(now, START + HOUR)
    assert occasions(now, START + 2 * HOUR) == []


@pytest.mark.parametrize("did", ["joined", "removed"])
def test_what_is_joined_or_removed_sends_nothing_more(did: str) -> None:
    now, _ = deliver(book(opened(1)), START)
    now = replayed(now, Event(did, 1, START + HOUR, {}))
    assert occasions(now, START + 2 * DAY) == []
    assert occasions(book(opened(1), Event(did, 1, START + HOUR, {})), START + DAY) == []


def test_what_was_over_before_its_message_was_due_is_not_sent() -> None:
    now = book(opened(1, due_ns=START + 5 * MINUTE), resolved(1, START + MINUTE))
    assert occasions(now, START + HOUR) == []


def test_what_is_quiet_for_now_is_not_repeated() -> None:
    now, _ = deliver(book(opened(1)), START)
    quiet = replayed(now, Event("quiet", 1, START + HOUR, {"mono_ns": 1, "flaps": True}))
    assert occasions(quiet, START + 2 * DAY) == []
    again = replayed(quiet, Event("turned", 1, START + 2 * HOUR, {}))
    assert occasions(again, START + 2 * DAY) == [("mail", "repeated", 1)]


def test_what_can_wait_waits_for_the_hours_of_a_receiver_and_loss_does_not() -> None:
    day = ReceiverRules("day", hours=(time(7), time(20)), offset_s=3600)
    now = book(opened(1, MIDNIGHT, Severity.LATE), opened(2, MIDNIGHT))
    assert occasions(now, MIDNIGHT + HOUR, day) == [("day", "opened", 2)]
    assert occasions(now, MIDNIGHT + 6 * HOUR - 1, day) == [("day", "opened", 2)]
    assert len(occasions(now, MIDNIGHT + 6 * HOUR, day)) == 2
    now, _ = deliver(now, MIDNIGHT, day)
    now = replayed(now, resolved(2, MIDNIGHT + HOUR))
    assert occasions(now, MIDNIGHT + HOUR, day) == []
    assert ("day", "resolved", 2) in occasions(now, MIDNIGHT + 12 * HOUR, day)


def test_what_came_and_went_in_the_night_is_summed_up_in_the_morning() -> None:
    day = ReceiverRules("day", hours=(time(7), time(20)))
    now = book(opened(1, MIDNIGHT, Severity.LATE), resolved(1, MIDNIGHT + HOUR))
    assert occasions(now, MIDNIGHT + 2 * HOUR, day) == []
    assert occasions(now, MIDNIGHT + 8 * HOUR, day) == [("day", "summary", 1)]


def test_what_is_new_goes_before_what_is_over() -> None:
    now, _ = deliver(book(opened(1)), START)
    now = replayed(now, resolved(1, START + HOUR))
    now = replayed(now, opened(2, START + HOUR, Severity.LATE))
    assert [number for *_, number in occasions(now, START + HOUR)] == [2, 1]


def test_hours_may_pass_over_midnight() -> None:
    night = ReceiverRules("night", hours=(time(22), time(6)))
    now = book(opened(1, MIDNIGHT, Severity.LATE))
    assert occasions(now, MIDNIGHT + HOUR, night) != []
    assert occasions(now, MIDNIGHT + 7 * HOUR, night) == []
    assert occasions(now, MIDNIGHT + 23 * HOUR, night) != []


def test_what_nobody_acknowledges_is_escalated() -> None:
    chief = ReceiverRules("chief", after_ns=DAY)
    now = book(opened(1))
    assert occasions(now, START + 23 * HOUR, chief) == []
    assert occasions(now, START + DAY, chief) == [("chief", "opened", 1)]
    known = replayed(now, acknowledged(1, START, START + 7 * DAY, "me", ""))
    assert occasions(known, START + 2 * DAY, chief) == []
    over = replayed(now, resolved(1, START + 2 * HOUR))
    assert occasions(over, START + 2 * DAY, chief) == []
    known_and_over = replayed(known, resolved(1, START + 2 * DAY))
    assert occasions(known_and_over, START + 3 * DAY, chief) == []


def test_a_receiver_gets_no_message_that_it_refuses_itself() -> None:
    now = book(opened(1, cause="receiver mail", severity=Severity.LATE))
    sms = ReceiverRules("sms")
    assert occasions(now, START, MAIL, sms) == [("sms", "opened", 1)]


def test_what_was_refused_is_not_due_in_the_same_state() -> None:
    now = book(opened(1))
    (message,) = due(now, [MAIL], START)
    now = replayed(now, refused(message, START, "535 wrong password"))
    assert occasions(now, START + 9 * DAY) == []
    assert occasions(replayed(now, resolved(1, START + DAY)), START + DAY) == []
    assert occasions(replayed(now, worse(1, START + DAY)), START + DAY) == [("mail", "opened", 1)]


def test_a_test_that_is_taken_shows_that_a_receiver_works_again() -> None:
    now = book(opened(1))
    (message,) = due(now, [MAIL], START)
    now = replayed(now, refused(message, START, "535"))
    now = replayed(now, sent(Due("mail", (), (), Occasion.TEST), START + HOUR))
    assert occasions(now, START + HOUR) == [("mail", "opened", 1)]


def test_a_week_offline_with_ten_incidents_gives_few_messages_and_names_each() -> None:
    events = [opened(n, START + n * HOUR) for n in range(1, 11)]
    events += [resolved(n, START + DAY + n * HOUR) for n in range(1, 6)]
    now, taken = deliver(book(*events), START + 7 * DAY)
    assert len(taken) <= 11
    assert {number for one in taken for number in one.numbers} == set(range(1, 11))
    assert taken[-1].occasion is Occasion.SUMMARY
    assert set(taken[-1].numbers) >= set(range(1, 6))
    again, more = deliver(now, START + 7 * DAY + HOUR)
    assert more == []
    assert again == now


def test_a_week_offline_that_began_after_the_opening_gives_one_message_each() -> None:
    generous = ReceiverRules("mail", per_hour=20)
    now, _ = deliver(book(*(opened(n) for n in range(1, 11))), START, generous)
    for n in range(1, 6):
        now = replayed(now, resolved(n, START + 2 * DAY))
    now = replayed(now, worse(7, START + 3 * DAY))
    _, taken = deliver(now, START + 7 * DAY, generous)
    assert Counter(one.occasion.value for one in taken) == {
        "resolved": 5,
        "repeated": 4,
        "changed": 1,
    }


def test_beyond_the_rate_the_worst_goes_first_and_the_rest_is_one_summary() -> None:
    late = [opened(n, severity=Severity.LATE) for n in range(1, 9)]
    lost = [opened(n) for n in (9, 10)]
    now, taken = deliver(book(*late, *lost), START)
    assert [one.numbers[0] for one in taken[:2]] == [9, 10]
    assert len(taken) == MAIL.per_hour
    assert taken[-1].occasion is Occasion.SUMMARY
    assert len(taken[-1].numbers) == 5
    now = replayed(now, opened(11, START + MINUTE, Severity.LATE))
    assert occasions(now, START + MINUTE) == []
    assert waiting(now, MAIL, START + MINUTE) == (1, START + HOUR)
    assert waiting(now, MAIL, START + HOUR) == (0, 0)
    assert occasions(now, START + HOUR) == [("mail", "opened", 11)]


def test_the_last_messages_of_a_day_are_kept_for_what_is_lost() -> None:
    now = Book()
    for hour in range(15):
        now = replayed(now, opened(hour + 1, START + hour * HOUR, Severity.LATE))
        now, taken = deliver(now, START + hour * HOUR)
        assert len(taken) == 1
    at = START + 16 * HOUR
    now = replayed(replayed(now, opened(90, at, Severity.LATE)), opened(91, at))
    assert occasions(now, at) == [("mail", "opened", 91)]
    assert waiting(now, MAIL, at) == (1, START + DAY)


def test_news_of_loss_passes_the_limit_of_an_hour_and_not_that_of_a_day() -> None:
    late = Severity.LATE
    now, taken = deliver(book(*(opened(n, severity=late) for n in range(1, 7))), START)
    assert len(taken) == MAIL.per_hour
    for event in (opened(7, severity=late), opened(8), resolved(1, START)):
        now = replayed(now, event)
    now, taken = deliver(now, START + MINUTE)
    assert [(one.occasion, one.numbers) for one in taken] == [(Occasion.OPENED, (8,))]
    now = replayed(replayed(now, opened(9)), opened(10))
    now, taken = deliver(now, START + 2 * MINUTE)
    assert [(one.occasion, one.numbers) for one in taken] == [(Occasion.SUMMARY, (9, 10))]
    for number in range(11, 40):
        now, taken = deliver(replayed(now, opened(number)), START + number * MINUTE)
    assert len(now.times_ns["mail"]) == MAIL.per_day
    assert not taken
    worse_now = replayed(now, worse(7, START + HOUR))
    assert due(worse_now, [MAIL], START + 3 * HOUR) == []


def test_a_new_receiver_gets_no_summary_of_the_past() -> None:
    now = book(*(opened(n) for n in range(1, 9)), *(resolved(n, START + HOUR) for n in range(1, 9)))
    new = ReceiverRules("new", since_ns=START + DAY)
    assert occasions(now, START + DAY, new) == []


def test_a_receiver_of_a_class_hears_the_end_of_what_became_worse() -> None:
    late = ReceiverRules("late", classes=frozenset({Severity.LATE}))
    now, _ = deliver(book(opened(1, severity=Severity.LATE)), START, late)
    now, _ = deliver(replayed(now, worse(1, START + HOUR)), START + HOUR, late)
    now = replayed(now, resolved(1, START + 2 * HOUR))
    assert occasions(now, START + 2 * HOUR, late) == [("late", "resolved", 1)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["open", "resolve", "grow", "worse", "ack", "send", "refuse", "kill", "off"]
        ),
        st.integers(1, 6),
        st.integers(0, 2 * DAY),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_no_message_goes_twice_but_one_for_a_kill(
    steps: list[tuple[str, int, int]],
) -> None:
    """Against a receiver that writes down what it took, and a journal that is replayed at kills."""
    journal: list[Event] = []
    now, at, number, kills = Book(), START, 0, 0
    took: Counter[tuple[object, ...]] = Counter()
    for what, which, passed in steps:
        at += passed
        event = None
        if what == "open":
            number += 1
            event = opened(number, at, list(Severity)[which % 4])
        elif what in ("resolve", "grow", "worse"):
            event = {"resolve": resolved, "grow": grew, "worse": worse}[what](which, at)
        elif what == "ack":
            event = acknowledged(which, at, at + DAY, "me", "")
        elif what in ("send", "kill", "refuse"):
            for message in due(now, [MAIL], at)[:1]:
                repeats = at if message.occasion is Occasion.REPEATED else 0
                if what != "refuse":
                    took[(*message, repeats)] += 1
                if what != "kill":
                    event = sent(message, at) if what == "send" else refused(message, at, "no")
                kills += what == "kill"
        if event is not None:
            journal.append(event)
            now = replayed(now, event)
        if what == "kill":
            now = Book.from_json(now.to_json())
        assert due(now, [MAIL], at) == due(now, [MAIL], at)
    assert book(*journal) == now
    assert sum(took.values()) - len(took) <= kills
    single = [one for one in took if one[3] in (Occasion.OPENED, Occasion.RESOLVED)]
    assert max(Counter((one[1], one[3]) for one in single).values(), default=0) <= 1 + kills


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_all_that_is_open_reaches_the_receiver_once_it_can(
    steps: list[tuple[str, int, int]],
) -> None:
    now, at, number = Book(), START, 0
    for what, which, passed in steps:
        at += passed
        if what == "open":
            number += 1
            now = replayed(now, opened(number, at, list(Severity)[which % 4]))
        elif what in ("resolve", "grow", "worse"):
            make = {"resolve": resolved, "grow": grew, "worse": worse}[what]
            now = replayed(now, make(which, at))
    named: set[int] = set()
    for _ in range(48):
        now, taken = deliver(now, at)
        named |= {number for one in taken for number in one.numbers}
        at += HOUR
    assert named == set(now.incidents)


@pytest.mark.parametrize(
    ("after_ns", "taken"), [(0, False), (0, True), (HOUR, False), (HOUR, True)]
)
def test_what_came_and_went_unsent_is_no_news_for_an_escalation_once_somebody_knew(
    after_ns: int, taken: bool
) -> None:
    chief = ReceiverRules("chief", after_ns=after_ns)
    known = [acknowledged(1, START + MINUTE, START + DAY, "me", "")] if taken else []
    now = book(opened(1), *known, resolved(1, START + 2 * HOUR))
    silent = bool(after_ns) and taken
    expected = [] if silent else [("chief", "summary", 1)]
    assert occasions(now, START + 3 * HOUR, chief) == expected
