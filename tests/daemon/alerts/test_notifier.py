"""The thread that looks, and those that send: nothing twice over a restart, nobody kept waiting."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.daemon.alerts.receivers.samples import receiver, secret
from tests.daemon.alerts.receivers.servers import Asked, fake_server
from tests.daemon.alerts.station import HOUR, MINUTE, START, Station
from tests.daemon.alerts.test_due import book, opened
from tests.daemon.commands.calling import until
from tests.daemon.journal.entries import SetClock

from edaphon.alerts.book import STATE_KEY, Book, KeptBook
from edaphon.alerts.due import Due, ReceiverRules
from edaphon.alerts.heartbeat import Beat, Pulse
from edaphon.alerts.look import Situation
from edaphon.alerts.model import Message, Occasion, SendLater, SendRefused, Severity, What
from edaphon.alerts.notifier import Notifier, Post, Sender, UnknownIncident
from edaphon.journal import Entry, Journal, Kind, StateFile


class Inbox:
    """A receiver that keeps what it is sent; `fails` are raised first, one for each message."""

    def __init__(self, *fails: Exception) -> None:
        self.messages: list[Message] = []
        self.fails = list(fails)
        self.closed = False

    def send(self, message: Message) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.messages.append(message)

    def close(self) -> None:
        self.closed = True

    @property
    def occasions(self) -> list[str]:
        return [str(message.occasion) for message in self.messages]


class Hanging(Inbox):
    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.entered = threading.Event()

    def send(self, message: Message) -> None:
        self.entered.set()
        self.go_on.wait(20)
        super().send(message)


@dataclass
class Watched:
    """The station in simulated time as what a notifier looks at."""

    station: Station
    kept: dict[str, Any] = field(default_factory=dict)

    def look(self) -> Situation:
        return self.station.now

    def save(self) -> dict[str, Any]:
        return {"own": 1}

    def restore(self, table: dict[str, Any]) -> None:
        self.kept = dict(table)


def written(due: Due, book: Book) -> Message:
    number = due.numbers[0] if due.numbers else 0
    text = str(dict(book.incidents[number].numbers)) if number else "text"
    return Message(due.occasion, number, Severity.LOST, "title", "short", text, 0)


@dataclass
class Life:
    """One life of the alerts of a station."""

    notifier: Notifier
    station: Station
    journal: Journal
    state: StateFile

    def pass_time(self, duration: int, each: int = MINUTE) -> None:
        for _ in range(duration // each):
            self.station.pass_time(each)
            self.notifier.look()

    def send(self) -> None:
        for sender in self.notifier.senders.values():
            sender.send_due(threading.Event())

    def events(self) -> list[str]:
        self.journal.append_now(entry(Kind.NOTE, "", b"{}"))
        scanned = self.journal.scan(kinds={Kind.ALERT})
        return [one.payload.decode() for _, one in scanned]


def entry(kind: Kind, source: str, payload: bytes) -> Entry:
    return Entry(kind, 1, 1, "b", source, payload)


@contextmanager
def life(
    folder: Path, station: Station, pulses: tuple[Pulse, ...] = (), **receivers: Inbox
) -> Iterator[Life]:
    journal, state = Journal(folder / "journal", SetClock()), StateFile(folder)
    kept = KeptBook(journal, state, entry)
    senders = [
        Sender(
            Post(ReceiverRules(name), lambda inbox=inbox: inbox, written),
            kept,
            lambda: station.now.now_ns,
        )
        for name, inbox in receivers.items()
    ]
    notifier = Notifier(Watched(station), kept, senders, pulses, 0.0)
    notifier._begin()
    try:
        yield Life(notifier, station, journal, state)
    finally:
        journal.close()
        state.close()


def volts(station: Station, last_v: float) -> None:
    now = station.now
    station.now = replace(now, supplies=tuple(replace(s, last_v=last_v) for s in now.supplies))


def test_a_reminder_has_the_numbers_of_now_and_no_event_is_journalled_for_them(
    tmp_path: Path,
) -> None:
    station, mail = Station(), Inbox()
    with life(tmp_path, station, mail=mail) as one:
        volts(station, 10.9)
        one.pass_time(HOUR)
        one.send()
        journalled = len(one.events())
        for hour in range(24):
            volts(station, 10.8 - hour / 100)
            one.pass_time(HOUR, each=10 * MINUTE)
        assert len(one.events()) == journalled
        one.send()
        assert mail.occasions == ["opened", "repeated"]
        assert "'last_v': 10.9," in mail.messages[0].text
        assert f"'last_v': {10.8 - 23 / 100}," in mail.messages[1].text


def test_a_restart_sends_nothing_twice_and_goes_on_with_what_is_open(tmp_path: Path) -> None:
    station, mail = Station(), Inbox()
    with life(tmp_path, station, mail=mail) as first:
        station.silent = {"source one/1"}
        first.pass_time(HOUR)
        first.send()
        assert mail.occasions == ["opened"]
        (number,) = first.notifier.book.incidents
    with life(tmp_path, station, mail=mail) as second:
        second.pass_time(HOUR)
        second.send()
        assert mail.occasions == ["opened"]
        station.silent = set()
        second.pass_time(2 * HOUR)
        second.send()
        assert mail.occasions == ["opened", "resolved"]
        assert mail.messages[1].number == number
    with life(tmp_path, station, mail=mail) as third:
        third.pass_time(HOUR)
        third.send()
        assert mail.occasions == ["opened", "resolved"]


def test_a_lost_state_file_is_made_again_of_the_journal(tmp_path: Path) -> None:
    station, mail = Station(), Inbox()
    with life(tmp_path, station, mail=mail) as first:
        station.silent = {"source one/1"}
        first.pass_time(HOUR)
        first.send()
        book = first.notifier.book
    for file in tmp_path.glob("state.sqlite*"):
        file.unlink()
    with life(tmp_path, station, mail=mail) as second:
        assert second.notifier.book == book
        second.pass_time(HOUR)
        second.send()
        assert mail.occasions == ["opened"]


def test_a_state_of_another_journal_is_not_believed(tmp_path: Path) -> None:
    station = Station()
    with life(tmp_path, station) as first:
        station.silent = {"source one/1"}
        first.pass_time(HOUR)
        saved = first.state.get(STATE_KEY)
        assert saved["book"]
    other = tmp_path / "other"
    with life(other, Station()) as fresh:
        fresh.journal.append_now(entry(Kind.NOTE, "", b"{}"))
        fresh.state.put(STATE_KEY, saved)
    with life(other, Station()) as again:
        assert again.notifier.book == Book()


@pytest.mark.parametrize("change", [{"book": {"incidents": 7}}, {"well": None}, {"place": "x"}])
def test_a_saved_book_that_nobody_can_read_is_made_again_of_the_journal(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    station = Station()
    with life(tmp_path, station) as first:
        station.silent = {"source one/1"}
        first.pass_time(HOUR)
        book = first.notifier.book
        first.state.put(STATE_KEY, {**first.state.get(STATE_KEY), **change})
    with life(tmp_path, station) as second:
        assert second.notifier.book == book


def test_a_start_reads_only_what_came_behind_the_saved_place(tmp_path: Path) -> None:
    station = Station()
    with life(tmp_path, station) as first:
        for _ in range(50):
            first.journal.append_now(entry(Kind.NOTE, "", b"{}"))
        first.notifier.save(at_once=True)
        place = first.state.get(STATE_KEY)["place"]
        assert place == first.journal.last.number  # type: ignore[union-attr]


def test_what_only_the_station_knows_comes_back_after_a_restart(tmp_path: Path) -> None:
    station = Station()
    with life(tmp_path, station) as first:
        first.pass_time(MINUTE)
        first.notifier.save(at_once=True)
    with life(tmp_path, station) as second:
        assert second.notifier._station.kept == {"own": 1}  # type: ignore[attr-defined]


def test_a_receiver_that_hangs_keeps_no_other_waiting_and_stops_the_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edaphon.alerts.notifier.HANGS_AFTER_S", 0.2)
    station, slow, mail = Station(), Hanging(), Inbox()
    beats: list[Beat] = []
    pulse = Pulse("heartbeat", lambda: None)  # type: ignore[arg-type, return-value]
    monkeypatch.setattr(pulse, "offer", beats.append)
    stop = threading.Event()
    with life(tmp_path, station, (pulse,), slow=slow, mail=mail) as now:
        threads = [
            threading.Thread(target=sender.run, args=(stop,), daemon=True)
            for sender in now.notifier.senders.values()
        ]
        for thread in threads:
            thread.start()
        station.silent = {"source one/1"}
        now.pass_time(HOUR)
        assert beats
        assert slow.entered.wait(10)
        end = time.monotonic() + 10
        while not mail.messages and time.monotonic() < end:
            time.sleep(0.01)
        assert mail.occasions == ["opened"]
        time.sleep(0.25)
        before = len(beats)
        now.pass_time(10 * MINUTE)
        assert len(beats) == before
        slow.go_on.set()
        stop.set()
        now.notifier.wake()
        for thread in threads:
            thread.join(10)


def test_what_does_not_go_out_waits_ever_longer_and_goes_out_once(tmp_path: Path) -> None:
    station, mail = Station(), Inbox(SendLater("no network"), SendLater("no network"))
    with life(tmp_path, station, mail=mail) as now:
        station.silent = {"source one/1"}
        now.pass_time(HOUR)
        sender = now.notifier.senders["mail"]
        now.send()
        assert sender.delayed == "no network"
        assert now.notifier.undelivered(station.now.now_ns) == 1
        first_s = sender._wait_s
        now.send()
        assert sender._wait_s == 2 * first_s
        now.send()
        assert mail.occasions == ["opened"]
        assert sender.delayed == ""
        assert now.notifier.undelivered(station.now.now_ns) == 0
        now.send()
        assert mail.occasions == ["opened"]


def test_a_receiver_that_refuses_is_an_incident_to_the_others_also_after_a_restart(
    tmp_path: Path,
) -> None:
    station, mail, chat = Station(), Inbox(SendRefused("535 wrong password")), Inbox()
    with life(tmp_path, station, mail=mail, chat=chat) as now:
        station.silent = {"source one/1"}
        now.pass_time(HOUR)
        now.send()
        now.pass_time(MINUTE)
        (refuses,) = [one for one in now.notifier.book.open if one.what is What.RECEIVER_REFUSES]
        assert refuses.cause == "receiver mail"
        assert refuses.numbers["why"] == "535 wrong password"
        now.send()
        assert chat.occasions == ["opened", "opened"]
        assert mail.messages == []  # it is never asked again for what it refused
    with life(tmp_path, station, mail=mail, chat=chat) as later:
        later.pass_time(MINUTE)
        assert refuses.number in {one.number for one in later.notifier.book.open}


def test_whatever_a_receiver_raises_the_message_is_due_still(tmp_path: Path) -> None:
    station, mail = Station(), Inbox(ZeroDivisionError("its own fault"))
    with life(tmp_path, station, mail=mail) as now:
        station.silent = {"source one/1"}
        now.pass_time(HOUR)
        now.send()
        assert "its own fault" in now.notifier.senders["mail"].delayed
        now.send()
        assert mail.occasions == ["opened"]


def test_an_acknowledgement_is_kept_and_an_unknown_number_refused(tmp_path: Path) -> None:
    station = Station()
    with life(tmp_path, station) as now:
        station.silent = {"source one/1"}
        now.pass_time(HOUR)
        (one,) = now.notifier.book.open
        until = station.now.now_ns + HOUR
        now.notifier.acknowledge(one.number, station.now.now_ns, until, "K. Berg", "spare ordered")
        with pytest.raises(UnknownIncident):
            now.notifier.acknowledge(99, 0, 1, "K. Berg", "?")
        assert any('"did":"acknowledged"' in event for event in now.events())
    with life(tmp_path, station) as later:
        (again,) = later.notifier.book.open
        assert (again.acknowledged_until_ns, again.acknowledged_by) == (until, "K. Berg")


def test_a_sign_of_life_tells_ages_open_incidents_and_what_waits(tmp_path: Path) -> None:
    station, mail = Station(), Inbox(*[SendLater("away")] * 9)
    with life(tmp_path, station, mail=mail) as now:
        station.silent = {"source one/1"}
        now.pass_time(HOUR)
        now.send()
        beat = now.notifier.beat(station.now)
        assert (beat.open_incidents, beat.undelivered) == (1, 1)
        assert beat.ages_s["one/1"] is not None
        assert beat.ages_s["one/1"] > 3000
        assert beat.ages_s["one/0"] is not None
        assert beat.ages_s["one/0"] <= 600
        never = replace(station.now.sources[0], last_ns=None)
        unknown = now.notifier.beat(replace(station.now, sources=(never,)))
        assert list(unknown.ages_s.values()) == [None]


def test_the_weekly_report_is_sent_once_also_over_a_restart(tmp_path: Path) -> None:
    station, mail = Station(), Inbox()
    week = Message(Occasion.WELL, 0, Severity.COSMETIC, "well", "well", "well", 0)

    def begin(now: Life) -> Sender:
        kept = now.notifier.kept
        post = Post(
            ReceiverRules("mail"),
            lambda: mail,
            written,
            lambda _: week if kept.well_ns("mail") == 0 else None,
        )
        return Sender(post, kept, lambda: station.now.now_ns)

    for _ in range(2):
        with life(tmp_path, station) as now:
            begin(now).send_due(threading.Event())
            begin(now).send_due(threading.Event())
            now.notifier.save(at_once=True)
    assert mail.occasions == ["well"]


@pytest.mark.parametrize("status", [404, 500])
def test_a_secret_that_a_server_repeats_stands_in_nothing_that_is_kept_or_sent(
    status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Journal, state, log, what `status` shows, and messages to others."""

    def echo(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return status, {}, f"no {asked.path.split('/')[1]} {asked.path[:15]}&amp;".encode()

    station, mail = Station(), Inbox()
    with fake_server(echo) as server:
        url = secret(tmp_path, f"{server.url}/SECRETaaaa/SECRETbbbb?x=SECRETcccc&y=2")
        hook: Any = receiver("webhook", url=url, body="{title}")
        with life(tmp_path / "kept", station, hook=hook, mail=mail) as now:
            station.silent = {"source one/1"}
            now.pass_time(HOUR)
            now.send()
            now.pass_time(HOUR)
            now.send()
            shown = [
                *now.events(),
                *map(str, mail.messages),
                caplog.text,
                repr(now.state.get(STATE_KEY)),
            ]
            shown += [sender.delayed for sender in now.notifier.senders.values()]
    assert server.asked
    assert f"({status})" in "".join(shown)
    assert "SECRET" not in "".join(shown)
    kept = [file.read_bytes() for file in (tmp_path / "kept").rglob("*") if file.is_file()]
    assert not [data for data in kept if b"SECRET" in data]


def test_a_wake_sends_nothing_before_the_book_is_known_nor_before_it_may_be_tried_again() -> None:
    now = book(opened(1))
    kept: Any = SimpleNamespace(ready=False, book=now, shown=now)
    inbox, stop = Inbox(SendLater("busy"), SendLater("busy")), threading.Event()
    sender = Sender(
        Post(ReceiverRules("mail"), lambda: inbox, written), kept, lambda: START, (0.4, 0.4)
    )
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:

        def tried(for_s: float) -> int:
            """How many tries that many seconds of wakes make."""
            left, end = len(inbox.fails), time.monotonic() + for_s
            while time.monotonic() < end:
                sender.wake()
                time.sleep(0.02)
            return left - len(inbox.fails)

        assert tried(0.1) == 0
        kept.ready = True
        sender.wake()
        until(lambda: len(inbox.fails) == 1)
        assert tried(0.2) == 0
        until(lambda: sender.wake() or not inbox.fails)
        assert inbox.messages == []
    finally:
        stop.set()
        sender.wake()
        thread.join()
    assert inbox.closed
