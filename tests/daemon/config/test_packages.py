"""Which packages decide what the bytes of a source mean."""

import pytest

from edaphon.config.sources import packages_of
from edaphon_drivers.registry import CODECS, ENVELOPES
from edaphon_drivers.sheets import load_sheet


def test_an_envelope_and_a_codec_of_another_package_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ENVELOPES, "package", lambda name: f"server-{name} 1")
    monkeypatch.setattr(CODECS, "package", lambda name: f"codec-{name} 2")
    assert packages_of(None, None, "example") == ("server-example 1",)
    assert packages_of(None, None, "json") == ()
    sheet = load_sheet("decentlab.dl-trs12")
    assert packages_of("decentlab.dl-trs12", sheet, "json") == ("codec-decentlab 2",)
    assert packages_of("meter.teros12", load_sheet("meter.teros12"), "json") == ()
