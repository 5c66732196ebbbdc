"""Which packages decide what the bytes of a source mean."""

import pytest

from edaphon.config import read_config
from edaphon.config.sources import packages_of
from edaphon.toml_input.lines import read_document
from edaphon_drivers.registry import CODECS, ENGINES, ENVELOPES
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


TEXT = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/nowhere"
[bus.sdi12]
kind = "sdi12"
port = "/dev/x"
[broker.ttn]
host = "h"
topics = ["#"]
envelope = "tts-v3"
[broker.own]
host = "h"
topics = ["#"]
[[source]]
bus = "sdi12"
address = "a"
model = "meter.teros12"
interval = "1h"
[[source]]
broker = "ttn"
dev_eui = "70b3d57ba0000001"
model = "decentlab.dl-trs12"
[[source]]
broker = "own"
topic = "t"
time = { path = "t", format = "epoch_ms" }
[[source.field]]
name = "x"
path = "x"
quantity = "soil_temperature"
unit = "degC"
"""
ASKED, UPLINK, MESSAGE = "sdi12/a", "ttn/70b3d57ba0000001", "own/t"


def test_a_source_lacks_the_first_part_that_no_package_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, errors = read_config(read_document("edaphon.toml", TEXT))
    assert config is not None, errors
    assert config.missing() == {}

    def without(registry: object, *names: str) -> dict[str, str]:
        with monkeypatch.context() as patched:
            problem = lambda name: "not installed" if name in names else ""  # noqa: E731
            patched.setattr(registry, "problem", problem)
            return config.missing()

    assert without(ENVELOPES, "tts-v3", "json") == {UPLINK: "envelope tts-v3"}
    assert without(ENGINES, "sdi12") == {ASKED: "engine sdi12"}
    assert without(ENGINES, "lorawan") == {UPLINK: "engine lorawan"}
    assert without(CODECS, "decentlab", "None") == {UPLINK: "codec decentlab"}


def test_a_configuration_without_some_sources_has_the_others() -> None:
    config, errors = read_config(read_document("edaphon.toml", TEXT))
    assert config is not None, errors
    assert config.without([]) is config
    assert [s.path for s in config.without([UPLINK]).sources] == [ASKED, MESSAGE]
    assert [s.path for s in config.without([], ["x"]).sources] == [ASKED, UPLINK, MESSAGE]
    assert [config.envelope(source) for source in config.sources] == ["json", "tts-v3", "json"]
    assert [config.sheet(source).engine for source in config.sources[:2]] == ["sdi12", "lorawan"]
    with pytest.raises(LookupError, match="own/t"):
        config.sheet(config.sources[2])
    assert list(config.outputs()[MESSAGE]) == ["x"]
