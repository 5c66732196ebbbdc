"""Errors about parts of packages: removed ones, and names that no package ever gave."""

from pathlib import Path

import pytest
import typer

from edaphon.service.check import configured
from edaphon.service.packages import installed_packages, lacking_part, part_problems
from edaphon.toml_input import ConfigError

RECORDED = {"sink csv": "a 1", "envelope server": "a 1", "model x.y": "a 1", "link line": "a 1"}


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
