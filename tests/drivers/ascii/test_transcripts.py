"""Every recorded ASCII conversation and stream gives the readings it states."""

from pathlib import Path

import pytest
from tests.transcript import Expected, Played, Transcript, play, read_transcript

from edaphon_drivers.ascii.engine import (
    decode_exchange,
    decode_identity,
    decode_stream,
    identify,
    line_end,
    measure,
    sheet_errors,
    start_commands,
)
from edaphon_drivers.faults import Fault, NoAnswer
from edaphon_drivers.readings import pack_exchange, unpack_exchange
from edaphon_drivers.sheets import Sheet, load_sheet, model_names
from edaphon_drivers.talk import Ask, Asking

_FOLDER = Path(__file__).parent.parent / "transcripts" / "ascii"
_FILES = sorted(_FOLDER.glob("*.txt"))
_MODELS = [name for name in model_names() if load_sheet(name).engine == "ascii"]
_IDENTITIES = [path for path in _FILES if path.stem.endswith(".identity")]


def _sheet(path: Path) -> Sheet:
    return load_sheet(path.stem.rpartition(".")[0])


def _address(transcript: Transcript, sheet: Sheet) -> str:
    ask = sheet.frame.get("ask", "")
    return transcript.turns[0].data.decode()[0] if "{address}" in ask else ""


def _played(transcript: Transcript, sheet: Sheet, talk_of) -> Played:
    """A stream has nothing that was sent, so nothing is played."""
    if not transcript.turns[0].sent:
        return Played(transcript.turns, None, None)
    talk = talk_of(_address(transcript, sheet), sheet, Asking())
    return play(talk, transcript)


@pytest.mark.parametrize(
    "path", [path for path in _FILES if path not in _IDENTITIES], ids=lambda path: path.stem
)
def test_the_bytes_of_a_conversation_or_stream_alone_give_its_readings(path):
    transcript, sheet = read_transcript(path.read_text("utf-8")), _sheet(path)
    played = _played(transcript, sheet, measure)
    turns = unpack_exchange(pack_exchange(played.turns))
    decode = decode_exchange if transcript.turns[0].sent else decode_stream
    readings, fault = (), played.fault
    try:
        readings = decode(turns, sheet)
    except Fault as unread:
        fault = unread
    assert (fault.cause if fault else "") == transcript.fault
    assert tuple(map(Expected.of, readings)) == transcript.expected
    assert any("source:" in note for note in transcript.notes)


@pytest.mark.parametrize("path", _IDENTITIES, ids=lambda path: path.stem)
def test_an_instrument_tells_who_it_is(path):
    transcript, sheet = read_transcript(path.read_text("utf-8")), _sheet(path)
    played = _played(transcript, sheet, identify)
    shown = decode_identity(unpack_exchange(pack_exchange(played.turns)), sheet)
    assert shown is not None
    assert (shown.vendor, bool(shown.version), bool(shown.serial)) == (
        sheet.frame["identity"]["vendor"],
        True,
        True,
    )


def test_the_settings_of_an_identity_are_all_that_is_not_its_name():
    sheet = load_sheet("ppsystems.egm-5")
    turns = read_transcript((_FOLDER / "ppsystems.egm-5.identity.txt").read_text()).turns
    shown = decode_identity(turns, sheet)
    assert shown is not None
    assert (shown.serial, shown.version) == ("EGM500007", "01.02")
    assert shown.settings == {"irga": "IRGA00001", "irga_version": "01.02"}


def test_what_a_co2_probe_compensates_for_is_among_its_settings():
    turns = read_transcript((_FOLDER / "vaisala.gmp343.identity.txt").read_text()).turns
    shown = decode_identity(turns, load_sheet("vaisala.gmp343"))
    assert shown is not None
    assert shown.settings == {
        "pressure_hpa": "1013.0",
        "humidity_percent": "50.0",
        "oxygen_percent": "21.0",
        "pressure_compensation": "ON",
        "humidity_compensation": "OFF",
        "temperature_compensation": "ON",
        "oxygen_compensation": "OFF",
    }


def test_a_measurement_is_no_identity():
    turns = read_transcript((_FOLDER / "mettler-toledo.mt-sics.good.txt").read_text()).turns
    assert decode_identity(turns, load_sheet("mettler-toledo.mt-sics")) is None


@pytest.mark.parametrize("model", _MODELS)
def test_every_ascii_sheet_has_a_transcript_no_mistakes_and_a_line_end(model):
    sheet = load_sheet(model)
    assert list(_FOLDER.glob(f"{model}.*.txt"))
    assert list(sheet_errors(sheet)) == []
    assert line_end(sheet) in {b"\n", b"\r", b"\r\n"}
    assert start_commands(sheet) == ()
    assert all(output.source for output in sheet.outputs.values())


def test_there_are_sheets_for_gas_analysers_balances_and_receivers():
    assert len(_MODELS) >= 20
    assert {"licor.li-7810", "ppsystems.egm-4", "generic.gnss-nmea"} <= set(_MODELS)


@pytest.mark.parametrize("came", [b"", b"no name\r\n"])
def test_an_instrument_that_says_anything_is_there_though_not_who_it_is(came):
    talk = identify("", load_sheet("ppsystems.egm-5"), Asking())
    step, fault = next(talk), None
    try:
        while True:
            step = talk.send(came)
    except StopIteration:
        pass
    except NoAnswer as silence:
        fault = silence
    assert isinstance(step, Ask)
    assert (fault is None) == bool(came)
