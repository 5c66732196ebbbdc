"""What a machine or an account lacks is shown with what to do next, and nothing is opened."""

import errno
import os
from pathlib import Path

import pytest
from tests.daemon.commands.test_commands import edaphon

import edaphon as package
from edaphon.commands import COMMANDS, main
from edaphon.commands.init import _usual_storage
from edaphon.commands.lacking import denied, is_services

LINES = (
    '[bus.a]\nkind = "sdi12"\nport = "{there}"\n[bus.b]\nkind = "serial"\nport = "{gone}"\n'
    '[bus.c]\nkind = "modbus-tcp"\nport = "tcp://192.0.2.1:502"\n'
    '[supply.relay]\nfile = "{gone}-relay"\n'
)


def plot(folder: Path) -> Path:
    file, there = folder / "edaphon.toml", folder / "ttyUSB0"
    there.touch()
    edaphon("init", str(file))
    with file.open("a") as config:
        config.write(LINES.format(there=there, gone=folder / "ttyUSB9"))
    return file


def test_a_good_configuration_without_its_hardware_says_what_is_missing_and_what_to_type(
    tmp_path: Path,
) -> None:
    file = plot(tmp_path)
    lines = edaphon("check", str(file)).splitlines()
    assert lines[0].startswith("good: ")
    assert lines[1] == (
        f"bus b: {tmp_path}/ttyUSB9 is not there; plug it in, or take a path from:"
        "  ls -l /dev/serial/by-id"
    )
    assert lines[2].startswith(f"supply relay: {tmp_path}/ttyUSB9-relay is not there")
    assert lines[3:] == [
        f"next: edaphon run {file}",
        f"without its hardware: edaphon simulate {file} --folder /tmp/plot",
    ]


def test_the_first_example_needs_no_folder_of_another_account(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    edaphon("init", str(file))
    assert f'folder = "{tmp_path}/edaphon-data"' in file.read_text()
    assert edaphon("check", str(file)).splitlines()[1:] == [f"next: edaphon run {file}"]


def test_the_services_configuration_names_the_services_folder() -> None:
    assert _usual_storage(Path("/etc/edaphon/edaphon.toml")) == Path("/var/lib/edaphon")
    assert not is_services(Path("edaphon.toml"))


def test_a_configuration_that_is_not_there_says_how_to_write_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("check", "run", "status", "scan", "web"):
        assert "write one with: edaphon init\n" in edaphon(command, code=3)
    words = edaphon("check", "plots/edaphon.toml", code=3)
    assert "write one with: edaphon init plots/edaphon.toml" in words


def closed(monkeypatch: pytest.MonkeyPatch, folder: Path, group: int, mode: int) -> str:
    """What an account learns that may not use a folder of that group and mode."""
    folder.mkdir(exist_ok=True)
    os.chown(folder, -1, group)
    folder.chmod(mode)
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != folder)
    return denied(folder / "file", PermissionError(errno.EACCES, "Permission denied"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a folder to another group")
def test_a_refusal_names_the_group_that_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grp

    dialout = grp.getgrnam("dialout").gr_gid
    words = closed(monkeypatch, tmp_path / "f", dialout, 0o770)
    assert words.startswith(f"{tmp_path}/f/file (Permission denied). The group dialout may use ")
    assert words.endswith("sudo adduser root dialout")
    assert "belongs to another account" in closed(monkeypatch, tmp_path / "f", dialout, 0o700)
    assert "belongs to another account" in closed(monkeypatch, tmp_path / "f", 0, 0o770)


def test_another_refusal_than_of_rights_names_no_group(tmp_path: Path) -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file or directory")
    assert denied(tmp_path / "x", error) == f"{tmp_path}/x (No such file or directory)"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_short_help_and_the_version(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "-h"])
    assert end.value.code == 0
    assert f"Usage: edaphon {name}" in capsys.readouterr().out
    main([name, "--version"])
    assert capsys.readouterr().out == f"edaphon {package.__version__}\n"


def test_the_program_itself_has_a_short_help_and_the_version() -> None:
    assert "--version" in edaphon("-h")
    assert edaphon("--version") == f"edaphon {package.__version__}\n"
