"""The `run` script on machines that lack something: one line with what to type, exit code 69."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.documents import ROOT

TOOLS = ("sh", "dirname", "cat", "sha256sum", "cut", "id", "sed", "grep")
NO_ENSUREPIP = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\n'
OLD = '#!/bin/sh\ncase "$2" in *version_info*) exit 1 ;; esac\n'


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
    ],
    ids=["no python3", "no venv", "old python3"],
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
