"""Errors about parts of packages: removed ones, and names that no package ever gave."""

from pathlib import Path

import pytest
import typer

from edaphon.service.check import configured, examine
from edaphon.service.prerequisites import (
    installed_packages,
    lacking_outlets,
    lacking_part,
    part_problems,
)
from edaphon.toml_input.lines import ConfigError

RECORDED = {"sink csv": "a 1", "envelope server": "a 1", "model x.y": "a 1", "link line": "a 1"}
RECORDED |= {"engine own": "a 1", "codec frames": "a 1", "receiver pager": "a 1"}


@pytest.mark.parametrize(
    ("key", "came", "part"),
    [
        ("sink.kind", '"csv"', "sink csv"),
        ("sink.kind", '"cvs"', ""),
        ("sink.url", '"csv"', ""),
        ("broker.net.envelope", '"server"', "envelope server"),
        ("bus.a.kind", '"line"', "link line"),
        ("source.model", '"x.y" has no model sheet', "model x.y"),
        ("source.model", '"x.z" has no model sheet', ""),
        ("model.mine.engine", '"own"', "engine own"),
        ("model.mine.2.frame.codec", '"frames"', "codec frames"),
        ("model.mine.engine", '"owned"', ""),
        ("notify.kind", '"pager"', "receiver pager"),
    ],
)
def test_an_error_is_about_a_removed_part_only_where_it_was_recorded(
    key: str, came: str, part: str
) -> None:
    assert lacking_part(ConfigError("f", 1, key, came, ""), RECORDED) == part


def test_a_name_that_no_package_ever_gave_keeps_the_service_from_starting(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    file.write_text(
        f'[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{tmp_path / "kept"}"\n'
        '[bus.a]\nkind = "serial"\nport = "/dev/ttyS9"\n'
        '[[source]]\nbus = "a"\nmodel = "example.thermometre"\ninterval = "10s"\n'
    )
    with pytest.raises(typer.Exit) as refused:
        configured(file)
    assert refused.value.exit_code == 3


def test_what_edaphon_ships_is_of_no_other_package() -> None:
    assert installed_packages() == {}
    assert list(part_problems()) == []


def test_a_sink_and_a_receiver_whose_package_is_gone_are_named_with_it() -> None:
    words = list(lacking_outlets(RECORDED | {"sink jsonl": "edaphon 1", "receiver email": "e 1"}))
    assert [text.partition(" is not installed")[0] for text in words] == [
        "the sink csv of a 1",
        "the receiver pager of a 1",
    ]


def test_the_engine_of_an_own_sheet_that_no_package_gives_is_named_at_its_key(
    tmp_path: Path,
) -> None:
    file = tmp_path / "edaphon.toml"
    file.write_text(
        f'[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{tmp_path / "kept"}"\n'
        '[bus.a]\nkind = "serial"\nport = "/dev/ttyS9"\n'
        '[[source]]\nbus = "a"\nmodel = "mine"\ninterval = "10s"\n'
        '[model.mine]\ntitle = "mine"\nengine = "gone"\nchecked = "unverified"\nsource = "me"\n'
        '[[model.mine.output]]\nname = "t"\nquantity = "soil_temperature"\nunit = "degC"\n'
        "resolution = 0.1\naccuracy = 0.2\n"
    )
    found = {(error.key, error.came) for error in examine([file]).config_errors}
    assert ("model.mine.engine", '"gone"') in found
