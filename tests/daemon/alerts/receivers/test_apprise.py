"""Apprise in a process of its own: real sends to a fake server, nothing of it in the service."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.alerts.receivers.samples import (
    CANARY,
    assert_hidden,
    message,
    receiver,
    secret,
)
from tests.daemon.alerts.receivers.servers import FakeServer, always, fake_server

from edaphon.alerts.model import SendLater, SendRefused
from edaphon.alerts.receivers import apprise

KEY = CANARY.replace("/", "-")


def sender(server: FakeServer, folder: Path) -> Any:
    host = server.url.removeprefix("http://")
    return receiver("apprise", address=secret(folder, f"json://{host}/{KEY}"))


def test_a_message_goes_out_by_apprise(tmp_path: Path) -> None:
    with fake_server(always(200)) as server:
        sender(server, tmp_path).send(message())
    (asked,) = server.asked
    table = json.loads(asked.body)
    assert asked.path.rstrip("/") == f"/{KEY}"
    assert (table["title"], table["message"].strip()) == (message().title, message().text.strip())
    assert "apprise" not in sys.modules


@pytest.mark.parametrize(("status", "kind"), [(403, SendRefused), (429, SendLater)])
def test_what_the_service_answers_decides(
    status: int, kind: type[Exception], tmp_path: Path
) -> None:
    with fake_server(always(status)) as server, pytest.raises(kind) as caught:
        sender(server, tmp_path).send(message())
    assert_hidden(caught.value, KEY)


def test_an_address_that_apprise_does_not_know_is_a_refusal_without_it(tmp_path: Path) -> None:
    unknown = receiver("apprise", address=secret(tmp_path, f"nonsense://{KEY}"))
    with pytest.raises(SendRefused, match="knows no service") as caught:
        unknown.send(message())
    assert_hidden(caught.value, KEY)


def test_what_apprise_reports_is_shown_without_the_parts_of_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"tgram://{KEY}/{CANARY}"
    words = f"could not reach {address} as {KEY} with {CANARY.split('/')[0]}"
    monkeypatch.setattr(apprise, "_asked", lambda _: {"did": "failed", "words": words})
    with pytest.raises(SendLater, match="could not reach") as caught:
        receiver("apprise", address=secret(tmp_path, address)).send(message())
    assert_hidden(caught.value, KEY)
    assert_hidden(caught.value, CANARY.split("/")[0])


def test_a_service_that_hangs_is_ended_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise, "WHOLE_S", 1.5)

    def slow(asked: Any) -> tuple[int, dict[str, str], bytes]:
        time.sleep(3)
        return 200, {}, b""

    with fake_server(slow) as server:
        begin = time.monotonic()
        with pytest.raises(SendLater, match="not done within 1.5 s"):
            sender(server, tmp_path).send(message())
        assert time.monotonic() - begin < 2.5


def test_the_address_stands_in_no_argument_and_no_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []
    known = subprocess.Popen

    def start(words: Any, **more: Any) -> Any:
        started.append({"words": words, "env": more["env"]})
        return known(words, **more)

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setenv("EDAPHON_APPRISE", f"json://127.0.0.1:9/{KEY}")
    with pytest.raises(SendLater):
        receiver("apprise", address={"env": "EDAPHON_APPRISE"}).send(message())
    assert KEY not in json.dumps(started)


def test_without_apprise_check_shows_what_to_type_and_it_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = apprise.AppriseSettings.model_validate({"address": {"env": "X"}})
    assert list(apprise.doubts(settings)) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ((key, came, right),) = apprise.doubts(settings)
    assert (key, came) == ("kind", "Apprise is not installed")
    assert right.endswith("-m pip install 'apprise>=2.2,<3'")
