"""Units and installation agree on account, groups, folders, program and configuration."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.documents import ROOT
from tests.machine.debian import cannot
from tests.system_calls import allowed_calls

from edaphon.service.socket import PAGE_FOLDER

INSTALL = (ROOT / "deploy" / "install").read_text("utf-8")
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
SERVICE, PAGE = (ROOT / "deploy" / "systemd" / f"edaphon{end}.service" for end in ("", "-web"))
NAMES = [unit.name for unit in UNITS]
NAMED = dict(re.findall(r'^([a-z]+)="?([^"#\n]*?)"?(?: #.*)?$', INSTALL, re.MULTILINE))


@pytest.fixture(params=UNITS, ids=NAMES)
def unit(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    return keys_of(request.param)


def keys_of(path: Path) -> dict[str, list[str]]:
    """Each key with its values."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", path.read_text("utf-8"), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def analyzed(*words: str) -> str:
    """What systemd-analyze shows, out and err."""
    if shutil.which("systemd-analyze") is None:
        cannot("systemd-analyze is missing. Type:  sudo apt-get install -y systemd")
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def test_a_unit_starts_the_installed_program_with_the_installed_configuration(unit) -> None:
    program, verb, configuration = unit["ExecStart"][0].split()
    if verb == "web":  # by systemd's copy: its account can't enter the folder
        name, _, original = unit["LoadCredential"][0].partition(":")
        assert configuration == f"%d/{name}"
        configuration = original
    assert program == f"{NAMED['program']}/current/bin/edaphon"
    assert verb in {"run", "web"}
    assert configuration == f"{NAMED['configuration']}/edaphon.toml"
    assert unit["ConditionPathExists"] == [f"{NAMED['configuration']}/edaphon.toml"]


def test_the_service_runs_as_the_account_that_is_made_and_in_its_folder() -> None:
    unit = keys_of(SERVICE)
    assert unit["User"] == [NAMED["account"]]
    assert f"/var/lib/{unit['StateDirectory'][0]}" == NAMED["data"]
    (mode,) = unit["StateDirectoryMode"]
    assert f"-o $account -g $account -m {int(mode)} $data" in INSTALL
    assert unit["ReadWritePaths"] == [f"-{PAGE_FOLDER}"] == [f"-{NAMED['runtime']}"]
    made = f"-d -o {NAMED['account']} -g {NAMED['page']} -m 2750 {PAGE_FOLDER}"
    assert unit["ExecStartPre"] == [f"+/usr/bin/install {made}"]
    assert "install -d -o $account -g $page -m 2750 $runtime" in INSTALL


def test_the_page_runs_as_an_account_of_its_own_without_the_services_files() -> None:
    unit = keys_of(PAGE)
    assert unit["User"] == [NAMED["page"]] != [NAMED["account"]]
    assert not {"StateDirectory", "SupplementaryGroups", "ReadWritePaths"} & set(unit)
    hidden = unit["InaccessiblePaths"][0].split()
    assert hidden == [f"-{NAMED['configuration']}", f"-{NAMED['data']}"]
    assert (unit["IPAddressDeny"], unit["IPAddressAllow"]) == (["any"], ["localhost"])


def test_a_unit_that_ends_is_started_again_for_ever(unit, request) -> None:
    """systemd ignores the key outside of [Unit], and gives up after five starts in 10 s."""
    text = request.node.callspec.params["unit"].read_text("utf-8")
    assert "\nStartLimitIntervalSec=0\n" in text.partition("[Service]")[0]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["Restart"] == ["always"]


def test_memory_is_bounded_and_a_child_that_takes_too_much_ends_alone() -> None:
    assert keys_of(SERVICE)["OOMPolicy"] == ["continue"]
    assert all("MemoryMax" in keys_of(one) and "LimitCORE" in keys_of(one) for one in UNITS)


@pytest.mark.parametrize("path", UNITS, ids=NAMES)
def test_the_exposure_of_a_unit_is_at_most_2(path: Path) -> None:
    shown = analyzed("security", "--offline=true", "--threshold=20", str(path))
    assert "Unknown key" not in shown
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", shown)
    assert found, shown
    assert float(found[1]) <= 2.0, shown


@pytest.mark.parametrize("path", UNITS, ids=NAMES)
def test_systemd_knows_every_line_of_a_unit(path: Path) -> None:
    lines = analyzed("verify", "--man=no", str(path)).splitlines()
    assert [line for line in lines if "is not executable: No such file" not in line] == []


@pytest.mark.parametrize("path", UNITS, ids=NAMES)
def test_calls_by_which_a_child_bounds_itself_pass_the_filter_of_a_unit(path: Path) -> None:
    allowed = allowed_calls(path)
    assert {"prlimit64", "prctl", "clone3", "vfork", "execve", "umask", "setsid"} <= allowed
    assert not {"setrlimit", "adjtimex", "chown", "setuid", "mount", "ptrace", "bpf"} & allowed


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
