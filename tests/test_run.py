"""The `run` script on machines that lack something: one line with what to type, exit code 69."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.documents import ROOT

TOOLS = (
    "sh",
    "dirname",
    "cat",
    "sha256sum",
    "cut",
    "id",
    "sed",
    "grep",
    "mkdir",
    "ln",
    "rm",
    "readlink",
)
NO_ENSUREPIP = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\n'
OLD = '#!/bin/sh\ncase "$2" in *version_info*) exit 1 ;; esac\n'
NARROW = '#!/bin/sh\ncase "$2" in *maxsize*) exit 1 ;; esac\n'
WIDE = "a 64-bit system (numpy and google-re2 are there for no other) is missing."


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A clone with its own PATH: some tools of every Debian, no python3, another user's id."""
    shutil.copy(ROOT / "run", tmp_path / "run")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    stub(tmp_path, "id", "#!/bin/sh\necho 1000\n")
    return tmp_path


def stub(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o755)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(folder / "bin"), "HOME": str(folder)}
    command = ["sh", str(folder / "run"), *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    ("python", "line"),
    [
        (None, "python3 is missing. Type:  sudo apt-get install -y python3-venv"),
        (NO_ENSUREPIP, "python3-venv is missing. Type:  sudo apt-get install -y python3-venv"),
        (OLD, "Python 3.11 or newer is missing. Type:  python3 --version"),
        (NARROW, f"{WIDE} Type:  getconf LONG_BIT"),
    ],
    ids=["no python3", "no venv", "old python3", "32 bits"],
)
def test_what_is_missing_is_said_in_one_line(bare: Path, python: str | None, line: str) -> None:
    if python is not None:
        stub(bare, "python3", python)
    done = run(bare, "demo")
    assert done.returncode == 69
    assert done.stderr.splitlines()[-1] == line
    assert not (bare / ".venv" / "pins-run").exists()


def test_a_failed_installation_is_not_taken_for_a_good_one(bare: Path) -> None:
    stub(bare, "python3", "#!/bin/sh\nexit 0\n")  # makes a venv without anything in it
    done = run(bare, "install")
    assert done.returncode != 0
    assert not (bare / ".venv" / "pins-run").exists()


@pytest.fixture
def installed(bare: Path) -> Path:
    """A clone whose pins are installed already: nothing is fetched any more."""
    pins = (bare / "requirements" / "run.txt").read_bytes() + (bare / "pyproject.toml").read_bytes()
    (bare / ".venv").mkdir()
    (bare / ".venv" / "pins-run").write_text(hashlib.sha256(pins).hexdigest() + str(bare) + "\n")
    return bare


def test_an_installation_puts_edaphon_on_the_path_and_says_how_this_shell_finds_it(
    installed: Path,
) -> None:
    done = run(installed, "install")
    link = installed / ".local" / "bin" / "edaphon"
    assert done.returncode == 0
    assert done.stdout == f"{link}\n"
    assert link.readlink() == installed / ".venv" / "bin" / "edaphon"
    assert done.stderr.endswith('In this shell type:  export PATH="$HOME/.local/bin:$PATH"\n')
    assert run(installed, "install").stdout == f"{link}\n"
    assert run(installed, "install", "--remove").returncode == 0
    assert not link.is_symlink()
    assert not (installed / ".venv").exists()


@pytest.mark.parametrize(
    ("words", "there", "installs"),
    [(["--codecs"], False, True), ([], True, True), ([], False, False)],
    ids=["asked for", "there already", "neither"],
)
def test_the_engine_of_codecs_comes_with_its_hashes_where_it_is_asked_for_or_there(
    installed: Path, words: list[str], there: bool, installs: bool
) -> None:
    python, log = installed / ".venv" / "bin" / "python", installed / "log"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\necho "$@" >>{log}\ncase "$2" in *quickjs*) exit {0 if there else 1} ;; esac\n'
    )
    python.chmod(0o755)
    assert run(installed, "install", *words).returncode == 0
    asked = log.read_text() if log.exists() else ""
    assert ("--require-hashes -r requirements/codecs.txt" in asked) == installs
    log.unlink(missing_ok=True)
    assert run(installed, "install", *words).returncode == 0
    assert "requirements" not in (log.read_text() if log.exists() else "")


def test_another_edaphon_on_the_path_stays(installed: Path) -> None:
    other = installed / ".local" / "bin" / "edaphon"
    other.parent.mkdir(parents=True)
    other.write_text("another program")
    done = run(installed, "install")
    assert f"{other} is another program and stays" in done.stderr
    run(installed, "install", "--remove")
    assert other.read_text() == "another program"


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--service"], 1, "the service belongs to root. Type:  sudo ./run install --service"),
        (["--servce"], 2, "expected nothing, --service or --remove after ./run install"),
        (["--service", "--remove"], 1, "Type:  sudo ./run install --remove"),
    ],
)
def test_an_installation_that_can_not_be_is_one_line_with_what_to_type(
    installed: Path, words: list[str], code: int, line: str
) -> None:
    done = run(installed, "install", *words)
    assert done.returncode == code
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_sudo_without_a_service_is_refused_and_installs_nothing(bare: Path) -> None:
    stub(bare, "id", "#!/bin/sh\necho 0\n")
    environment = {"PATH": str(bare / "bin"), "HOME": str(bare), "SUDO_USER": "tech"}
    done = subprocess.run(
        ["sh", str(bare / "run"), "install"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "your own installation needs no sudo" in done.stderr
    assert not (bare / ".venv").exists()


def test_help_names_every_verb_and_a_wrong_one_is_wrong_usage(bare: Path) -> None:
    helped = run(bare, "help")
    assert helped.returncode == 0
    for verb in ("demo", "test", "check", "fix", "bench", "faults", "install"):
        assert verb in helped.stdout
    assert run(bare, "dmeo").returncode == 2


def test_ci_calls_the_same_door() -> None:
    assert "exec ./run test" in (ROOT / ".ci" / "run").read_text("utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert os.access(ROOT / "run", os.X_OK)
