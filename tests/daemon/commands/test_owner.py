"""Files of the storage folder: for their account and its group alone, whatever runs and as whom."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call, until
from tests.daemon.commands.test_cal_preview import station_in
from tests.machine.debian import cannot

from edaphon import commands
from edaphon.service.process import running
from edaphon.storage.client import ask, mend_modes
from edaphon.storage.paths import Layout

OTHER = 64_321  # an account without a name, such as a service's is elsewhere
ROOT = Path(commands.__file__).parents[3]
ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another account")


def modes(folder: Path) -> dict[str, int]:
    found = {str(path.relative_to(folder)): path.lstat().st_mode for path in folder.rglob("*")}
    return {name: stat.S_IMODE(mode) for name, mode in found.items()}


def wrong_modes(folder: Path) -> dict[str, str]:
    """What is not as it should be: files 0640, closed ones 0440, folders 0750, the lock 0600."""
    found = {".": stat.S_IMODE(folder.stat().st_mode), **modes(folder)}
    return {name: oct(mode) for name, mode in found.items() if not _is_right(folder / name, mode)}


def _is_right(path: Path, mode: int) -> bool:
    if path.is_dir():
        return mode == 0o750
    if path.is_socket():
        return mode == 0o660
    return mode == 0o600 if path.name == "journal.lock" else mode in {0o640, 0o440}


@pytest.fixture
def umask():
    old = os.umask(0)
    yield os.umask
    os.umask(old)


@pytest.mark.parametrize("of_starter", [0o000, 0o022, 0o077])
def test_data_is_for_its_account_and_group_whatever_the_umask_is(tmp_path, umask, of_starter):
    umask(of_starter)
    station = station_in(tmp_path)
    umask(of_starter)
    shutil.rmtree(station.storage)
    with running(station.file):
        call(station, "release", "first", codes=(0, 1))
        assert wrong_modes(station.storage) == {}
    assert wrong_modes(station.storage) == {}
    assert "journal/journal.lock" in modes(station.storage)


def test_a_start_closes_what_an_earlier_version_left_open(tmp_path):
    station = station_in(tmp_path)
    call(station, "release", "first")
    for path in (station.storage, *station.storage.rglob("*")):
        closed = path.is_file() and not path.stat().st_mode & 0o222
        path.chmod(0o777 if path.is_dir() else 0o444 if closed else 0o666)
    with running(station.file):
        assert wrong_modes(station.storage) == {}
    assert modes(station.storage)["releases/first.sqlite"] == 0o440


def test_what_is_not_edaphons_stays_as_it_is(tmp_path):
    layout = Layout(tmp_path / "storage")
    layout.journal.mkdir(parents=True)
    (tmp_path / "own").write_text("")
    (layout.folder / "notes.txt").write_text("")
    (layout.journal / "linked.sqlite").symlink_to(tmp_path / "own")
    (layout.folder / "series.sqlite").write_text("")
    for path in (tmp_path / "own", layout.folder / "notes.txt", layout.folder / "series.sqlite"):
        path.chmod(0o666)
    layout.folder.chmod(0o700)
    layout.journal.chmod(0o750)
    assert mend_modes(layout) == 1
    assert modes(tmp_path)["own"] == 0o666
    assert modes(tmp_path)["storage/notes.txt"] == 0o666
    assert modes(tmp_path)["storage"] == 0o700  # nothing is opened that a person has closed


@pytest.fixture
def of_another():
    """A plot whose storage folder belongs to another account; the service is off."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    station = station_in(folder)
    for path in (station.storage, *station.storage.rglob("*")):
        os.chown(path, OTHER, OTHER)
    yield station
    shutil.rmtree(folder)


def strangers(station) -> list[str]:
    """What of the folder the other account does not own."""
    paths = [station.storage, *station.storage.rglob("*")]
    return [str(path) for path in paths if path.lstat().st_uid != OTHER]


def program() -> list[str]:
    """`edaphon` by a Python that every account can use: one in a home folder is for its own."""
    version = str(sys.version_info[:2])
    asked = ["-c", "import sys; print(sys.version_info[:2])"]
    for python in filter(os.path.exists, (os.path.realpath(sys.executable), "/usr/bin/python3")):
        closed = [each for each in Path(python).parents if not each.stat().st_mode & 0o001]
        if not closed and subprocess.check_output([python, *asked], text=True).strip() == version:
            return [python, "-m", "edaphon"]
    cannot(f"expected a Python {version} that every account may use")
    return []


def environment() -> dict[str, str]:
    rooms = [str(ROOT / room) for room in ("daemon", "drivers", "calibration")]
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    return {**os.environ, "PYTHONPATH": ":".join([*rooms, *libraries]), "PYTHONHASHSEED": "0"}


def edaphon(station, *words: str) -> subprocess.CompletedProcess:
    asked = [*program(), *words, "--config", str(station.file)]
    return subprocess.run(asked, capture_output=True, text=True, env=environment(), cwd="/")


@ONLY_ROOT
def test_commands_of_root_leave_nothing_that_the_service_can_not_use(of_another):
    commands = ["verify --deep", "rebuild", "release first", "salvage --acknowledge"]
    for words in [*commands, "query p-temp"]:
        for name in ("series.sqlite", "state.sqlite", "journal/journal.lock"):
            if words != "query p-temp":
                (of_another.storage / name).unlink(missing_ok=True)
        done = edaphon(of_another, *words.split())
        assert "Traceback" not in done.stderr, words
        assert "Errno" not in done.stderr, words
        assert strangers(of_another) == [], words


@ONLY_ROOT
def test_facts_of_root_from_a_file_of_its_own_are_kept_as_roots_in_the_services_journal(of_another):
    own = of_another.folder / "own.toml"
    own.write_text('[[plot]]\nid = "Z"\n', "utf-8")
    own.chmod(0o600)
    (of_another.storage / "journal" / "journal.lock").unlink()
    done = edaphon(of_another, "apply", str(own))
    assert done.returncode == 0, done.stderr
    assert strangers(of_another) == []


@ONLY_ROOT
def test_a_service_that_root_starts_runs_as_the_account_of_the_folder(of_another):
    words = [*program(), "run", str(of_another.file)]
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, env=environment(), cwd="/"
    ) as service:
        socket = of_another.storage / "control.sock"
        until(lambda: socket.exists() or service.poll() is not None, 40)
        assert service.poll() is None, service.stderr.read()
        until(lambda: ask(socket, {"verb": "status"}), 60)
        status = Path(f"/proc/{service.pid}/status").read_text("utf-8")
        ids = [line.split()[1:] for line in status.splitlines() if line.startswith(("Uid", "Gid"))]
        service.send_signal(signal.SIGTERM)
        shown = service.stderr.read()
    assert ids == [[str(OTHER)] * 4] * 2
    assert f"running as {OTHER}, the account that owns {of_another.storage}" in shown
    assert strangers(of_another) == []
