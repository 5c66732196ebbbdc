"""Starts that go wrong: one line that says what to do, or recording all the same."""

import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.programs import free_port, output, wait_until
from tests.stories.station import Station, json_node, json_node_facts

from edaphon.clock import SystemClock
from edaphon.journal import Entry, Journal, Kind
from edaphon_drivers.readings import pack_message

TOPIC = "plot/n1"


def station_of(folder: Path, broker: str = "") -> Station:
    tables = [
        f'[broker.local]\nhost = "127.0.0.1"\nport = {free_port()}\ntopics = ["plot/#"]\n{broker}'
    ]
    node = json_node("local", TOPIC)
    return Station(folder, [*tables, node], [json_node_facts("local", TOPIC, "n1")])


def stated(number: int) -> Entry:
    clock = SystemClock()
    data = b'{"t":%d,"vwc":0.2,"temp":1.0,"ec":0.1}' % (time.time_ns() // 10**6 + number)
    payload = pack_message(TOPIC, data, 1, False, False)
    return Entry(Kind.RECORD, clock.wall_ns(), clock.mono_ns(), boot(), "local", payload)


def boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def test_a_damaged_row_of_years_ago_costs_itself_and_not_the_start(tmp_path: Path):
    station = station_of(tmp_path)
    station.start()
    station.stop()
    with Journal(station.storage / "journal", SystemClock(), largest_bytes=1) as journal:
        for number in range(4):  # each file is closed by the next entry
            journal.append_now(stated(number))
    (station.storage / "series.sqlite").unlink()  # so that everything is read again
    second = sorted((station.storage / "journal").glob("journal-*.sqlite"))[1]
    os.chmod(second, 0o644)
    with closing(sqlite3.connect(second)) as file:
        assert file.execute("UPDATE entry SET crc = crc + 1").rowcount == 1
        file.commit()
    try:
        station.start()
        wait_until(lambda: "damaged" in str(station.ask("status")["trouble"]), "the damage")
        assert station.ask("status")["ledgers"]["entries"]["records"] == 3
        found = station.json("verify", codes=(1,))
        assert found["entries"]["damaged"] == 1
    finally:
        station.kill()


def test_a_storage_folder_that_is_none_is_told_in_one_line(tmp_path: Path):
    station = station_of(tmp_path)
    station.storage.write_text("a file, not a folder")
    with pytest.raises(AssertionError) as ended:
        station.start()
    assert "expected a storage folder that this account can write" in str(ended.value)
    assert "Traceback" not in str(ended.value)


def test_a_configuration_that_is_none_is_told_in_one_line(tmp_path: Path):
    station = station_of(tmp_path)
    station.file.unlink()
    station.file.mkdir()
    with pytest.raises(AssertionError, match="expected a configuration such as edaphon.toml"):
        station.start()


def test_a_password_that_is_missing_keeps_only_its_broker_waiting(tmp_path: Path):
    station = station_of(tmp_path, 'password = { env = "EDAPHON_NO_SUCH_SECRET" }\n')
    try:
        station.start()
        (words,) = station.ask("status")["trouble"]
        assert "EDAPHON_NO_SUCH_SECRET is not set" in words
        assert "start of broker local" in words
    finally:
        assert station.stop() < 10


def test_a_start_pays_for_no_engine_before_a_source_needs_it():
    reported = "import sys, edaphon.commands.run; print(*sys.modules)"
    loaded = set(output(sys.executable, "-c", reported).split())
    assert "edaphon.commands.run" in loaded
    protocols = (
        "sdi12",
        "modbus",
        "ascii",
        "i2c",
        "w1",
        "files.engine",
        "smart_home",
        "javascript",
    )
    assert not loaded & {f"edaphon_drivers.{name}" for name in protocols}
    assert not loaded & {"serial", "paho", "edaphon.acquire.line_tools", "scipy", "pint"}
