"""Every recorded SDI-12 conversation is held as recorded and gives the readings it states."""

from pathlib import Path

import pytest
from tests.transcript import Deviation, Expected, Transcript, play, read_transcript

from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Reading, pack_exchange, unpack_exchange
from edaphon_drivers.sdi12.engine import (
    acknowledge,
    decode_exchange,
    decode_identity,
    identify,
    measure,
    sheet_errors,
)
from edaphon_drivers.sdi12.parse import measurement
from edaphon_drivers.sheets import load_sheet, model_names
from edaphon_drivers.talk import Asking, Talk

_FOLDER = Path(__file__).parent.parent / "transcripts" / "sdi12"
_FILES = sorted(_FOLDER.glob("*.txt"))


_MODELS = tuple(name for name in model_names() if load_sheet(name).engine == "sdi12")


def _model(path: Path) -> str:
    """The longest name of a model that the file name begins with."""
    return max((name for name in _MODELS if path.name.startswith(f"{name}.")), key=len)


def _talk(transcript: Transcript, model: str) -> Talk[object]:
    """The talk whose first words are those of the transcript."""
    command = transcript.turns[0].data.decode()
    address, kind = command[0], command[1:-1]
    asked = measurement(kind)
    if asked:
        asking = Asking(concurrent=asked.letters == "C", crc=asked.crc)
        return measure(address, load_sheet(model), asking)
    if kind == "I":
        return identify(address, load_sheet(model), Asking())
    return acknowledge(address)


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_the_conversation_goes_as_recorded_and_its_bytes_alone_give_the_readings(
    path: Path,
) -> None:
    transcript = read_transcript(path.read_text("utf-8"))
    played = play(_talk(transcript, _model(path)), transcript)
    turns = unpack_exchange(pack_exchange(played.turns))
    fault = played.fault
    readings: tuple[Reading, ...] = ()
    sheet = load_sheet(_model(path))
    if not decode_identity(turns, sheet):
        try:
            readings = decode_exchange(turns, sheet)
        except Fault as unread:
            fault = fault or unread
    assert (fault.cause if fault else "") == transcript.fault
    assert tuple(map(Expected.of, readings)) == transcript.expected
    assert any("source:" in note for note in transcript.notes)


@pytest.mark.parametrize("model", _MODELS)
def test_every_sdi12_model_has_a_good_transcript_and_a_sheet_without_trouble(model: str) -> None:
    assert (_FOLDER / f"{model}.good.txt").exists()
    assert list(sheet_errors(load_sheet(model))) == []


@pytest.mark.parametrize(
    "kind",
    ["aborted", "concurrent", "crc", "doubled", "failure", "garbled", "identity", "late"]
    + ["ready", "refused", "residue", "settings", "silent", "wrong-address", "wrong-crc"],
)
def test_each_way_a_conversation_can_go_is_recorded(kind: str) -> None:
    assert [path for path in _FILES if path.stem.endswith(f".{kind}")]


@pytest.mark.parametrize("model", _MODELS)
def test_each_output_of_a_model_is_stated_with_its_source(model: str) -> None:
    assert all(output.source and output.unit for output in load_sheet(model).outputs.values())


def test_a_talk_that_says_something_else_is_a_deviation() -> None:
    with pytest.raises(Deviation, match="1M!"):
        play(acknowledge("0"), read_transcript("> 1M!\n"))


def test_a_talk_that_ends_early_is_a_deviation() -> None:
    with pytest.raises(Deviation, match="line 3"):
        play(acknowledge("0"), read_transcript("> 0!\n< 0\\r\\n\n> 0M!\n"))


@pytest.mark.parametrize("text", ["? what", "= soil_temperature 1", "= a b degC", "= a - degC odd"])
def test_a_malformed_line_is_named(text: str) -> None:
    with pytest.raises(Deviation, match="line 2"):
        read_transcript(f"# source: none\n{text}\n")


def test_escapes_become_bytes() -> None:
    turns = read_transcript("< a\\r\\n\\t\\\\\\x80\\xFFz\n").turns
    assert turns[0].data == b"a\r\n\t\\\x80\xffz"
