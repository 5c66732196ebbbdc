"""Two loggers with one id at one broker: each receives all, or status says what is wrong."""

import shutil
import time
from pathlib import Path

import orjson
import pytest
from tests.programs import Mosquitto, wait_until
from tests.stories import machine_daemon
from tests.stories.load import LONG
from tests.stories.sending import broker_table, publish
from tests.stories.station import Station, json_node, json_node_facts

from edaphon.journal import StateFile

long = pytest.mark.skipif(not LONG, reason="long: EDAPHON_FAULTS=long; test_mqtt_link has it short")
TOPIC = "plot/n1"
MESSAGES = 20


def parts(folder: Path, broker: Mosquitto) -> tuple[Path, list[str], list[str]]:
    tables = [broker_table(broker, "local", "plot/#"), json_node("local", TOPIC)]
    return folder, tables, [json_node_facts("local", TOPIC, "n1")]


def station(folder: Path, broker: Mosquitto) -> Station:
    return Station(*parts(folder, broker))


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


@long
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


def known_by(one: Station) -> str:
    """The client id that this journal has at the broker, once that is certain."""
    one.ask("flush")
    journal = orjson.loads((one.storage / "journal" / "origin.json").read_bytes())["journal"]
    with StateFile(one.storage) as state:
        reported = state.get("mqtt client of broker local", {})
    return str(reported["client"]) if reported.get("journal") == journal else ""


def on_another_machine(one: Station) -> None:
    """As if the storage had been begun elsewhere: no mark of that machine is one of this."""
    file = one.storage / "journal" / "origin.json"
    file.write_bytes(orjson.dumps({**orjson.loads(file.read_bytes()), "machine": ["serial 1"]}))


HERE = machine_daemon.__file__


@long
@pytest.mark.timeout(120)
def test_a_card_moved_to_another_machine_fetches_what_waits_for_it(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        moved = Station(*parts(tmp_path / "a", broker), program=(HERE,))
        try:
            moved.start()
            wait_until(lambda: bool(known_by(moved)), "its session")
            before = known_by(moved)
            moved.stop()
            send(broker, 10, 0)
            on_another_machine(moved)
            moved.start()
            wait_until(lambda: records(moved) == MESSAGES, "what waited", 20)
            wait_until(lambda: bool(known_by(moved)), "that nobody else is there", 30)
            assert known_by(moved) == before
        finally:
            moved.kill()


@long
@pytest.mark.timeout(120)
def test_a_copied_card_on_another_machine_takes_nothing_from_its_original(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        first, copy = (
            Station(*parts(tmp_path / name, broker), program=(HERE,)) for name in ("a", "b")
        )
        try:
            first.start()
            wait_until(lambda: bool(known_by(first)), "its session")
            first.stop()
            shutil.copytree(first.storage, copy.storage)
            on_another_machine(copy)
            first.start()
            copy.start()
            send(broker, 10, 0.25)
            wait_until(lambda: known_by(copy) not in {"", known_by(first)}, "a name of its own", 30)
            wait_until(lambda: records(first) == MESSAGES, "all of the original's messages", 30)
            send(broker, 30, 0)
            wait_until(lambda: records(first) == 2 * MESSAGES, "all of the original's messages")
            wait_until(lambda: records(copy) >= MESSAGES, "all of the copy's messages")
        finally:
            for one in (first, copy):
                one.kill()
