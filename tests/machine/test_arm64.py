"""Installation and demo on an emulated 64-bit ARM; `./run faults arm64`, not in CI: 15 minutes."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.debian import PERSON, Debian, bare_debian, cannot
from tests.programs import find

CODE = f"/home/{PERSON}/edaphon"
KERNEL = Path("/proc/sys/fs/binfmt_misc")
RULE = "qemu-aarch64"
EMULATED_S = 3600

pytestmark = [
    pytest.mark.skipif(os.environ.get("EDAPHON_FAULTS") != "arm64", reason="./run faults arm64"),
    pytest.mark.timeout(2 * EMULATED_S),
]


@contextlib.contextmanager
def emulation() -> Iterator[None]:
    """The kernel starts programs of 64-bit ARM with qemu; a rule that was there is left alone."""
    if (KERNEL / RULE).exists():
        yield
        return
    try:
        (KERNEL / "register").write_text(_rule(), "utf-8")
    except OSError as error:
        cannot(f"expected a kernel that takes a rule in {KERNEL} (mount binfmt_misc): {error}")
    try:
        yield
    finally:
        (KERNEL / RULE).write_text("-1", "utf-8")


def _rule() -> str:
    """The magic number of such programs (ELF, machine 183), opened once, for every root folder."""
    qemu = find("qemu-aarch64-static", "qemu-user-static")
    magic = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
    written = ["".join(f"\\x{byte:02x}" for byte in part) for part in (magic, mask)]
    return f":{RULE}:M::{written[0]}:{written[1]}:{qemu}:F"


@pytest.fixture(scope="module")
def machine() -> Iterator[Debian]:
    with emulation(), bare_debian("arm64") as debian:
        debian.take_code(CODE)
        yield debian


def test_installation_and_demo_on_an_emulated_arm64(machine: Debian) -> None:
    assert machine.admin("uname -m").strip() == "aarch64"
    for command, shown in (
        ("./run install", f"/home/{PERSON}/.local/bin/edaphon"),
        (".venv/bin/edaphon --version", "edaphon "),
        ("./run demo --seconds 20", "all records accounted for"),
    ):
        begun = time.monotonic()
        printed = machine.person(f"cd {CODE} && {command}", within_s=EMULATED_S)
        print(f"{command}: {time.monotonic() - begun:.0f} s")
        assert shown in printed
