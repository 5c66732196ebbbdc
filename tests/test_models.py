"""Every model sheet: its quantities, units and curves are known, and something proves it."""

from pathlib import Path

import pytest

from edaphon_calibration.curves import curve
from edaphon_calibration.nomenclature import quantity
from edaphon_calibration.units import conversion
from edaphon_drivers.lorawan import codec_names
from edaphon_drivers.sheets import load_sheet, model_names

TRANSCRIPTS = Path(__file__).parent / "drivers" / "transcripts" / "sdi12"
CHECKED = {"maker's document", "third-party decoder", "real recording", "unverified"}


@pytest.mark.parametrize("model", model_names())
def test_the_quantities_and_units_of_a_sheet_are_in_the_nomenclature(model):
    for output in load_sheet(model).outputs.values():
        conversion(output.unit, quantity(output.quantity).unit)
        for factory in output.factory:
            known = curve(factory.curve)
            known.parameter_vector(factory.parameters)
            conversion(factory.unit, quantity(factory.quantity).unit)
            assert known.quantity in {None, factory.quantity}


@pytest.mark.parametrize("model", model_names())
def test_a_sheet_says_where_its_facts_are_from_and_how_they_were_checked(model):
    sheet = load_sheet(model)
    assert sheet.source
    assert sheet.checked in CHECKED, sheet.checked


@pytest.mark.parametrize("model", model_names())
def test_a_supported_model_has_a_transcript_or_a_codec(model):
    sheet = load_sheet(model)
    if sheet.engine == "sdi12":
        assert list(TRANSCRIPTS.glob(f"{model}*")), f"no transcript of {model}"
        named = {name for command in sheet.commands for name in command.outputs} - {"-"}
        assert named == sheet.outputs.keys()
    else:
        assert sheet.frame["codec"] in codec_names()
