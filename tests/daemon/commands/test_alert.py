"""`edaphon alert`: list, acknowledge, test, rehearse; and what status says of incidents."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.stories.station import Station, teros12_facts

from edaphon.alerts.look import Situation
from edaphon.alerts.model import Incident, Severity, What
from edaphon.service.alerting import MessageWriter, urgency
from edaphon.service.process import running
from edaphon.service.service import Service
from edaphon.service.sources import Overrides

LINE = '[bus.line]\nkind = "sdi12"\nport = "/dev/serial/by-id/usb-FTDI_A10K2XYZ-if00-port0"\n'
PROBES = "".join(
    f'[[source]]\nbus = "line"\naddress = "{a}"\nmodel = "meter.teros12"\ninterval = "10min"\n'
    for a in "abc"
)
QUICK = Overrides(look_every_s=0.05)


class Answers(BaseHTTPRequestHandler):
    status = 200

    def do_POST(self) -> None:  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"so so\r\n")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(answers: type[Answers] = Answers) -> Iterator[str]:
    own = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    threading.Thread(target=own.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{own.server_address[1]}"
    finally:
        own.shutdown()
        own.server_close()


def notify(name: str, url: str) -> str:
    return f'[[notify]]\nname = "{name}"\nkind = "webhook"\nurl = "{url}"\nbody = "{{title}}"\n'


def station_of(folder: Path, *tables: str) -> Station:
    facts = [teros12_facts(f"line/{a}", f"P{a}") for a in "abc"]
    return Station(folder, [LINE, PROBES, *tables], facts)


def ill(service: Service, change: Callable[[Situation], Situation]) -> None:
    """What the alerts look at from now on."""
    station = service.alerts._station
    look = station.look
    station.look = lambda: change(look())  # type: ignore[method-assign]


def full_disk(situation: Situation) -> Situation:
    return replace(situation, disk_full=True)


def test_an_incident_is_listed_and_acknowledged_by_its_number(tmp_path: Path) -> None:
    station = station_of(tmp_path)
    with running(station.file, QUICK) as service:
        assert "no open incident" in call(station, "alert", "list")[0]
        ill(service, full_disk)
        until(lambda: service.alerts.book.open)
        stated, _ = call(station, "alert", "list")
        assert stated.startswith("1 (lost): story: The disk of the logger is full")
        assert 'edaphon alert ack 1 --why "..."' in stated
        done, _ = call(station, "alert", "ack", "1", "--why", "card ordered", "--for", "3d")
        assert done.startswith("incident 1 is acknowledged until ")
        (one,) = call_json(station, "alert", "list")["incidents"]
        assert one["why"] == "card ordered"
        assert one["acknowledged_until_ns"] > time.time_ns() + 2 * 86400 * 10**9
        first = call(station, "alert", "list")[0].splitlines()[0]
        assert re.search(r"acknowledged by .+ until \w{3} \d+ \w{3} \d{4}, \d\d:\d\d\)$", first)
        assert re.search(r"until \w{3} \d+ \w{3} \d{4}, \d\d:\d\d$", done)


def test_what_nobody_acknowledged_is_listed_first_and_what_is_well_again_last() -> None:
    lost = Incident(1, "source a", What.SILENT, Severity.LOST, 1, 1, ("source a",))
    late = replace(lost, number=2, severity=Severity.LATE)
    known = replace(lost, number=3, acknowledged_until_ns=200)
    was_known = replace(lost, number=4, acknowledged_until_ns=90)
    well = replace(lost, number=5, quiet_ns=50)
    found = sorted([well, known, late, was_known, lost], key=lambda one: urgency(one, 100))
    assert [one.number for one in found] == [1, 4, 2, 3, 5]


def test_the_list_names_a_receiver_whose_messages_wait_for_its_limit(tmp_path: Path) -> None:
    station = station_of(tmp_path, notify("box", "http://127.0.0.1:9/"))
    with running(station.file, QUICK) as service:
        sender = service.alerts.senders["box"]
        sender.send = lambda _: None  # type: ignore[method-assign]
        rules = replace(sender.rules, per_hour=1, per_day=0)
        sender._post = replace(sender._post, rules=rules)
        ill(service, full_disk)
        until(lambda: service.alerts.book.open)
        stated = call(station, "alert", "list")[0]
    assert re.search(
        r"receiver box: 1 incident waits for its limit of messages, until .*\d", stated
    )


def test_an_unknown_number_and_a_wrong_duration_are_refused_with_what_would_be_right(
    tmp_path: Path,
) -> None:
    station = station_of(tmp_path)
    with running(station.file, QUICK):
        _, wrong = call(station, "alert", "ack", "9", "--why", "x", codes=(1,))
        assert "expected the number of an open incident (none), got 9" in wrong
        _, wrong = call(station, "alert", "ack", "9", "--why", "x", "--for", "soon", codes=(2,))
        assert "expected a duration" in wrong
        assert "'soon'" in wrong


def test_status_shows_an_incident_in_the_words_of_its_message_and_exits_with_1(
    tmp_path: Path,
) -> None:
    station = station_of(tmp_path)
    with running(station.file, QUICK) as service:
        ill(service, full_disk)
        until(lambda: service.alerts.book.open)
        stated, _ = call(station, "status", codes=(1,))
        assert "INCIDENT 1 (lost): story: The disk of the logger is full" in stated
        table = call_json(station, "status", codes=(1,))
        (incident,) = table["incidents"]
        assert (incident["cause"], incident["wrong"]) == ("disk", True)


def test_a_problem_is_reported_once_by_its_incident_or_by_its_own_sentence(tmp_path: Path) -> None:
    station = station_of(tmp_path)
    with running(station.file, QUICK) as service:
        until(lambda: service.sources.buses["line"].lost)
        found = call_json(station, "status", codes=(0, 1))
        assert found["incidents"] == []
        ill(service, lambda now: replace(now, mono_ns=now.mono_ns + 600 * 10**9))
        until(lambda: service.alerts.book.open)
        (incident,) = call_json(station, "status", codes=(1,))["incidents"]
        assert incident["cause"] == "bus line"
        assert "usb-FTDI_A10K2XYZ-if00-port0" in incident["text"]


@pytest.mark.parametrize("with_daemon", [True, False])
def test_a_test_message_is_sent_now_and_the_answer_decides_about_the_exit_code(
    tmp_path: Path, with_daemon: bool
) -> None:
    with server() as url:
        station = station_of(
            tmp_path,
            notify("good", f"{url}/200"),
            notify("wrong", f"{url}/404"),
            notify("busy", f"{url}/503"),
        )

        def asked() -> None:
            assert call(station, "alert", "test", "good")[0] == "good: taken\n"
            stated, _ = call(station, "alert", "test", "wrong", codes=(1,))
            assert stated.startswith("wrong: refused: ")
            assert "404" in stated
            stated, _ = call(station, "alert", "test", "busy", codes=(75,))
            assert stated.startswith("busy: not taken now: ")
            stated, _ = call(station, "alert", "test", codes=(1,))
            assert len(stated.splitlines()) == 3
            _, complained = call(station, "alert", "test", "nobody", codes=(2,))
            assert "expected the name of a receiver (good, wrong, busy)" in complained

        if with_daemon:
            with running(station.file, QUICK):
                asked()
        else:
            asked()


@pytest.mark.parametrize("with_daemon", [True, False])
def test_receivers_are_tested_at_once_and_printed_as_they_answer(
    tmp_path: Path, with_daemon: bool
) -> None:
    together = threading.Barrier(3)

    class Slow(Answers):
        def do_POST(self) -> None:  # noqa: N802
            together.wait(20)  # BrokenBarrierError, without an answer, where they come in turn
            time.sleep(1.0 if "slow" in self.path else 0.0)
            super().do_POST()

    with server(Slow) as url:
        tables = [notify(name, f"{url}/{name}/200") for name in ("slow", "one", "two")]
        station = station_of(tmp_path, *tables)
        with running(station.file, QUICK) if with_daemon else nullcontext():
            shown = call(station, "alert", "test")[0].splitlines()
    assert sorted(shown) == ["one: taken", "slow: taken", "two: taken"]
    assert shown[-1] == "slow: taken"


def test_without_receivers_the_rules_run_and_a_test_says_what_is_missing(tmp_path: Path) -> None:
    station = station_of(tmp_path)
    _, complained = call(station, "alert", "test", codes=(1,))
    assert "[[notify]]" in complained
    with running(station.file, QUICK) as service:
        ill(service, full_disk)
        until(lambda: service.alerts.book.open)


def test_a_rehearsal_plays_a_fault_on_the_own_plot_with_the_service_off(tmp_path: Path) -> None:
    station = station_of(tmp_path, notify("technician", "http://127.0.0.1:9/"))
    stated, _ = call(station, "alert", "rehearse", "F01", "--probe", "line/b")
    assert "to technician (opened):" in stated
    assert "to technician (resolved):" in stated
    assert "line/b" in stated
    assert "line/a" not in stated
    assert not (station.storage / "journal").exists()
    stated, _ = call(station, "alert", "rehearse", "adapter")
    assert stated.count("(opened)") == 1
    assert "usb-FTDI_A10K2XYZ-if00-port0" in stated


FILES = (
    '[[source]]\nname = "other"\nfile = "/data/other.81x"\nmodel = "licor.li-8100a"\n'
    '[source.settings]\nutc_offset = "+01:00"\n'
)


def test_another_logger_that_falls_silent_is_the_one_whose_files_are_followed(
    tmp_path: Path,
) -> None:
    stated, _ = call(station_of(tmp_path / "a", FILES), "alert", "rehearse", "F14")
    assert stated.count("(opened)") == 1
    assert "file/other" in stated
    assert "line" not in stated.splitlines()[1]
    stated, _ = call(station_of(tmp_path / "b"), "alert", "rehearse", "F14")
    assert stated.startswith("no files of another logger are followed: ")


def test_a_rehearsal_has_minutes_no_time_to_come_and_only_the_language_of_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, usual = list[int](), MessageWriter.due

    def seen(self: MessageWriter, *words: Any) -> Any:
        times.append(words[-1])
        return usual(self, *words)

    monkeypatch.setattr(MessageWriter, "due", seen)
    german = notify("technik", "http://127.0.0.1:9/") + 'language = "de"\n'
    station = station_of(tmp_path, german)
    stated, _ = call(station, "alert", "rehearse", "F12", "--probe", "line/b")
    assert re.search(r"after \d+ min, to technik \(opened\)", stated)
    assert "failure code" not in stated
    assert times
    assert max(times) <= time.time_ns()


def test_a_rehearsal_of_what_the_plot_has_not_names_what_it_has(tmp_path: Path) -> None:
    station = station_of(tmp_path)
    _, wrong = call(station, "alert", "rehearse", "sink-away", codes=(2,))
    assert "this station has none" in wrong
    _, wrong = call(station, "alert", "rehearse", "F01", "--probe", "line/z", codes=(2,))
    assert "line/a" in wrong
    assert "line/c" in wrong
    _, wrong = call(station, "alert", "rehearse", "F99", codes=(2,))
    assert "F01" in wrong


def test_the_daemon_off_is_shown_with_how_to_start_it(tmp_path: Path) -> None:
    station = station_of(tmp_path)
    _, wrong = call(station, "alert", "list", codes=(75,))
    assert "edaphon run" in wrong


def test_a_receiver_that_hangs_does_not_delay_the_end_of_the_service(tmp_path: Path) -> None:
    hold, entered = threading.Event(), threading.Event()
    station = station_of(tmp_path, notify("slow", "http://127.0.0.1:9/"))
    with running(station.file, QUICK) as service:

        def hang(_: object) -> None:
            entered.set()
            hold.wait(60)

        service.alerts.senders["slow"].send = hang  # type: ignore[method-assign, assignment]
        ill(service, full_disk)
        assert entered.wait(20)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    hold.set()


def test_texts_that_fail_hide_no_incident(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyError("volts")

    monkeypatch.setattr("edaphon.service.alerting.message", fails)
    station = station_of(tmp_path)
    with running(station.file, QUICK) as service:
        ill(service, full_disk)
        until(lambda: service.alerts.book.open)
        (incident,) = call_json(station, "status", codes=(1,))["incidents"]
        assert incident["title"] == "opened: disk full at disk (incident 1)"
        assert "KeyError: 'volts'" in incident["text"]
        assert len(incident["short"]) <= 160
