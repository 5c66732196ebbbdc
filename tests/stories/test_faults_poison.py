"""An entry that ends the service is found and set aside; whatever hangs, SIGTERM ends it."""

import time
from pathlib import Path

import pytest
from tests.programs import free_port, wait_until
from tests.stories.station import Station, json_node, json_node_facts

from edaphon.clock import SystemClock
from edaphon.journal import Entry, Journal, Kind
from edaphon.journal.guard import NAME
from edaphon.storage.client import DaemonRefuses
from edaphon_drivers.readings import pack_message

TOPIC = "plot/n1"
DAEMON = str(Path(__file__).with_name("poison_daemon.py"))
ENDED = {
    "segv": (2, "a crash: Segmentation fault"),
    "hold": (2, "did not end within 30 s of processor time"),
    "kill": (5, "the process was killed while it worked on this entry"),  # it could be anybody's
}


def station_of(folder: Path, harm: str) -> Station:
    port = free_port()
    broker = f'[broker.local]\nhost = "127.0.0.1"\nport = {port}\ntopics = ["plot/#"]\n'
    tables = [broker, json_node("local", TOPIC)]
    return Station(folder, tables, [json_node_facts("local", TOPIC, "n1")], (DAEMON, harm))


def message(number: int, more: str = "") -> Entry:
    """Of minute `number` of the last hours."""
    clock = SystemClock()
    t = time.time_ns() // 10**6 - 3600_000 + number * 1000
    data = f'{{"t":{t},"vwc":0.2,"temp":{number},"ec":0.1{more}}}'.encode()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    payload = pack_message(TOPIC, data, 1, False, False)
    return Entry(Kind.RECORD, clock.wall_ns(), clock.mono_ns(), boot, "local", payload)


def journal_of(station: Station, poisons: tuple[int, ...], n: int = 40) -> None:
    """What others send is in the journal before the service begins."""
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for number in range(n):
            journal.append([message(number, ',"poison":1' if number in poisons else "")])
        journal.append_now(message(n))


def begun(station: Station) -> None:
    """A first start makes the clock of this boot and the facts known; then it is off."""
    station.start()
    station.stop()


def ends(station: Station, most: int) -> int:
    """Start it, as a service manager does, until it lives; how often it ended."""
    for n in range(most + 1):
        try:
            station.start()
            wait_until(lambda: settled(station), "a settled service", 30)
        except (AssertionError, OSError, ValueError):
            assert station.process is not None
            assert station.process.wait(60) != 0
            print("ended by", station.process.returncode)
            station.process = None
            continue
        return n
    raise AssertionError(station.log())


def settled(station: Station) -> bool:
    assert station.process is not None
    assert station.process.poll() is None
    try:
        entries = station.ask("status")["ledgers"]["entries"]
    except DaemonRefuses:  # the file of values is opened again
        return False
    return bool(entries["records"] == 41)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("harm", ENDED)
def test_an_entry_that_ends_the_service_is_set_aside(tmp_path: Path, harm: str) -> None:
    """One of 41 that are derived at once; the neighbours on both sides give their values."""
    station = station_of(tmp_path, harm)
    try:
        begun(station)
        journal_of(station, (20,))
        assert ends(station, 6) == ENDED[harm][0]
        status = station.ask("status")
        assert status["ledgers"]["entries"]["dead"] == 1
        assert status["ledgers"]["entries"]["decoded"] == 40
        (row,) = status["aside"]
        assert row["source"] == "local"
        assert ENDED[harm][1] in row["why"]
        assert any(row["entry"] in words for words in status["trouble"])
        assert status["ledgers"]["current"] == 3 * 40
        station.stop()
        station.start()  # and it stays so
        wait_until(lambda: settled(station), "the records")
        assert len(station.ask("status")["aside"]) == 1
    finally:
        station.kill()


RAISED = {
    "raise": "IndexError",
    "disk": "DecoderFailed: OSError",  # no disk has failed
    "panic": "Panic: index out of bounds",
    "words": "RuntimeError: w",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("harm", RAISED)
def test_an_entry_that_raises_costs_itself_and_no_restart(tmp_path: Path, harm: str) -> None:
    """Nothing that was derived before it counts twice, and the process goes on."""
    station = station_of(tmp_path, harm)
    try:
        begun(station)
        journal_of(station, (20, 30))
        station.start()
        wait_until(lambda: settled(station), "all records", 30)
        status = station.ask("status")
        assert status["ledgers"]["entries"]["dead"] == 2
        assert status["ledgers"]["current"] == status["ledgers"]["derived"] == 3 * 39
        assert [RAISED[harm] in row["why"] for row in status["aside"]] == [True, True]
        station.stop()
        assert "Traceback" not in station.log()
        assert max(map(len, (tmp_path / "daemon.log").read_text().splitlines())) < 2000
        found = station.json("verify", "--deep")
        assert found["entries"]["closes"]
        station.json("rebuild")
        assert station.json("verify")["entries"]["dead"] == 2
    finally:
        station.kill()


@pytest.mark.timeout(120)
def test_what_was_set_aside_is_tried_again_with_another_configuration(tmp_path: Path) -> None:
    """First by a service that still fails, then by one that does not."""
    station = station_of(tmp_path, "raise")
    try:
        begun(station)
        journal_of(station, (20,))
        station.start()
        wait_until(lambda: settled(station), "all records", 30)
        station.stop()
        station.file.write_text(station.file.read_text() + "# another\n")
        station.start()
        wait_until(lambda: settled(station) and station.ask("status")["aside"], "the entry", 30)
        assert station.ask("status")["ledgers"]["entries"]["dead"] == 1
        station.stop()
        station.file.write_text(station.file.read_text() + "# a third\n")
        station.program = ("-m", "edaphon", "run")
        station.start()
        wait_until(lambda: settled(station), "all records", 30)
        wait_until(lambda: not station.ask("status")["ledgers"]["entries"]["held"], "the entry")
        status = station.ask("status")
        assert status["aside"] == []
        assert status["ledgers"]["entries"]["dead"] == 0
        assert status["ledgers"]["current"] == status["ledgers"]["derived"] == 3 * 41
        station.stop()
        assert station.json("verify", "--deep")["good"]
    finally:
        station.kill()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("harm", ["long hold", "long spin", "wait"])
def test_a_signal_ends_the_service_within_10_s_whatever_hangs(tmp_path: Path, harm: str) -> None:
    """A step of the deriver that holds Python's lock, one that does not, one that sleeps."""
    station = station_of(tmp_path, harm)
    try:
        begun(station)
        journal_of(station, (20,))
        process = station.launch()
        wait_until(lambda: is_stuck(station), "the hang", 30)
        begun_s = time.monotonic()
        process.terminate()
        code = process.wait(30)
        took = time.monotonic() - begun_s
        assert took < 10.5, station.log()
        assert code == (-9 if harm == "long hold" else 70), station.log()
        assert "Traceback" not in station.log()
        station.process = None
    finally:
        station.kill()


def is_stuck(station: Station) -> bool:
    """Whether the mark of a step stands still."""
    path = station.storage / "journal" / NAME
    before = path.read_bytes()[:256]
    time.sleep(0.5)
    stands = before[:1] != b"-" and b'"live"' in before
    return stands and path.read_bytes()[:256] == before
