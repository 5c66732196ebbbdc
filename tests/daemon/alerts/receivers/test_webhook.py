"""Webhooks: what each service is asked, what its answers mean, and servers that misbehave."""

import json
import socket
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from pydantic import ValidationError
from tests.daemon.alerts.receivers.samples import (
    CANARY,
    CONTEXT,
    assert_hidden,
    message,
    receiver,
    secret,
)
from tests.daemon.alerts.receivers.servers import (
    Asked,
    always,
    dripping,
    fake_healthchecks,
    fake_ntfy,
    fake_server,
)

from edaphon.alerts.model import Occasion, SendLater, SendRefused
from edaphon.alerts.receivers import FIELDS, webhook
from edaphon.alerts.receivers.webhook import TEMPLATES, encoded, filled_json
from edaphon.network.requests import Answer

PLAIN = "{title} {text}"


def test_ntfy_gets_json_with_topic_title_and_priority(tmp_path: Path) -> None:
    with fake_server(fake_ntfy) as server:
        own = {"url": server.url, "topic": secret(tmp_path, "whs-soil", "topic")}
        receiver("webhook", template="ntfy", token=secret(tmp_path), **own).send(message())
    (asked,) = server.asked
    table = json.loads(asked.body)
    assert (asked.path, asked.headers["authorization"]) == ("/", f"Bearer {CANARY}")
    assert table["topic"] == "whs-soil"
    assert (table["title"], table["message"]) == (message().title, message().text)
    assert (table["priority"], table["click"]) == (4, CONTEXT.page_url)


def test_a_long_text_stays_below_what_ntfy_takes() -> None:
    with fake_server(fake_ntfy) as server:
        ntfy = receiver("webhook", template="ntfy", url=server.url, topic="t")
        ntfy.send(message(text="ä" * 100_000))
    text = json.loads(server.asked[0].body)["message"]
    assert len(text.encode()) <= 4096
    assert text.endswith("…")


def test_telegram_is_asked_with_the_token_in_the_path(tmp_path: Path) -> None:
    ok = json.dumps({"ok": True, "result": {"message_id": 1}}).encode()
    with fake_server(always(200, ok)) as server:
        bot = {"token": secret(tmp_path, "123456:AAF-x_y"), "chat": "-10012345"}
        receiver("webhook", template="telegram", url=server.url, **bot).send(message())
    (asked,) = server.asked
    assert asked.path == "/bot123456:AAF-x_y/sendMessage"
    assert json.loads(asked.body) == {
        "chat_id": "-10012345",
        "text": f"{message().title}\n\n{message().text}",
    }
    assert "authorization" not in asked.headers


def test_what_telegram_asks_to_wait_is_waited(tmp_path: Path) -> None:
    table = {"ok": False, "error_code": 429, "parameters": {"retry_after": 35}}
    with fake_server(always(429, json.dumps(table).encode())) as server:
        bot = receiver(
            "webhook", template="telegram", url=server.url, token=secret(tmp_path), chat="1"
        )
        with pytest.raises(SendLater) as caught:
            bot.send(message())
    assert caught.value.retry_after_s == 35.0
    assert_hidden(caught.value)


def test_slack_and_teams_get_their_documented_forms(tmp_path: Path) -> None:
    with fake_server(always(200, b"ok")) as server:
        for template in ("slack", "teams"):
            url = secret(tmp_path, f"{server.url}/services/T0/B0/{template}", template)
            receiver("webhook", template=template, url=url).send(message(text="a < b & c\nsecond"))
    slack, teams = (json.loads(asked.body) for asked in server.asked)
    assert slack == {"text": f"*{message().title}*\na &lt; b &amp; c\nsecond"}
    (card,) = teams["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    texts = [block["text"] for block in card["content"]["body"]]
    assert texts == [message().title, "a < b & c\n\nsecond"]


@pytest.mark.parametrize(
    ("occasion", "path"),
    [
        (Occasion.OPENED, "/abc/fail"),
        (Occasion.RESOLVED, "/abc"),
        (Occasion.TEST, "/abc/log"),
        (Occasion.VISIT_ENDED, "/abc/log"),
    ],
)
def test_healthchecks_gets_the_signal_of_the_occasion(occasion: Occasion, path: str) -> None:
    with fake_server(fake_healthchecks("abc")) as server:
        receiver("webhook", template="healthchecks", url=f"{server.url}/abc").send(
            message(occasion)
        )
    assert [asked.path for asked in server.asked] == [path]
    assert message().text in server.asked[0].body.decode()


def test_a_check_that_healthchecks_does_not_know_is_a_refusal_though_it_answers_200() -> None:
    with fake_server(fake_healthchecks("abc")) as server:
        unknown = receiver("webhook", template="healthchecks", url=f"{server.url}/xyz")
        with pytest.raises(SendRefused, match="not found"):
            unknown.send(message())


@pytest.mark.parametrize("template", [t for t in TEMPLATES if t])
def test_a_log_in_page_in_place_of_the_service_is_not_taken_for_it(
    template: str, tmp_path: Path
) -> None:
    page = b"<html>Welcome to the campus network, please log in</html>"
    with fake_server(always(200, page, Content_Type="text/html")) as server:
        url = secret(tmp_path, server.url, "url")
        own = {"topic": "t", "chat": "1", "token": secret(tmp_path)}
        with pytest.raises(SendLater, match="log-in page"):
            receiver("webhook", template=template, url=url, **own).send(message())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_a_busy_or_ill_server_is_asked_later(status: int) -> None:
    with (
        fake_server(always(status, b"no", Retry_After="120")) as server,
        pytest.raises(SendLater) as caught,
    ):
        receiver("webhook", url=server.url, body=PLAIN).send(message())
    assert caught.value.retry_after_s == 120.0


def test_no_server_is_waited_for_above_an_hour() -> None:
    with (
        fake_server(always(503, Retry_After="86400")) as server,
        pytest.raises(SendLater) as caught,
    ):
        receiver("webhook", url=server.url, body=PLAIN).send(message())
    assert caught.value.retry_after_s == 3600.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422])
def test_every_other_4xx_is_a_refusal_with_the_servers_words(status: int) -> None:
    with (
        fake_server(always(status, b"no such\n token")) as server,
        pytest.raises(SendRefused, match=rf"\({status}\): no such token"),
    ):
        receiver("webhook", url=server.url, body=PLAIN).send(message())
    assert len(server.asked) == 1


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with (
        fake_server(always(302, Location="http://127.0.0.1:9/")) as server,
        pytest.raises(SendLater, match="log-in page of a network"),
    ):
        receiver("webhook", url=server.url, body=PLAIN).send(message())


def test_a_redirect_of_a_server_that_proved_who_it_is_is_a_refusal() -> None:
    made = receiver("webhook", url="https://x.example.org", body=PLAIN)
    with pytest.raises(SendRefused, match="put the new address into url"):
        made._judge(Answer(308, {}, ""), "https://x.example.org", "https")


def test_a_token_is_hidden_as_the_address_spells_it_too(tmp_path: Path) -> None:
    def echo(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return 404, {}, f"unknown {asked.path.split('/')[1]}".encode()

    with fake_server(echo) as server:
        own = {"url": server.url, "token": secret(tmp_path), "chat": "1"}
        with pytest.raises(SendRefused) as caught:
            receiver("webhook", template="telegram", **own).send(message())
    assert_hidden(caught.value, encoded(CANARY))


def test_no_secret_shows_though_the_server_repeats_them_all(tmp_path: Path) -> None:
    def echo(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        stated = json.dumps([asked.path, unquote(asked.path), asked.headers, asked.body.decode()])
        return 400, {}, stated.encode()

    with fake_server(echo) as server:
        hidden = receiver(
            "webhook",
            url=secret(tmp_path, f"{server.url}/{CANARY}?key={CANARY}", "url"),
            headers={"X-Key": secret(tmp_path)},
            token=secret(tmp_path),
            body=PLAIN,
        )
        with pytest.raises(SendRefused) as caught:
            hidden.send(message())
    assert CANARY in server.asked[0].path
    assert_hidden(caught.value)
    assert CANARY not in repr(hidden.__dict__)


def test_a_header_that_can_not_be_sent_is_refused_without_its_text(tmp_path: Path) -> None:
    bad = secret(tmp_path, f"{CANARY}\u2026")
    with (
        fake_server(always(200)) as server,
        pytest.raises(SendRefused, match="no header can") as caught,
    ):
        receiver("webhook", url=server.url, body=PLAIN, token=bad).send(message())
    assert_hidden(caught.value)
    assert server.asked == []


@pytest.mark.parametrize(
    "greeting", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"]
)
def test_a_server_that_drips_does_not_hang_it(
    greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "WHOLE_S", 0.4)
    with dripping(greeting, b"x", 0.05) as port:
        begin = time.monotonic()
        with pytest.raises(SendLater, match="does not answer within 0.4 s"):
            receiver("webhook", url=f"http://127.0.0.1:{port}", body=PLAIN).send(message())
        assert time.monotonic() - begin < 2.0


def test_a_handshake_that_drips_does_not_hang_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WHOLE_S", 0.4)
    record = b"\x16\x03\x03\x40\x00"  # a handshake record of 16,384 bytes begins
    with dripping(record, b"\x02", 0.05) as port:
        begin = time.monotonic()
        with pytest.raises(SendLater, match="within 0.4 s"):
            receiver("webhook", url=f"https://127.0.0.1:{port}", body=PLAIN).send(message())
        assert time.monotonic() - begin < 2.0


def test_a_name_server_that_hangs_does_not_hang_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WHOLE_S", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3))
    begin = time.monotonic()
    with pytest.raises(SendLater, match="within 0.3 s"):
        receiver("webhook", url="https://alerts.example.org", body=PLAIN).send(message())
    assert time.monotonic() - begin < 2.0


def test_a_name_that_is_gone_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", gone)
    with pytest.raises(SendLater, match="can't be reached: Temporary failure") as caught:
        receiver("webhook", url="https://alerts.example.org/x", body=PLAIN).send(message())
    assert "\n" not in str(caught.value)


def test_an_answer_without_end_is_cut() -> None:
    with fake_server(always(500, b"y" * 3_000_000)) as server, pytest.raises(SendLater) as caught:
        receiver("webhook", url=server.url, body=PLAIN).send(message())
    assert len(str(caught.value)) < 400


def test_fields_are_escaped_for_where_they_stand() -> None:
    body = '{"a": "say {title}!", "n": {number}, "t": {text}, "x": {"{title}": []}}'
    title = 'a "b" \\ c\nd\u2028 {number} {"'
    fields = {name: "" for name in FIELDS} | {"title": title, "number": 17, "text": "q\t"}
    assert json.loads(filled_json(body, fields)) == {
        "a": f"say {title}!",
        "n": 17,
        "t": "q\t",
        "x": {title: []},
    }


def test_an_address_and_a_form_get_percent_encoded_fields() -> None:
    with fake_server(always(200)) as server:
        url = f"{server.url}/send?to=49171&text={{title}}"
        receiver("webhook", url=url, method="GET").send(message(title="a&b=c ü"))
        form = {"content_type": "application/x-www-form-urlencoded", "body": "text={title}"}
        receiver("webhook", url=server.url, **form).send(message(title="a&b=c ü"))
    assert server.asked[0].path == "/send?to=49171&text=a%26b%3Dc%20%C3%BC"
    assert server.asked[1].body == b"text=a%26b%3Dc%20%C3%BC"


def test_a_title_of_several_lines_stays_one_line() -> None:
    with fake_server(always(200)) as server:
        receiver("webhook", url=server.url, body="{title}").send(message(title="a\r\nX: y"))
    assert server.asked[0].body == b"a X: y"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "https://x.org", "body": "{titel}"}, r"no field \{titel\}.*did you mean title"),
        ({"url": "https://x.org/{nummer}", "body": "x"}, r"no field \{nummer\} in url"),
        ({"url": "https://x.org", "body": '{"a": "{title}'}, "a body that is JSON"),
        ({"url": "https://x.org"}, "a body"),
        ({"template": "ntfy"}, "topic for template ntfy"),
        ({"template": "telegram", "chat": "1"}, "token for template telegram"),
        ({"template": "slack", "url": "https://hooks.slack.com/services/T/B/X"}, "as a secret"),
        ({"url": "https://user:pw@x.org", "body": "x"}, "without user and password"),
        ({"url": "ftp://x.org", "body": "x"}, "an address such as"),
        ({"url": "https://x.org", "body": "x", "headers": {"A\nB": "c"}}, "names of HTTP headers"),
        ({"url": "https://x.org", "body": "x", "headers": {"Cookie": "c"}}, "a secret for Cookie"),
    ],
)
def test_what_is_wrong_in_the_table_is_found_before_anything_is_sent(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        webhook.WebhookSettings.model_validate(settings)


def test_a_secret_over_plain_http_to_another_host_is_a_doubt() -> None:
    token = {"token": {"env": "X"}, "body": "x"}
    far = webhook.WebhookSettings.model_validate({"url": "http://gw.example.org", **token})
    near = webhook.WebhookSettings.model_validate({"url": "http://127.0.0.1:8080", **token})
    safe = webhook.WebhookSettings.model_validate({"url": "https://gw.example.org", **token})
    assert [key for key, *_ in webhook.doubts(far)] == ["url"]
    assert not [*webhook.doubts(near), *webhook.doubts(safe)]
