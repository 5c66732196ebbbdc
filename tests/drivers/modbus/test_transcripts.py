"""Recorded conversations go as they were recorded, and their bytes alone give the readings."""

from pathlib import Path

import pytest
from tests.transcript import Expected, play, read_transcript

from edaphon_drivers.faults import Fault
from edaphon_drivers.modbus.engine import decode_exchange, decode_identity, identify, measure
from edaphon_drivers.readings import pack_exchange, unpack_exchange
from edaphon_drivers.sheets import load_sheet, model_names
from edaphon_drivers.talk import Asking

_FILES = sorted((Path(__file__).parent.parent / "transcripts" / "modbus").glob("*.txt"))
_MODELS = [name for name in model_names() if load_sheet(name).engine == "modbus"]


def _sheet(path):
    return load_sheet(path.name.rsplit(".", 2)[0])


def _played(path):
    transcript = read_transcript(path.read_text("utf-8"))
    address = str(transcript.turns[0].data[0])
    kind = identify if path.stem.endswith(".identity") else measure
    return transcript, play(kind(address, _sheet(path), Asking()), transcript)


def _reported(name):
    path = next(path for path in _FILES if path.stem == name)
    transcript, played = _played(path)
    assert played.fault is None
    return decode_identity(played.turns, _sheet(path))


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_a_modbus_conversation_goes_as_recorded_and_gives_its_readings(path):
    transcript, played = _played(path)
    turns = unpack_exchange(pack_exchange(played.turns))
    fault, readings = played.fault, ()
    if not path.stem.endswith(".identity"):
        try:
            readings = decode_exchange(turns, _sheet(path))
        except Fault as unread:
            fault = fault or unread
    assert (fault.cause if fault else "") == transcript.fault
    assert tuple(map(Expected.of, readings)) == transcript.expected
    assert any("source:" in note for note in transcript.notes)


@pytest.mark.parametrize("model", _MODELS)
def test_every_modbus_model_has_a_good_transcript_of_all_its_outputs(model):
    sheet = load_sheet(model)
    path = next(path for path in _FILES if path.stem == f"{model}.good")
    expected = read_transcript(path.read_text("utf-8")).expected
    assert len(expected) == len(sheet.outputs)
    assert {row.unit for row in expected} == {output.unit for output in sheet.outputs.values()}


def test_firmware_serial_number_and_baseline_correction_of_an_s8_are_its_identity():
    identity = _reported("senseair.s8.identity")
    assert (identity.version, identity.serial) == ("1.32", "01A2B3C4")
    assert identity.settings == {"abc_period_h": "0"}


def test_the_settings_of_an_scd30_stand_in_its_identity():
    identity = _reported("sensirion.scd30.identity")
    assert identity.version == "3.66"
    assert identity.settings == {
        "interval_s": "2",
        "automatic_self_calibration": "off",
        "temperature_offset_k": "1.5",
        "altitude_m": "420",
    }


def test_the_objects_of_a_device_identification_are_its_identity():
    identity = _reported("vaisala.gmp252-modbus.identity")
    assert (identity.vendor, identity.model) == ("Vaisala", "GMP252")
    assert (identity.version, identity.serial) == ("1.2.3", "K0710040")
    assert identity.settings["calibration_date"] == "2020-01-31"
    assert identity.settings["pressure_compensation_hpa"] == "1013.25"


def test_a_soil_type_is_told_in_words():
    identity = _reported("seeed.s-soil-mtec-02.identity")
    assert identity.settings["soil_type"] == "sandy soil"
    assert identity.settings["temperature_unit"] == "degC"


def test_a_refused_setting_keeps_the_others():
    identity = _reported("dfrobot.sen0601.identity")
    assert identity.settings["tds_coefficient"] == "0.5"
    assert "temperature_offset" not in identity.settings
