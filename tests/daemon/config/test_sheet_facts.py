"""What an own sheet says of wires and supply is checked, and changes no number."""

import tomllib
from pathlib import Path

import pytest

from edaphon.config.sources import meaning_of
from edaphon.service.check import examine

SHEET = """
[logger]
id = "l1"
[site]
id = "s1"
[storage]
folder = "/var/lib/edaphon"
[model."acme.ph1"]
title = "ACME PH1: pH of soil"
engine = "ascii"
{more}
output = [{{ name = "ph", quantity = "soil_ph", unit = "pH" }}]
[model."acme.ph1".frame]
ask = "PH?\\r"
separator = "blanks"
columns = ["ph"]
[bus.bench]
kind = "serial"
port = "/dev/ttyUSB0"
[[source]]
bus = "bench"
model = "acme.ph1"
interval = "10min"
"""
GOOD = 'supply_least_v = 9.6\nwires = { supply = "red", data = "green" }'


def checked(folder: Path, more: str):
    file = folder / "edaphon.toml"
    file.write_text(SHEET.format(more=more), "utf-8")
    assert tomllib.loads(file.read_text("utf-8"))
    return examine([file])


def test_wires_and_supply_of_an_own_sheet_leave_its_history_as_it_is(tmp_path: Path) -> None:
    """The meaning of a source decides what is derived again; a colour is no reason."""
    meanings = []
    for more in ("", GOOD):
        found = checked(tmp_path, more)
        assert not found.config_errors
        assert found.config is not None
        (source,) = found.config.sources
        meanings.append(meaning_of(source, found.config.sheets))
    sheet = found.config.sheets["acme.ph1"]
    assert (sheet.supply_least_v, dict(sheet.wires)) == (9.6, {"supply": "red", "data": "green"})
    assert meanings[0] == meanings[1]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('supply_least_v = "9.6 V"', "supply_least_v"),
        ("supply_least_v = -1", "supply_least_v"),
        ('wires = { power = "red" }', "colours by what they carry"),
        ('wires = "red"', "wires"),
    ],
)
def test_a_wrong_supply_or_wire_is_named_with_its_key(
    tmp_path: Path, more: str, words: str
) -> None:
    found = checked(tmp_path, more)
    assert [c for c in map(str, found.config_errors) if words in c], found.config_errors
