"""The service and the page go on under the filter of system calls that their units put on them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import pytest
from tests.daemon.commands.calling import call, until
from tests.daemon.commands.test_cal_preview import station_in
from tests.documents import ROOT
from tests.machine.debian import cannot
from tests.programs import free_port, wait_until
from tests.stories.station import Station

from edaphon.acquire import clock_sync
from edaphon.storage.client import ask

BOUNDED = """
import os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
child = "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (0, 0)); print('bounded')"
print(subprocess.check_output([sys.executable, "-c", child], start_new_session=True).decode())
for forbidden in (lambda: os.nice(1), lambda: os.chown("/tmp", 0, 0), lambda: os.setuid(0)):
    try:
        forbidden()
    except PermissionError:
        print("refused")
"""


def under(unit: str, *words: str) -> list[str]:
    """A command under the filter of a unit."""
    try:
        import ctypes

        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        cannot("libseccomp is missing. Type:  sudo apt-get install -y libseccomp2")
    path = ROOT / "deploy" / "systemd" / f"{unit}.service"
    return [sys.executable, "-m", "tests.system_calls", str(path), sys.executable, *words]


@contextmanager
def running(unit: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A command of edaphon under the filter of a unit, ended by SIGTERM."""
    started = under(unit, "-m", "edaphon", *words)
    with subprocess.Popen(started, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def plot(tmp_path_factory) -> Station:
    station = station_in(tmp_path_factory.mktemp("plot"))
    text = station.file.read_text("utf-8")
    station.port = free_port()
    station.file.write_text(f'{text}\n[web]\nlisten = "127.0.0.1:{station.port}"\n', "utf-8")
    return station


def test_the_service_and_the_page_do_their_work_under_their_units_filters(plot, tmp_path):
    facts = tmp_path / "facts.toml"
    facts.write_text('[[plot]]\nid = "Z"\n', "utf-8")
    with (
        running("edaphon", "run", str(plot.file)) as service,
        running("edaphon-web", "web", str(plot.file)) as page,
    ):
        socket = plot.storage / "control.sock"
        until(lambda: socket.exists() or service.poll() is not None, 40)
        until(lambda: ask(socket, {"verb": "status"}, 30)["site"], 40)
        assert "1 fact applied" in call(plot, "apply", str(facts))[0]
        call(plot, "rebuild")
        call(plot, "release", "first")
        wait_until(lambda: _shows(plot.port) or page.poll() is not None, "the page")
        assert _shows(plot.port), page.stderr.read()
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0, service.stderr.read()


def _shows(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return b"p-temp" in answer.read()
    except OSError:
        return False


def test_a_child_bounds_itself_and_what_is_for_root_is_refused_without_an_end():
    words = under("edaphon", "-c", BOUNDED)
    shown = subprocess.check_output(words, cwd=ROOT, text=True)
    assert shown.split() == ["bounded", "refused", "refused", "refused"]


@pytest.mark.parametrize(("answer", "known"), [("yes", True), ("no", False)])
def test_a_clock_that_the_kernel_may_not_be_asked_for_is_asked_of_systemd(
    tmp_path, monkeypatch, answer, known
):
    program = tmp_path / "timedatectl"
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "show --property=NTPSynchronized --value" ] && echo {answer}\n',
        "utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    code = (
        "from pathlib import Path; from edaphon.acquire import clock_sync;"
        f"clock_sync._TIMESYNCD = Path({str(tmp_path / 'timesync')!r});"
        "print(clock_sync.kernel_is_synchronised())"
    )
    shown = subprocess.check_output(under("edaphon", "-c", code), cwd=ROOT, text=True)
    assert shown.strip() == str(known)


def test_where_timesyncd_runs_its_own_file_is_the_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(clock_sync, "_TIMESYNCD", tmp_path)
    assert not clock_sync._systemd_knows()
    (tmp_path / "synchronized").touch()
    assert clock_sync.kernel_is_synchronised()
