"""A station whose configuration names what it may not: it starts, and changes none of it."""

import os
from pathlib import Path

import pytest
from tests.programs import wait_until
from tests.stories.station import Station

from edaphon.journal import read_only
from edaphon.storage.client import ask

BASHRC = "alias ll='ls -l'\n"
FIELD = '[[source.field]]\nname = "t"\npath = "t"\nquantity = "soil_temperature"\nunit = "degC"\n'


def tables(folder: Path) -> list[str]:
    """Each path leads to something else than it should."""
    (folder / ".bashrc").write_text(BASHRC)
    (folder / "relay").symlink_to(folder / ".bashrc")
    os.mkfifo(folder / "pipe")
    (folder / "data").mkdir()
    (folder / "data" / "a.dat").symlink_to("/proc/self/environ")
    (folder / "data" / "b.dat").symlink_to(folder / ".bashrc")
    (folder / "facts").mkdir()
    os.mkfifo(folder / "facts" / "pipe.toml")
    followed = (
        (
            '[[source]]\nname = "f{}"\nfile = "{}"\nmodel = "campbell.toa5"\n'
            'settings = { utc_offset = "+00:00", interval_s = 1800 }\n'
        )
        .replace("settings = {", "settings = {{")
        .replace("1800 }", "1800 }}")
    )
    broker = '[broker.{}]\nhost = "127.0.0.1"\nport = 1\ntls = true\ntopics = ["#"]\n'
    return [
        f'[supply.a]\nfile = "{folder}/.bashrc"\n[supply.b]\nfile = "{folder}/relay"\n',
        f'[supply.c]\nfile = "{folder}/pipe"\n[supply.d]\nfile = "{folder}/made"\n',
        broker.format("zero") + 'ca_file = "/dev/zero"\nenvelope = "chirpstack-v4"\n',
        broker.format("pipe") + f'ca_file = "{folder}/pipe"\n',
        '[[source]]\nbroker = "zero"\ndev_eui = "A84041B2C1D5E6F7"\n'
        f'codec_file = "/proc/self/environ"\n{FIELD}',
        followed.format(1, f"{folder}/data/*.dat"),
        followed.format(2, "/proc/self/environ"),
        followed.format(3, f"{folder}/pipe"),
    ]


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Station:
    monkeypatch.setenv("EDAPHON_CANARY", "Xk7QzpW66vR2mGt8")
    return Station(tmp_path, tables(tmp_path), [])


def test_a_start_on_hostile_paths_changes_no_file_and_reads_no_secret(station: Station) -> None:
    station.start(60)
    try:
        problems: list[str] = []

        def all_shown() -> bool:
            status = ask(station.storage / "control.sock", {"verb": "status"}, 20.0)
            problems[:] = [str(row) for row in status["trouble"]]
            wanted = ("supply a", "supply b", "supply c", "supply d", "zero", "pipe", "file/f1")
            return all(any(word in row for row in problems) for word in wanted)

        wait_until(all_shown, f"every wrong path to be shown, got {problems}", 60)
    finally:
        station.stop()
    folder = station.folder
    assert (folder / ".bashrc").read_text() == BASHRC
    assert not (folder / "made").exists()
    entries = b"".join(entry.payload for _, entry in read_only(station.storage / "journal").scan())
    assert b"Xk7Qzp" not in entries
    assert b"alias ll" not in entries
    assert "Xk7Qzp" not in station.log()
