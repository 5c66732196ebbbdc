"""A terminal on a line: what is typed goes out, what comes is shown and kept as a test."""

import io
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, until
from tests.daemon.commands.test_record import talking
from tests.daemon.commands.test_scan import line_of, probe, tables
from tests.stories.station import Station

from edaphon.commands.line import Untypable, typed_bytes
from edaphon.journal import Kind, Purpose, read_only
from edaphon.service.process import running
from edaphon_drivers.readings import unpack_exchange
from edaphon_drivers.simulators.modbus import SimulatedLine, Unit, rtu


def test_lines_typed_while_the_daemon_records_are_asked_and_kept_as_tests(
    tmp_path: Path, monkeypatch
):
    with line_of(probe("a")) as port:
        station = Station(tmp_path, tables(port, "a", answer_s=0.3), [])
        with running(station.file) as service:
            monkeypatch.setattr("sys.stdin", io.StringIO("a\naI!\n\nzI\naAb!\n"))
            out, err = call(station, "term", "sdi12")
            until(lambda: service.deriver.state.counts.decoded == 3)
            assert (service.sources.taken, service.deriver.state.counts.dead) == (3, 0)
    assert out.splitlines() == [
        r"a\r\n",
        r"a13METER   TER12 411T12-0000000a\r\n",
        "(no answer)",
    ]
    assert "edaphon sensor address" in err
    kept = [e for _, e in read_only(station.storage / "journal").scan(["sdi12/term"])]
    assert [(e.kind, e.purpose) for e in kept] == [(Kind.RECORD, Purpose.TEST)] * 3
    assert [t.data for t in unpack_exchange(kept[0].payload)] == [b"a!", b"a\r\n"]


def test_bytes_in_hexadecimal_reach_a_unit_while_no_daemon_runs(tmp_path: Path):
    line = SimulatedLine([Unit(3, holding={0: 0x1234})])
    table = f'[bus.rs485]\nkind = "serial"\nport = "{line.start()}"\nanswer_s = 0.3\n'
    station = Station(tmp_path, [table], [])
    asked = rtu(3, bytes.fromhex("0300000001")).hex()
    words = ("term", "rs485", "--hex", "--send")
    try:
        out, _ = call(station, *words, asked)
        call(station, *words, "04" + asked[2:], codes=(1,))
        call(station, *words, "xyz", codes=(2,))
    finally:
        line.stop()
    assert out.strip() == rtu(3, bytes.fromhex("03021234")).hex(" ")


def test_a_line_that_talks_by_itself_shows_what_comes_before_it_has_a_source(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("edaphon.acquire.stream._USUAL_S", 0.6)
    with talking(tmp_path) as station:
        station.file.write_text(station.file.read_text("utf-8").partition("[[source]]")[0])
        out, complained = call(station, "term", "mast")
        _, refused = call(station, "term", "mast", "--send", "x", codes=(2,))
    assert r"T=-3.25 RH=81.4\r\n" in out.splitlines()
    assert "talks by itself" in complained
    assert "nobody is asked there" in refused


def test_a_bus_that_is_none_is_shown(tmp_path: Path):
    station = Station(tmp_path, tables("/dev/none"), [])
    call(station, "term", "rs", "--send", "a", codes=(2,))
    call(station, "term", "sdi12", "--send", "a", codes=(1,))


@pytest.mark.parametrize(
    ("line", "hexadecimal", "is_sdi12", "data"),
    [
        ("aI", False, True, b"aI!"),
        ("aI!", False, True, b"aI!"),
        (r"*IDN?\r\n", False, False, b"*IDN?\r\n"),
        (r"\x01\x7f\\x", False, False, b"\x01\x7f\\x"),
        ("01 03", True, False, b"\x01\x03"),
    ],
)
def test_what_is_typed_stands_for_these_bytes(line, hexadecimal, is_sdi12, data):
    assert typed_bytes(line, hexadecimal, is_sdi12) == data


@pytest.mark.parametrize(("line", "hexadecimal"), [("0", True), ("é€", False), ("0x", True)])
def test_what_cannot_be_sent_is_shown(line, hexadecimal):
    with pytest.raises(Untypable, match="expected"):
        typed_bytes(line, hexadecimal, is_sdi12=False)
