"""Reader and broker are killed while messages flow: every accepted message is kept exactly once."""

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from tests.daemon.acquire import broker_reader
from tests.programs import Mosquitto, wait_until

from edaphon.journal import Kind, read_only
from edaphon_drivers.readings import unpack_message

MESSAGES = 3000


@contextmanager
def publishing(broker: Mosquitto) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect(broker.host, broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


class Reader:
    """The reading process: what it says is read by a thread, so that it never has to wait."""

    def __init__(self, folder: Path, port: int, manner: str) -> None:
        script = Path(broker_reader.__file__)
        self._process = subprocess.Popen(
            [sys.executable, script, folder, str(port), manner], stdout=subprocess.PIPE, text=True
        )
        self.received = self.connects = 0
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            words = line.split()
            if words[0] == "connected":
                self.connects, self.received = int(words[1]), int(words[3])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def text(k: int) -> str:
    """Each tenth message is the same as the tenth before."""
    return "same" if k % 10 == 0 else f"message {k}"


def kept(folder: Path) -> Counter[str]:
    records = read_only(folder).scan(kinds={Kind.RECORD})
    return Counter(unpack_message(entry.payload).data.decode() for _, entry in records)


def flow(broker: Mosquitto, messages: int) -> threading.Thread:
    def publish() -> None:
        with publishing(broker) as client:
            for k in range(messages):
                sent = client.publish(f"plot/{k % 20}", text(k), qos=1)
                time.sleep(0.003)
            sent.wait_for_publish(20)

    thread = threading.Thread(target=publish)
    thread.start()
    return thread


def found_after_kills(
    broker: Mosquitto, folder: Path, manner: str, kills: int, messages: int
) -> Counter[str]:
    """What is in the journal when messages have flowed past a reader that was killed."""
    rng = random.Random(5)
    reader = Reader(folder, broker.port, manner)
    wait_until(lambda: reader.connects > 0, "the first subscription")
    publisher = flow(broker, messages)
    for _ in range(kills):
        before = reader.received
        wait_until(lambda seen=before, r=reader: r.received > seen, "messages")
        time.sleep(rng.uniform(0, 0.3))
        reader.kill()
        reader = Reader(folder, broker.port, manner)
    publisher.join()
    wait_until(lambda: reader.connects > 0, "the last connection")
    total, quiet_since = -1, time.monotonic()
    while total < messages and time.monotonic() - quiet_since < 3:
        now = sum(kept(folder).values())
        total, quiet_since = now, quiet_since if now == total else time.monotonic()
        time.sleep(0.1)
    reader.kill()
    return kept(folder)


@pytest.mark.timeout(120)
def test_each_message_is_kept_exactly_once_over_ten_kills_of_the_reader(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        manner = "acknowledge after commit"
        found = found_after_kills(broker, tmp_path / "journal", manner, 10, MESSAGES)
    assert found == Counter(text(k) for k in range(MESSAGES))


@pytest.mark.timeout(120)
def test_such_kills_lose_messages_when_they_are_acknowledged_at_once(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        folder = tmp_path / "journal"
        found = found_after_kills(broker, folder, "acknowledge at once", 4, MESSAGES // 2)
    published = Counter(text(k) for k in range(MESSAGES // 2))
    assert sum((published - found).values()) > 0


def test_messages_in_flight_during_a_late_commit_survive_the_kill_of_broker_and_reader(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "journal"
    with Mosquitto(tmp_path) as broker:
        reader = Reader(folder, broker.port, "never commit")
        wait_until(lambda: reader.connects > 0, "a connection")
        with publishing(broker) as client:
            for k in range(200):
                sent = client.publish("plot/1", text(k), qos=1)
            sent.wait_for_publish(10)
        wait_until(lambda: reader.received == 200, "all messages")
        wait_until(lambda: broker.saved_bytes > 200 * 50, "the broker to save them")
        broker.kill()
        reader.kill()
        assert sum(kept(folder).values()) == 0
        broker.start()
        reader = Reader(folder, broker.port, "acknowledge after commit")
        wait_until(lambda: sum(kept(folder).values()) >= 200, "all messages again")
        reader.kill()
    assert kept(folder) == Counter(text(k) for k in range(200))
