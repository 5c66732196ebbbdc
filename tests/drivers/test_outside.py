"""What is opened of files that others name: regular files, and devices and sysfs as switches."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from tests.switch import SwitchDevice

from edaphon_drivers import outside
from edaphon_drivers.outside import (
    append_file,
    leaves,
    open_file,
    switch_error,
    write_switch,
)


def made(folder: Path, kind: str) -> Path:
    """Something of that kind under a harmless name."""
    path = folder / "thing"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        return Path("/dev/zero")
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "environment":
        return Path("/proc/self/environ")
    elif kind == "link to the environment":
        path.symlink_to("/proc/self/environ")
    elif kind == "sysfs":
        return Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return path


KINDS = {
    "pipe": "a pipe",
    "socket": "a socket",
    "folder": "a folder",
    "device": "a device",
    "link to a device": "a device",
    "environment": "a file of the kernel",
    "link to the environment": "a file of the kernel",
    "sysfs": "a file of the kernel",
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_a_regular_file_is_read(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind)
    if not path.exists():
        pytest.skip(f"this machine has no {path}")
    with pytest.raises(OSError, match=KINDS[kind]) as caught:
        open_file(path)
    assert caught.value.filename == str(path)


def test_a_link_may_stay_in_its_folder_and_not_leave_it(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "data-of-others"
    for folder in (data, other):
        folder.mkdir()
        (folder / "a.csv").write_text(folder.name)
    (data / "now.csv").symlink_to("a.csv")
    (data / "theirs.csv").symlink_to(other / "a.csv")
    (data / "below").symlink_to(other)
    (tmp_path / "stick").symlink_to(data)
    for name in (data / "now.csv", tmp_path / "stick" / "a.csv"):
        with open_file(name, name.parent) as file:
            assert file.read() == b"data"
    for name in ("theirs.csv", "below/a.csv", "../data-of-others/a.csv"):
        with pytest.raises(OSError, match="a link that leaves"):
            open_file(data / name, data)
        assert leaves(data / name, data)
    assert not leaves(data / "now.csv", data)
    assert not leaves(tmp_path / "stick" / "a.csv", tmp_path / "stick")


def test_a_name_that_changes_between_the_look_and_the_opening_gives_nothing_else(
    tmp_path: Path,
) -> None:
    """The race of check and use: a thread turns the name from a file into a link and back."""
    secret, name = tmp_path / "secret", tmp_path / "data" / "a.csv"
    name.parent.mkdir()
    secret.write_text("secret")
    stop = threading.Event()

    def turn() -> None:
        plain, link = name.with_suffix(".1"), name.with_suffix(".2")
        while not stop.is_set():
            plain.write_text("plain")
            plain.replace(name)
            link.symlink_to(secret)
            link.replace(name)

    thread = threading.Thread(target=turn)
    thread.start()
    found = set()
    try:
        for _ in range(2000):
            try:
                with open_file(name, name.parent) as file:
                    found.add(file.read())
            except OSError as error:
                found.add(type(error).__name__)
    finally:
        stop.set()
        thread.join()
    assert b"secret" not in found
    assert b"plain" in found


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "file", "link to a file", "missing"])
def test_nothing_but_a_device_or_sysfs_is_switched(tmp_path: Path, kind: str) -> None:
    path, kept = made(tmp_path, kind), tmp_path / ".bashrc"
    kept.write_text("alias ll='ls -l'\n")
    if kind == "file":
        path = kept
    elif kind == "link to a file":
        path.symlink_to(kept)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError):  # noqa: PT011  of several kinds
        write_switch(path, "1")
    assert switch_error(path)
    assert kept.read_text() == "alias ll='ls -l'\n"
    assert sorted(tmp_path.iterdir()) == before


def test_a_device_is_switched_by_its_name_or_a_link(tmp_path: Path) -> None:
    device = SwitchDevice(tmp_path / "relay1")
    assert switch_error(device.path) == ""
    write_switch(device.path, "1")
    assert device.taken == "1"


def test_a_file_of_sysfs_is_written_through_links_and_keeps_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "SYSFS", str(tmp_path / "sys"))
    leds, real = tmp_path / "sys" / "class" / "leds", tmp_path / "sys" / "devices" / "relay1"
    leds.mkdir(parents=True)
    real.mkdir(parents=True)
    (leds / "relay1").symlink_to(real)
    (real / "brightness").write_text("255\n")
    write_switch(leds / "relay1" / "brightness", "1")
    assert (real / "brightness").read_text() == "155\n"  # not cut: sysfs takes it as a command
    (leds / "relay2").symlink_to(tmp_path)
    (tmp_path / "brightness").write_text("0")
    with pytest.raises(OSError, match="neither a character device nor"):
        write_switch(leds / "relay2" / "brightness", "1")
    assert (tmp_path / "brightness").read_text() == "0"


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="no sysfs here")
def test_a_file_of_the_real_sysfs_may_be_a_switch() -> None:
    assert switch_error("/sys/kernel/mm") != ""
    some = next(p for p in Path("/sys/kernel").iterdir() if stat.S_ISREG(p.lstat().st_mode))
    assert switch_error(some) == ""


def test_lines_are_added_to_a_regular_file_only(tmp_path: Path) -> None:
    with append_file(tmp_path / "day.jsonl") as file:
        file.write(b"1\n")
    with append_file(tmp_path / "day.jsonl") as file:
        file.write(b"2\n")
    assert (tmp_path / "day.jsonl").read_bytes() == b"1\n2\n"
    target = tmp_path / "target"
    (tmp_path / "link.jsonl").symlink_to(target)
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name in ("link.jsonl", "pipe.jsonl"):
        with pytest.raises(OSError):  # noqa: PT011  of several kinds
            append_file(tmp_path / name)
    assert not target.exists()
