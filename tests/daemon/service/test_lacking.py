"""What a machine or an account lacks is shown with what to do next, and nothing is opened."""

import errno
import os
from pathlib import Path

import pytest
from tests.daemon.commands.test_commands import edaphon

import edaphon as package
from edaphon.commands import COMMANDS, main
from edaphon.commands.check import _usual_storage
from edaphon.config import read_config
from edaphon.service.prerequisites import (
    CONNECTS,
    LISTENS,
    READS,
    SERVICE_FOLDER,
    WRITES,
    denied,
    is_services,
    next_steps,
)
from edaphon.toml_input.lines import read_document

HEAD = '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{}"\n'

LINES = (
    '[bus.a]\nkind = "sdi12"\nport = "{there}"\n[bus.b]\nkind = "serial"\nport = "{gone}"\n'
    '[bus.c]\nkind = "modbus-tcp"\nport = "tcp://192.0.2.1:502"\n'
    '[supply.relay]\nfile = "{gone}-relay"\n'
)


def steps(printed: str) -> list[str]:
    """Without what is read, written and connected to; see test_access.py."""
    does = (READS, WRITES, CONNECTS, LISTENS)
    return [line for line in printed.splitlines() if not line.startswith(does)]


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
    lines = steps(edaphon("check", str(file)))
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


def test_a_storage_folder_that_is_not_for_this_account_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check` was good, and `run` ended: the folder of the README's plot is /var/lib/edaphon."""
    config = read_config(read_document("edaphon.toml", HEAD.format(tmp_path / "no" / "data")))[0]
    assert config is not None
    assert not [
        step for step in next_steps(tmp_path / "e.toml", config) if step.startswith("storage")
    ]
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != tmp_path)
    first, *_ = next_steps(tmp_path / "edaphon.toml", config)
    assert first.startswith(f"storage: {tmp_path}/no/data is not for this account. ")
    services = next_steps(SERVICE_FOLDER / "edaphon.toml", config)
    assert not [step for step in services if step.startswith("storage")]
    (tmp_path / "no").touch()
    first, *_ = next_steps(tmp_path / "edaphon.toml", config)
    assert first == f"storage: {tmp_path}/no is no folder; name another"


def test_the_first_example_needs_no_folder_of_another_account(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    edaphon("init", str(file))
    assert f'folder = "{tmp_path}/edaphon-data"' in file.read_text()
    assert steps(edaphon("check", str(file)))[1:] == [f"next: edaphon run {file}"]


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


FOLLOWED = """[[source]]
name = "{name}"
file = "{folder}/{file}"
model = "campbell.toa5"
settings = {{ utc_offset = "+01:00", interval_s = 1800 }}
"""


def test_followed_files_that_are_not_there_or_no_files_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    edaphon("init", str(file))
    (tmp_path / "folder").mkdir()
    (tmp_path / "good.dat").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    names = {"a": "folder", "b": "good.dat", "c": "pipe", "d": "later.dat", "e": "gone/*.dat"}
    names["f"] = "lo*"
    with file.open("a") as config:
        for name, own in names.items():
            config.write(FOLLOWED.format(name=name, folder=tmp_path, file=own))
    good, *lines, last = steps(edaphon("check", str(file)))
    assert good.startswith("good: 7 sources")
    assert lines == [
        f"source file/a: expected a file, got the folder {tmp_path}/folder;"
        f" {tmp_path}/folder/* stands for the files in it",
        "source file/c: expected a file that a program writes and keeps, got a pipe or device:"
        f" {tmp_path}/pipe",
        f"source file/d: no file {tmp_path}/later.dat yet; it is read when it is there",
        f"source file/e: expected the folder {tmp_path}/gone to be there and for this account,"
        " got No such file or directory",
        "source file/f: expected a file that this account can read, got [Errno 40] Too many"
        f" levels of symbolic links: '{tmp_path}/loop'",
    ]
    assert last == f"next: edaphon run {file}"


def test_a_codec_without_its_engine_is_shown_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "edaphon.toml"
    edaphon("init", str(file))
    (tmp_path / "x.js").write_text("function decodeUplink(i) { return { data: {} }; }")
    with file.open("a") as config:
        config.write(
            '[broker.cs]\nhost = "h"\ntopics = ["#"]\nenvelope = "chirpstack-v4"\n[[source]]\n'
            f'broker = "cs"\ndev_eui = "A84041B2C1D5E6F7"\ncodec_file = "{tmp_path}/x.js"\n'
            '[[source.field]]\nname = "t"\npath = "t"\nquantity = "soil_temperature"\n'
            'unit = "degC"\n'
        )
    monkeypatch.setattr("edaphon.service.prerequisites.find_spec", lambda _: None)
    with pytest.raises(SystemExit):
        main(["check", str(file)])
    (line,) = steps(capsys.readouterr().out)[1:-1]
    words = (
        "codec_file: makers' JavaScript needs the extra `codecs`; type in the folder of edaphon:  "
    )
    assert line == f"{words}./run install --codecs"
    monkeypatch.setattr("sys.prefix", "/usr/local/lib/edaphon/0123456789abcdef")
    with pytest.raises(SystemExit):
        main(["check", str(file)])
    (line,) = steps(capsys.readouterr().out)[1:-1]
    assert line == f"{words}sudo ./run install --service --codecs"


def test_a_configuration_without_a_deployment_says_when_values_begin(tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    edaphon("init", str(file))
    text = file.read_text()
    file.write_text(text[: text.index("[[plot]]")])
    assert steps(edaphon("check", str(file)))[1].startswith("no [[deployment]] here: ")
