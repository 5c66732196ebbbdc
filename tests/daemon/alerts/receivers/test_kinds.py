"""Receivers of any kind: found by name, opened lazily, and what every one of them must stand."""

from pathlib import Path
from typing import Any

import pytest
from tests.daemon.alerts.receivers.samples import CANARY, CONTEXT, message, receiver, secret
from tests.daemon.alerts.receivers.servers import always, fake_server

from edaphon.alerts.model import SendRefused
from edaphon.alerts.receivers import email, receiver_kind

ODD = "a file \udcff of \u2028 any name \x00"


def test_a_kind_is_found_by_its_name() -> None:
    assert receiver_kind("email") is email.KIND
    with pytest.raises(ValueError, match="a kind of receiver .apprise, email, mqtt, sms, webhook."):
        receiver_kind("templates")


@pytest.mark.parametrize(
    "settings", [{"kind": "pigeon"}, {"kind": "email"}, {"kind": "webhook", "body": "{titel}"}]
)
def test_a_wrong_table_in_a_running_service_is_a_refusal_in_one_line(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(SendRefused, match=r"\[\[notify\]\] r.* edaphon check") as caught:
        receiver(**settings)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "webhook", "template": "slack"}, "url can't be read"),
        ({"kind": "email"}, "the mail password can't be read"),
        ({"kind": "sms"}, "the PIN can't be read"),
        ({"kind": "apprise"}, "the address for Apprise can't be read"),
    ],
)
def test_a_secret_that_is_gone_is_a_refusal_that_names_its_place(
    settings: dict[str, Any], words: str
) -> None:
    place = {"env": "EDAPHON_NOT_SET"}
    known = {
        "webhook": {"url": place},
        "email": {
            "host": "x",
            "from": "a@b.c",
            "to": ["a@b.c"],
            "username": "u",
            "password": place,
        },
        "sms": {"port": "/dev/x", "to": ["+4917"], "pin": place},
        "apprise": {"address": place},
    }
    made = receiver(**settings, **known[settings["kind"]])
    with pytest.raises(
        SendRefused, match=f"{words}: environment variable EDAPHON_NOT_SET is not set"
    ):
        made.send(message())


def test_a_text_that_utf8_can_not_carry_is_sent_all_the_same() -> None:
    odd = message(title=ODD, text=ODD, short=ODD)
    with fake_server(always(200)) as server:
        receiver("webhook", url=server.url, body='{"t": {text}, "u": "{title}"}').send(odd)
    assert rb"a file \\udcff of" in server.asked[0].body
    settings = email.EmailSettings.model_validate({"host": "x", "from": "a@b.c", "to": ["a@b.c"]})
    assert b"a file" in email.mail(odd, settings, CONTEXT).as_bytes()


def test_a_secret_is_read_again_for_each_message(tmp_path: Path) -> None:
    """A new token needs no restart."""
    with fake_server(always(200)) as server:
        made = receiver("webhook", url=server.url, body="x", token=secret(tmp_path, "old"))
        made.send(message())
        secret(tmp_path, CANARY)
        made.send(message())
    tokens = [asked.headers["authorization"] for asked in server.asked]
    assert tokens == ["Bearer old", f"Bearer {CANARY}"]
