"""Each answer of a server, and what follows from it."""

from datetime import UTC, datetime

import pytest

from edaphon.network.requests import Answer, retry_after_s
from edaphon.sinks.lines import RETRY_AFTER_CAP_S, AskLess, TooLarge, judge, judge_read
from edaphon.sinks.sink import Later, Never

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


VERSION = {"x-influxdb-version": "v2.7.12"}


@pytest.mark.parametrize("answer", [Answer(204, {}, ""), Answer(200, VERSION, "")])
def test_what_an_influxdb_answers_to_a_write_is_success(answer: Answer) -> None:
    judge(answer, 3)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"content-type": "text/html"}, "<html>Log in</html>"),
        Answer(200, {"content-type": "application/json"}, "{}"),
        Answer(200, {}, ""),
        Answer(200, VERSION, "{}"),
        Answer(201, VERSION, ""),
        Answer(202, VERSION, ""),
        Answer(206, VERSION, ""),
        Answer(400, {"content-type": "text/html; charset=x"}, "Bad Request"),
        Answer(422, {}, " <!doctype html>"),
    ],
)
def test_what_no_influxdb_answers_to_a_write_holds_the_points(answer: Answer) -> None:
    with pytest.raises(Later, match="not the answer of an InfluxDB") as caught:
        judge(answer, 3)
    assert caught.value.blocked


@pytest.mark.parametrize(
    ("dropped", "every"),
    [(1, False), (3, True)],
)
def test_a_partial_write_is_a_refusal_though_the_server_calls_it_an_error(
    dropped: int, every: bool
) -> None:
    words = f"partial write: points beyond retention policy dropped={dropped}"
    with pytest.raises(Never, match="retention") as caught:
        judge(Answer(500, {}, f"unexpected error writing points to database: {words}"), 3)
    assert caught.value.every is every


def test_a_database_that_may_not_be_made_is_no_fault_of_the_points() -> None:
    words = "Adding a new database would exceed limit of 5 databases"
    with pytest.raises(Later, match="limit of 5 databases") as caught:
        judge(Answer(400, {}, words), 3)
    assert caught.value.blocked


def test_a_query_over_too_many_files_is_asked_in_shorter_spans() -> None:
    words = "Query would exceed file limit of 432 parquet files. Please specify a smaller range"
    for status in (400, 500):
        with pytest.raises(AskLess):
            judge_read(Answer(status, {}, words))
    with pytest.raises(AskLess):
        judge_read(Answer(200, {}, "[1, 2", whole=False))


def test_the_wait_is_measured_by_the_servers_clock_not_by_ours() -> None:
    headers = {"retry-after": "Thu, 01 Jan 2099 00:01:00 GMT", "date": "2099-bad"}
    with pytest.raises(Later) as caught:
        judge(Answer(503, headers, ""), 1)
    assert caught.value.retry_after_s == 590.0  # below ten minutes, however far our clock is behind
    with pytest.raises(Later) as caught:
        judge(Answer(503, {**headers, "date": "Thu, 01 Jan 2099 00:00:00 GMT"}, ""), 1)
    assert caught.value.retry_after_s == 60.0


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
        (405, "not the answer of an InfluxDB", True),
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
        ("86400", 590.0),
        ("9" * 5000, 590.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Sat, 03 Jan 2026 12:00:00 GMT", 590.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_s(text, NOW, RETRY_AFTER_CAP_S) == seconds


def test_the_wait_that_the_server_asks_for_comes_with_later() -> None:
    with pytest.raises(Later) as caught:
        judge(Answer(429, {"retry-after": "12"}, ""), 1)
    assert caught.value.retry_after_s == 12.0
