"""Messages to a real mosquitto, what it refuses, and brokers that hang or speak 3.1.1 alone."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError
from tests.daemon.alerts.receivers.samples import (
    CANARY,
    CONTEXT,
    assert_hidden,
    message,
    receiver,
    secret,
)
from tests.daemon.alerts.receivers.servers import dripping
from tests.programs import Mosquitto, output, require

from edaphon.alerts.model import SendLater, SendRefused
from edaphon.alerts.receivers import Context, mqtt
from edaphon.commands.programs import free_port
from edaphon.config import Broker
from edaphon.config.rules import Parts

TOPIC = "edaphon/whs-logger-1/alerts"


def context(port: int, **more: Any) -> Context:
    broker = {"host": "127.0.0.1", "port": port, "topics": ["x"], **more}
    return Context(
        CONTEXT.logger, CONTEXT.site, CONTEXT.page_url, {"plots": Broker.model_validate(broker)}
    )


def sender(port: int, topic: str = TOPIC, **more: Any) -> Any:
    return receiver("mqtt", context(port, **more), broker="plots", topic=topic)


@contextmanager
def listener(port: int, **log_in: str) -> Iterator[list[Any]]:
    received: list[Any] = []
    ready = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    if log_in:
        client.username_pw_set(**log_in)
    client.on_message = lambda _, __, found: received.append(found)
    client.on_subscribe = lambda *_: ready.set()
    client.on_connect = lambda *_: client.subscribe("edaphon/#", 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(5)
    yield received
    client.disconnect()
    client.loop_stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("open")) as running:
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that knows one user, who may publish below one topic only."""
    folder = tmp_path_factory.mktemp("closed")
    password, rights = folder / "passwords", folder / "rights"
    tool = require("mosquitto_passwd", "mosquitto")
    output(tool, "-c", "-b", str(password), "plots", CANARY)
    rights.write_text(f"user plots\ntopic write {TOPIC}\n")
    for path in (password, rights):
        path.chmod(0o644)
    folder.chmod(0o755)
    conf = f"allow_anonymous false\npassword_file {password}\nacl_file {rights}\n"
    with Mosquitto(folder, conf) as running:
        yield running


def heard_within(received: list[Any], n: int, within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while len(received) < n and time.monotonic() < end:
        time.sleep(0.01)
    assert len(received) == n


def test_a_message_is_published_once_and_not_retained(broker: Mosquitto) -> None:
    with listener(broker.port) as received:
        sender(broker.port).send(message())
        heard_within(received, 1)
    with listener(broker.port) as later:
        time.sleep(0.2)
        assert later == []
    (found,) = received
    table = json.loads(found.payload)
    assert (found.topic, found.qos, found.retain) == (TOPIC, 1, False)
    assert (table["title"], table["text"]) == (message().title, message().text)
    assert (table["number"], table["severity"]) == (17, "lost")


def test_a_right_password_is_taken(closed: Mosquitto, tmp_path: Path) -> None:
    sender(closed.port, username="plots", password=secret(tmp_path)).send(message())


def test_a_wrong_password_is_a_refusal_without_it(closed: Mosquitto, tmp_path: Path) -> None:
    wrong = {"username": "plots", "password": secret(tmp_path, f"x{CANARY}")}
    with pytest.raises(
        SendRefused, match="refuses the connection: .*[Nn]ot authori[sz]ed"
    ) as caught:
        sender(closed.port, **wrong).send(message())
    assert_hidden(caught.value)


def test_a_topic_that_is_not_allowed_is_a_refusal_and_not_silence(
    closed: Mosquitto, tmp_path: Path
) -> None:
    """With MQTT 3.1.1 mosquitto acknowledges it and throws it away."""
    own = {"username": "plots", "password": secret(tmp_path)}
    with pytest.raises(SendRefused, match="refuses a message to edaphon/other"):
        sender(closed.port, "edaphon/other", **own).send(message())


@contextmanager
def fake_old_broker(refusal: bytes) -> Iterator[tuple[int, list[int]]]:
    """A fake of a broker that knows MQTT 3.1.1 alone: its port, and the versions it was asked in.

    MQTT 3.1.1, sections 3.1.2.2 and 3.2.2.3: another level is answered with return code 1, or the
    connection is closed.
    """
    versions: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    versions.append(connection.recv(1000)[8])
                    if versions[-1] != 4:
                        connection.sendall(refusal)
                        continue
                    connection.sendall(b"\x20\x02\x00\x00")
                    packet = connection.recv(70_000)
                    at = packet.index(TOPIC.encode()) + len(TOPIC)
                    connection.sendall(b"\x40\x02" + packet[at : at + 2])
                    connection.recv(100)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], versions
        thread.join(5)


@pytest.mark.parametrize("refusal", [b"\x20\x02\x00\x01", b""])
def test_a_broker_of_mqtt_3_alone_is_spoken_to_in_its_version(refusal: bytes) -> None:
    with fake_old_broker(refusal) as (port, versions):
        sender(port).send(message())
    assert versions == [5, 4]


def test_a_broker_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(SendLater, match="can't be reached: Connection refused") as caught:
        sender(free_port()).send(message())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("greeting", [b"", b"\x20"])
def test_a_broker_that_drips_does_not_hang_it(
    greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "WHOLE_S", 0.4)
    with dripping(greeting, b"\xff", 0.05) as port:
        begin = time.monotonic()
        with pytest.raises(SendLater):
            sender(port).send(message())
        assert time.monotonic() - begin < 2.0


def test_a_broker_that_the_file_does_not_have_is_found_by_check() -> None:
    settings = mqtt.MqttSettings.model_validate({"broker": "plot", "topic": "a"})
    parts = Parts(brokers=context(1).brokers)
    assert list(mqtt.config_errors(settings, parts)) == [
        ("broker", '"plot" is no broker of this file', "did you mean plots?")
    ]


def test_a_topic_with_wildcards_is_found_by_check() -> None:
    with pytest.raises(ValidationError, match="without"):
        mqtt.MqttSettings.model_validate({"broker": "plots", "topic": "a/#"})
