"""Each answer of a server, and what follows from it."""

from datetime import UTC, datetime

import pytest

from edaphon.sinks.answers import Answer, TooLarge, judge, retry_after_s
from edaphon.sinks.sink import Later, Never

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 204])
def test_an_answer_in_the_two_hundreds_is_success(status: int) -> None:
    judge(Answer(status, {}, ""), 3)


@pytest.mark.parametrize("status", [400, 406, 422])
def test_refused_points_are_never_with_the_servers_words(status: int) -> None:
    with pytest.raises(Never, match="field type conflict") as caught:
        judge(Answer(status, {}, "field type\n conflict"), 3)
    assert not caught.value.every


@pytest.mark.parametrize(
    ("status", "words", "blocked"),
    [
        (401, "credentials", True),
        (403, "credentials", True),
        (404, "no such database", True),
        (301, "https://other.example", True),
        (405, "no InfluxDB gives", True),
        (408, "busy", False),
        (425, "busy", False),
        (429, "busy", False),
        (500, "busy", False),
        (503, "busy", False),
    ],
)
def test_any_other_answer_is_later_and_says_if_a_person_must_act(
    status: int, words: str, blocked: bool
) -> None:
    with pytest.raises(Later, match=words) as caught:
        judge(Answer(status, {"location": "https://other.example/x?token=1"}, "body"), 3)
    assert caught.value.blocked is blocked
    assert "token=1" not in caught.value.why


def test_a_request_too_large_is_told_apart() -> None:
    with pytest.raises(TooLarge):
        judge(Answer(413, {}, ""), 3)


@pytest.mark.parametrize(
    ("body", "every"),
    [
        ("partial write: points beyond retention policy dropped=3", True),
        ("partial write: points beyond retention policy dropped=2", False),
        ("partial write: dropped 3 points outside retention policy of duration 1h", True),
        ("partial write: field type conflict dropped=3", False),
    ],
)
def test_points_all_older_than_the_retention_need_no_search(body: str, every: bool) -> None:
    with pytest.raises(Never) as caught:
        judge(Answer(400, {}, body), 3)
    assert caught.value.every is every


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("86400", 600.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Sat, 03 Jan 2026 12:00:00 GMT", 600.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_s(text, NOW) == seconds


def test_the_wait_that_the_server_asks_for_comes_with_later() -> None:
    with pytest.raises(Later) as caught:
        judge(Answer(429, {"retry-after": "12"}, ""), 1)
    assert caught.value.retry_after_s == 12.0
