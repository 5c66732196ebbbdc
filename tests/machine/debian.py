"""A bare Debian of our own: made by debootstrap, cached, copied for each use, entered by chroot.

Nothing of this machine is in it but its name servers, its certificates, and the settings by which
its pip and apt reach their packages.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.programs import ROOT, cache_folder, output, require

from edaphon.commands.programs import libraries

SUITE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
PERSON = "tech"
BUILD_S, COMMAND_S = 400, 200
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTER = (
    'root=$1; shift; mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; '
    'exec chroot "$root" "$@"'
)
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy")
_LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".cache", ".git", ".hypothesis", "__pycache__", ".*_cache"
)


@dataclass(frozen=True)
class Debian:
    """A tree of files; every command has its own mounts and processes, which end with it."""

    root: Path

    def person(self, command: str, code: int = 0, within_s: float = COMMAND_S) -> str:
        """What a shell of the ordinary account prints, out and err; another exit code fails."""
        return self._run(["su", "-", PERSON, "-c", command], command, code, within_s)

    def admin(self, command: str, code: int = 0, within_s: float = COMMAND_S, **env: str) -> str:
        """What a shell of root prints, out and err; another exit code fails."""
        words = [
            f"{k}={v}" for k, v in {"PATH": PATH, "HOME": "/root", **_proxies(), **env}.items()
        ]
        return self._run(["env", "-i", *words, "sh", "-c", command], command, code, within_s)

    def _run(self, words: list[str], command: str, code: int, within_s: float) -> str:
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER, "sh"]
            + [str(self.root), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
        )
        assert done.returncode == code, f"{command}\nended with {done.returncode}:\n{done.stdout}"
        assert "Traceback" not in done.stdout, f"{command}\n{done.stdout}"
        return done.stdout

    def take_code(self, folder: str) -> None:
        """The project as a clone would bring it, in a folder of the person."""
        shutil.copytree(ROOT, self.root / folder.lstrip("/"), ignore=_LEFT_OUT)
        self.admin(f"chown -R {PERSON}: {folder}")


@contextmanager
def bare_debian(architecture: str = "") -> Iterator[Debian]:
    """A fresh one with an ordinary account `tech`, removed at the end.

    Where it can't be made the test is skipped at home, and fails with CI=true.
    """
    base = _base(architecture or output("dpkg", "--print-architecture").strip())
    with TemporaryDirectory(
        dir=base.parent, prefix="debian-", ignore_cleanup_errors=True
    ) as folder:
        debian = Debian(Path(folder) / "root")
        output("cp", "-a", "--reflink=auto", base, debian.root, timeout=BUILD_S)
        _let_out(debian.root)
        debian.admin(f"useradd --create-home --shell /bin/bash {PERSON}")
        yield debian


def cannot(reason: str) -> None:
    """Skips the test at home, fails it with CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _base(architecture: str) -> Path:
    """The tree as debootstrap made it; the first use takes a minute, others nothing."""
    if os.getuid() != 0:
        cannot("only root makes and enters a Debian of its own")
    made = cache_folder() / f"debian-{SUITE}-{architecture}"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers begin with it at once
        return made if made.exists() else _bootstrap(made, architecture)


def _bootstrap(made: Path, architecture: str) -> Path:
    program = require("debootstrap", "debootstrap")
    part = made.with_name(f"{made.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    words = [
        f"--arch={architecture}",
        "--variant=minbase",
        f"--include={PACKAGES}",
        SUITE,
        str(part),
    ]
    try:
        output(program, *words, *_mirror(), env=_of_debootstrap(program), timeout=BUILD_S)
        part.rename(made)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


def _of_debootstrap(program: Path) -> dict[str, str]:
    """Its scripts lie next to it where it was unpacked, and so do the programs that it needs."""
    usr = program.parent.parent
    path = os.pathsep.join([str(usr / "sbin"), str(usr / "bin"), os.environ["PATH"], PATH])
    own = {"DEBOOTSTRAP_DIR": str(usr / "share" / "debootstrap"), "PATH": path}
    return {**os.environ, **libraries(program), **own}


def _mirror() -> list[str]:
    """Where this machine gets that Debian from; nothing where it is another system."""
    lines = output("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI) $(CREATED_BY)")
    found = re.search(rf"^{SUITE} (\S+) Packages$", lines, re.MULTILINE)
    return [found[1]] if found else []


def _let_out(root: Path) -> None:
    """Names, certificates, proxies and package settings of this machine, for every account."""
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(file).exists():
            shutil.copyfile(file, root / file.lstrip("/"))
    lines = [f"{name} = {value}\n" for name, value in sorted(_pip_settings().items())]
    (root / "etc" / "pip.conf").write_text("[global]\n" + "".join(lines), "utf-8")
    with (root / "etc" / "environment").open("a", encoding="utf-8") as environment:
        environment.writelines(f"{name}={value}\n" for name, value in _proxies().items())


def _proxies() -> dict[str, str]:
    names = [n for name in PASSED_ON for n in (name, name.upper())]
    return {name: os.environ[name] for name in names if name in os.environ}


def _pip_settings() -> dict[str, str]:
    """What pip reads here from files and environment, folders of this machine left out."""
    uses_pip = [sys.executable, *filter(None, [shutil.which("python3")])]
    found: dict[str, str] = {}
    if index := os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL"):
        found["index-url"] = index
    for python in uses_pip:
        done = subprocess.run(
            [python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
        )
        for line in done.stdout.splitlines():
            key, _, value = line.partition("=")
            found[key.rpartition(".")[2]] = value.strip("'\"")
        if done.returncode == 0:
            break
    return {name: value for name, value in found.items() if name not in {"find-links", "cache-dir"}}
