"""A probe gets another address: only a free one, only after a yes, and everything is kept."""

import io
from pathlib import Path

import orjson
from tests.daemon.commands.calling import call
from tests.daemon.commands.test_scan import deployed, line_of, probe, tables
from tests.stories.station import Station

from edaphon.acquire.line_tools import changes_address
from edaphon.journal import Kind, Purpose, read_only
from edaphon.people import own_account
from edaphon.service.process import running
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus


class Obedient(SimulatedBus):
    """Probes that take another address."""

    def _spoken(self, probe: Probe, kind: str, fault: str | None) -> bytes | None:
        if kind[:1] == "A" and len(kind) == 2:
            del self.probes[probe.address]
            probe.address = kind[1]
            self.probes[probe.address] = probe
            return probe.address.encode()
        return super()._spoken(probe, kind, fault)


def test_an_address_is_changed_through_the_daemon_and_what_must_follow_is_shown(tmp_path: Path):
    line = Obedient([probe("a", "T12-A"), probe("b")], second_s=0.01)
    station = Station(tmp_path, tables(line.start(), "a", answer_s=0.15), [deployed("a", "T12-A")])
    words = ("sensor", "address", "sdi12", "a")
    with running(station.file):
        call(station, *words, "b", "--yes", codes=(1,))  # taken
        assert sorted(line.probes) == ["a", "b"]
        reported, _ = call(station, *words, "c", "--yes", "--who", "K. Berg")
    line.stop()
    assert sorted(line.probes) == ["b", "c"]
    assert "sdi12/a is METER TER12 T12-A; sdi12/c is free" in reported
    assert "sdi12/c answers now: METER   TER12 411T12-A" in reported
    assert 'in the [[source]] of sdi12/a: address = "c"' in reported
    assert 'deployment d-pa-temp: end it with `to`, go on with source = "sdi12/c"' in reported
    entries = [e for _, e in read_only(station.storage / "journal").scan()]
    kept = [(e.kind, e.source) for e in entries if e.purpose == Purpose.VISIT]
    assert kept == [
        (Kind.IDENTITY, "sdi12/a"),
        (Kind.IDENTITY, "sdi12/c"),
        (Kind.NOTE, "sdi12/c"),
    ]
    note = orjson.loads(next(e for e in entries if e.kind == Kind.NOTE).payload)
    assert note["who"] == "K. Berg"
    assert note["account"] == own_account()
    assert note["what"] == "address of sdi12/a changed to c"


def test_without_a_yes_nothing_is_changed(tmp_path: Path, monkeypatch):
    with line_of(probe("a")) as port:
        station = Station(tmp_path, tables(port, answer_s=0.15), [])
        monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
        _, err = call(station, "sensor", "address", "sdi12", "a", "c", codes=(1,))
    assert "nothing was changed" in err
    entries = read_only(station.storage / "journal").scan(kinds=[Kind.NOTE])
    assert list(entries) == []


def test_addresses_that_may_not_be_are_refused_before_anybody_is_asked(tmp_path: Path):
    station = Station(tmp_path, tables("/dev/none", "a", "b"), [])
    for code, words in ((2, "a a"), (2, "a !"), (2, "aa b"), (1, "a b")):
        call(station, "sensor", "address", "sdi12", *words.split(), codes=(code,))
    call(station, "sensor", "address", "none", "a", "c", codes=(2,))


def test_a_silent_probe_has_no_address_to_change(tmp_path: Path):
    with line_of(probe("b")) as port:
        station = Station(tmp_path, tables(port, answer_s=0.15), [])
        call(station, "sensor", "address", "sdi12", "a", "c", "--yes", codes=(1,))


def test_commands_that_change_an_address_are_known_in_any_dress():
    for data in (b"aAb!", b"?A1!", b"\r\n0A1!", b"0A1", b"0I!0A1!", b"\x00 0A1!"):
        assert changes_address(data), data
    for data in (b"aM!", b"0XA1!", b"0I!", b"A!", b"AM!", b"AD0!", b"0R0!"):
        assert not changes_address(data), data
