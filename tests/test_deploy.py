"""Units and installation agree on account, groups, folders, program and configuration."""

import re

import pytest
from tests.documents import ROOT

INSTALL = (ROOT / "deploy" / "install").read_text("utf-8")
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
NAMES = [unit.name for unit in UNITS]
NAMED = dict(re.findall(r'^([a-z]+)="?([^"#\n]*?)"?(?: #.*)?$', INSTALL, re.MULTILINE))


@pytest.fixture(params=UNITS, ids=NAMES)
def unit(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Each key with its values."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", request.param.read_text("utf-8"), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def test_a_unit_starts_the_installed_program_with_the_installed_configuration(unit) -> None:
    program, verb, configuration = unit["ExecStart"][0].split()
    assert program == f"{NAMED['program']}/current/bin/edaphon"
    assert verb in {"run", "web"}
    assert configuration == f"{NAMED['configuration']}/edaphon.toml"
    assert unit["ConditionPathExists"] == [configuration]


def test_a_unit_runs_as_the_account_that_is_made_and_in_its_folder(unit) -> None:
    assert unit["User"] == [NAMED["account"]]
    assert f"/var/lib/{unit['StateDirectory'][0]}" == NAMED["data"]
    (mode,) = unit["StateDirectoryMode"]
    assert f"-o $account -g $account -m {int(mode)} $data" in INSTALL


def test_a_unit_names_only_groups_that_every_debian_has(unit) -> None:
    """A group that is not there keeps a unit from starting; the account joins those that are."""
    assert set(" ".join(unit.get("SupplementaryGroups", [])).split()) <= {"dialout"}


def test_the_account_joins_the_groups_of_the_devices_that_the_unit_allows() -> None:
    text = (ROOT / "deploy" / "systemd" / "edaphon.service").read_text("utf-8")
    groups = {"tty": "dialout", "i2c": "i2c"}
    devices = re.findall(r"^DeviceAllow=char-(tty|i2c)\w* rw$", text, re.MULTILINE)
    assert {groups[device] for device in devices} <= set(NAMED["groups"].split())


def test_the_program_is_on_the_path_of_every_account_and_outside_every_home() -> None:
    assert NAMED["link"] == "/usr/local/bin/edaphon"
    for place in ("program", "configuration", "data", "units"):
        assert not NAMED[place].startswith(("/home", "/root"))


def test_every_unit_is_started_and_named_in_the_guide() -> None:
    guide = (ROOT / "docs" / "technician.md").read_text("utf-8")
    started = " ".join(name.removesuffix(".service") for name in sorted(NAMES, key=len))
    assert f"systemctl -q enable {started}" in INSTALL
    assert f"sudo systemctl restart {started}" in guide


def test_the_service_has_the_engine_of_codecs_by_its_pins_alone() -> None:
    assert "--require-hashes -r requirements/codecs.txt" in INSTALL
    assert "quickjs-ng" not in INSTALL
    assert "cat requirements/codecs.txt" in INSTALL, "another engine is another version"
