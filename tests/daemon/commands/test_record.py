"""Transcripts of real talks: what is written can be played, and gives the same readings."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.daemon.commands.calling import call, until
from tests.daemon.commands.test_scan import line_of, probe, tables
from tests.stories.station import Station
from tests.transcript import Expected, play, read_transcript

from edaphon.acquire.line_tools import noted
from edaphon.commands.line import escaped, transcript_text
from edaphon.journal import Kind, Purpose, read_only
from edaphon.service.process import running
from edaphon_drivers.readings import Turn, pack_exchange
from edaphon_drivers.registry import engine
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.simulators.ascii import Instrument, SimulatedPort
from edaphon_drivers.simulators.modbus import SimulatedLine, Unit
from edaphon_drivers.simulators.sdi12 import Probe
from edaphon_drivers.talk import Ask, Asking, Pause


def readings_of(text: str, model: str, address: str, asking: Asking) -> tuple[Expected, ...]:
    """What playing the transcript gives; fails where the talk says anything else."""
    sheet = load_sheet(model)
    spoken = engine(sheet.engine)
    played = play(spoken.measure(address, sheet, asking), read_transcript(text))
    assert played.fault is None
    return tuple(map(Expected.of, spoken.decode_exchange(played.turns, sheet)))


def test_a_recorded_transcript_plays_with_retries_and_gives_its_readings(tmp_path: Path):
    hesitant = probe("a")
    hesitant.values = [1807.82, -9999, 1]
    hesitant.late_s = 0.35
    with line_of(hesitant) as port:
        station = Station(tmp_path, tables(port, "a", answer_s=0.3), [])
        for fault in ("late", "silent", "garbled", "doubled"):
            hesitant.fail(fault)  # the identity meets them first, then the measurement
            hesitant.fail(fault)
        file = tmp_path / "out" / "a.txt"
        call(station, "record", "sdi12/a", "-o", str(file))
        call(station, "record", "sdi12/a", "-o", str(file), codes=(2,))
    text = file.read_text("ascii")
    head = text.splitlines()[0]
    assert head.startswith("# source: recorded at story, logger story-1, 20")
    assert head.endswith("model meter.teros12, identity METER TER12 411 T12-0000000a")
    stated = read_transcript(text)
    assert [e.number for e in stated.expected] == [1807.82, None, 1.0]
    assert readings_of(text, "meter.teros12", "a", Asking()) == stated.expected
    kept = [e for _, e in read_only(station.storage / "journal").scan(kinds=[Kind.RECORD])]
    assert [(e.source, e.purpose) for e in kept] == [("sdi12/a", Purpose.TEST)]


def test_a_whole_line_is_recorded_through_the_daemon_one_file_each(tmp_path: Path):
    line = SimulatedLine([Unit(3, holding={0: 13100, 1: 2512, 2: 1500, 3: 9000})])
    table = f'[bus.rs485]\nkind = "serial"\nport = "{line.start()}"\nanswer_s = 0.2\n'
    source = '[[source]]\nbus = "rs485"\naddress = "{}"\nmodel = "truebner.smt100"\n'
    hourly = 'interval = "1h"\n'
    station = Station(tmp_path, [table, source.format(3) + hourly, source.format(4) + hourly], [])
    with running(station.file) as service:
        call(station, "record", "rs485", "-o", str(tmp_path / "out"), codes=(1,))
        until(lambda: service.deriver.state.counts.decoded == 1)
        assert service.sources.taken == 1
    line.stop()
    good = (tmp_path / "out" / "rs485-3.txt").read_text()
    asking = Asking(baud=9600)
    assert readings_of(good, "truebner.smt100", "3", asking) == read_transcript(good).expected
    assert "= soil_temperature 31.0 degC" in good
    silent = read_transcript((tmp_path / "out" / "rs485-4.txt").read_text())
    assert (silent.fault, silent.expected) == ("no answer", ())
    sheet = load_sheet("truebner.smt100")
    played = play(engine("modbus").measure("4", sheet, asking), silent)
    assert played.fault is not None


def test_a_source_that_is_none_is_shown_with_those_that_are(tmp_path: Path):
    station = Station(tmp_path, tables("/dev/none", "a"), [])
    call(station, "record", "sdi12/b", codes=(2,))
    call(station, "record", "sdi12/a", codes=(1,))


LINES = itertools.repeat(b"T=-3.25 RH=81.4\r\n")


@contextlib.contextmanager
def talking(folder: Path, lines=LINES, period_s: float = 0.1) -> Iterator[Station]:
    """A station with an instrument that talks by itself, by a sheet of its owner."""
    port = SimulatedPort(Instrument(lines=iter(lines), period_s=period_s))
    table = f'[bus.mast]\nkind = "stream"\nport = "{port.start()}"\n'
    source = '[[source]]\nbus = "mast"\nmodel = "acme.talker"\nexpect = "1s"\n'
    model = (
        '[model."acme.talker"]\ntitle = "Talker"\nengine = "ascii"\n'
        'output = [{ name = "t", quantity = "air_temperature", unit = "degC" }]\n'
        '[model."acme.talker".frame]\nheard = true\nend = "\\r\\n"\n'
        "pattern = 'T=(?P<t>[-+0-9.]{1,8}) RH=[0-9.]{1,6}'\n"
    )
    yield Station(folder, [table, source, model], [])
    port.stop()


def test_what_an_instrument_says_by_itself_is_written_with_its_readings(tmp_path: Path):
    with talking(tmp_path) as station:
        text, _ = call(station, "record", "mast/0", "--seconds", "0.8")
        read, complained = call(station, "read", "mast/0", codes=(2,))
    stated = read_transcript(text)
    assert "< T=-3.25 RH=81.4\\r\\n\n" in text
    assert all(e == Expected("air_temperature", -3.25, "degC") for e in stated.expected)
    assert len(stated.turns) - 2 <= len(stated.expected) <= len(stated.turns)
    assert stated.expected
    kept = [e for _, e in read_only(station.storage / "journal").scan(kinds=[Kind.RECORD])]
    assert [(e.source, e.purpose) for e in kept] == [("mast/0", Purpose.TEST)]
    assert (read, "edaphon record mast/0" in complained) == ("", True)


def test_the_daemons_last_lines_of_an_instrument_that_talks_by_itself_are_written(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("edaphon.acquire.stream.CHUNK_S", 0.3)
    with talking(tmp_path) as station, running(station.file) as service:
        typed = pack_exchange([Turn(0, False, b"T=9 RH=9\r\n")])
        service.journal.append_now(
            service.keeper.entry(Kind.RECORD, "mast/0", typed, None, Purpose.TEST)
        )
        for words in (("--seconds", "1"), ()):  # the next lines; then those that are there
            text, _ = call(station, "record", "mast/0", *words)
            assert "= air_temperature -3.25 degC\n" in text
            assert "> " not in text
            assert "T=9" not in text
        _, complained = call(station, "read", "mast/0", codes=(2,))
        assert "talks by itself" in complained
        kept = service.journal.scan(["mast/0"], [Kind.RECORD])
        assert [e.purpose for _, e in kept].count(Purpose.TEST) == 1


def test_bytes_that_are_no_line_of_the_sheet_are_shown_all_the_same(tmp_path: Path):
    with talking(tmp_path, [b"\x80hm\n"] * 9) as station:
        text, complained = call(station, "record", "mast", "--seconds", "0.6", codes=(1,))
    assert r"\x80hm\n" in text
    assert text.rstrip().endswith("! garbled")
    assert complained.startswith("mast/0: expected")
    with talking(tmp_path / "dumb", []) as station:
        _, complained = call(station, "record", "mast/0", "--seconds", "0.2", codes=(1,))
    assert "within 0.2 s, nothing came" in complained


def test_silence_in_front_of_late_bytes_stays_in_a_transcript():
    stated: list[Turn] = []

    def talk():
        yield Ask(b"1M!", b"\n", 1.0)
        yield Pause(1.0, hold_bus=True)
        yield Ask(b"1D0!", b"\n", 1.0)
        yield Pause(1.0, hold_bus=True)

    answers = iter([b"", b"1\r\n", b"1+2\r\n", b""])
    steps = noted(talk(), stated)
    next(steps)
    for answer in answers:
        with contextlib.suppress(StopIteration):
            steps.send(answer)
    turns = [[turn.sent, turn.data.hex()] for turn in stated]
    text = transcript_text("source: é", {"turns": turns, "readings": [], "cause": ""})
    assert text == "# source: ?\n> 1M!\n<\n< 1\\r\\n\n> 1D0!\n< 1+2\\r\\n\n"
    assert play(talk(), read_transcript(text)).turns[1].data == b"1\r\n"


@given(st.binary())
def test_any_bytes_survive_a_transcript(data: bytes):
    (turn,) = read_transcript(f"> {escaped(data)}").turns
    assert turn.data == data


def test_a_probe_is_found_with_all_its_commands(tmp_path: Path):
    both = Probe("0", "14STEVENSWHYDRAP12 SN123", [1, 2, 3], more={1: [4, 5]})
    with line_of(both) as port:
        table = tables(port)[0]
        source = '[[source]]\nbus = "sdi12"\naddress = "0"\nmodel = "own.two"\ninterval = "1h"\n'
        model = (
            '[model."own.two"]\ntitle = "Two"\nengine = "sdi12"\n'
            '[[model."own.two".command]]\nsend = "M"\noutputs = ["t", "-", "-"]\n'
            '[[model."own.two".command]]\nsend = "M1"\noutputs = ["u", "-"]\n'
            '[[model."own.two".output]]\nname = "t"\nquantity = "soil_temperature"\n'
            'unit = "degC"\n'
            '[[model."own.two".output]]\nname = "u"\nquantity = "soil_temperature"\n'
            'unit = "degC"\n'
        )
        station = Station(tmp_path, [table, source, model], [])
        text, _ = call(station, "record", "sdi12/0")
    assert "= soil_temperature 1.0 degC\n= soil_temperature 4.0 degC\n" in text
    assert "> 0M1!" in text
