"""Two loggers with one id at one broker: each receives all, or status says what is wrong."""

import shutil
import time
from pathlib import Path

import pytest
from tests.programs import Mosquitto, wait_until
from tests.stories.sending import broker_table, publish
from tests.stories.station import Station, json_node, json_node_facts

TOPIC = "plot/n1"
MESSAGES = 20


def station(folder: Path, broker: Mosquitto) -> Station:
    tables = [broker_table(broker, "local", "plot/#"), json_node("local", TOPIC)]
    return Station(folder, tables, [json_node_facts("local", TOPIC, "n1")])


def records(one: Station) -> int:
    return int(one.ask("status")["ledgers"]["entries"]["records"])


def send(broker: Mosquitto, first: int, pause_s: float) -> None:
    for n in range(first, first + MESSAGES):
        now_ms = time.time_ns() // 10**6
        publish(broker, [(TOPIC, b'{"t": %d, "vwc": 0.%d}' % (now_ms, n))])
        time.sleep(pause_s)


@pytest.mark.timeout(120)
def test_two_loggers_of_one_id_receive_every_message_each(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        both = [station(tmp_path / name, broker) for name in ("a", "b")]
        try:
            for one in both:
                one.start()
            time.sleep(1)  # subscribed
            send(broker, 10, 0.05)
            for one in both:
                wait_until(lambda one=one: records(one) == MESSAGES, "all messages", 20)
                assert not [t for t in one.ask("status")["trouble"] if "broker" in t]
        finally:
            for one in both:
                one.kill()


@pytest.mark.timeout(120)
def test_a_copy_of_the_storage_on_one_machine_is_named_as_what_it_is(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        first, copy = (station(tmp_path / name, broker) for name in ("a", "b"))
        first.start()
        first.stop()
        shutil.copytree(first.storage, copy.storage)
        try:
            first.start()
            copy.start()

            def named(one: Station) -> bool:
                return any(
                    "another client uses the client id 'edaphon-story-1-local-" in words
                    for words in one.ask("status")["trouble"]
                )

            wait_until(lambda: named(first) or named(copy), "the cause in status", 30)
            time.sleep(3)
            assert named(first) or named(copy), "it stays there while it lasts"
        finally:
            for one in (first, copy):
                one.kill()
