"""Every model sheet: its quantities, units and curves are known, and something proves it."""

import re
from functools import cache
from pathlib import Path

import pytest

from edaphon_calibration.curves import find_curve
from edaphon_calibration.nomenclature import quantity
from edaphon_calibration.units import conversion
from edaphon_drivers.lorawan import codec_names
from edaphon_drivers.registry import completed, sheet_errors
from edaphon_drivers.sheets import load_sheet, model_names

HERE = Path(__file__).parent
TRANSCRIPTS = HERE / "drivers" / "transcripts"
OWNERS = {"utc_offset": "+00:00", "interval_s": 1800, "date_order": "dmy", "year": 2026}
CHECKED = {"maker's document", "third-party decoder", "real recording", "unverified"}


@pytest.mark.parametrize("model", model_names())
def test_the_quantities_and_units_of_a_sheet_are_in_the_nomenclature(model):
    for output in load_sheet(model).outputs.values():
        conversion(output.unit, quantity(output.quantity).unit)
        for factory in output.factory:
            known = find_curve(factory.curve)
            known.parameter_vector(factory.parameters)
            conversion(factory.unit, quantity(factory.quantity).unit)
            assert known.quantity in {None, factory.quantity}


@pytest.mark.parametrize("model", model_names())
def test_a_sheet_says_where_its_facts_are_from_and_how_they_were_checked(model):
    sheet = load_sheet(model)
    assert sheet.source
    assert sheet.checked in CHECKED, sheet.checked


@pytest.mark.parametrize("model", model_names())
def test_a_sheet_has_no_troubles(model):
    """What a file's own owner must state, such as the zone of its times, is no problem here."""
    sheet = load_sheet(model)
    settings = OWNERS if sheet.engine == "file" else {}
    assert list(sheet_errors(completed(sheet, settings))) == []
    if sheet.engine == "lorawan":
        assert sheet.frame["codec"] in codec_names()


# LoRaWAN's are proven by uplinks: tests/drivers/lorawan/test_codecs.py.
ASKED_OR_READ = [name for name in model_names() if load_sheet(name).engine != "lorawan"]


@pytest.mark.parametrize("model", ASKED_OR_READ)
def test_a_sheet_is_proven_by_a_transcript_a_vector_or_a_test_that_names_it(model):
    played = any(TRANSCRIPTS.glob(f"*/{model}.*"))
    assert played or re.search(rf'["\'/ ]{re.escape(model)}["\'. ]', _identity_stated()), model


@cache
def _identity_stated() -> str:
    """All that the tests of the drivers and the labels of the vectors say."""
    folders = (HERE / "drivers", HERE / "conformance" / "labels")
    return "".join(p.read_text("utf-8") for folder in folders for p in folder.rglob("*.py"))
