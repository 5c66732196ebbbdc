"""A program next to edaphon that ends early shows its own last words to the person."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.stories.station import json_node

from edaphon.commands import programs
from edaphon.commands.programs import ProgramEnded, Running, broker, launch, listens, watch

NO_LIBRARY = "error while loading shared libraries: libdlt.so.2: cannot open shared object file"
STATION = (
    '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{folder}"\n'
    '[broker.local]\nhost = "192.0.2.1"\ntopics = ["plot/#"]\n'
)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The folder of a mosquitto that ends as one does whose libraries are not there."""
    program = tmp_path / "bin" / "mosquitto"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{NO_LIBRARY}' >&2\nexit 127\n")
    program.chmod(0o755)
    return program.parent


def edaphon(path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "edaphon", *words],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"},
    )


def test_simulate_shows_the_last_words_of_a_broker_that_ends(broken: Path, tmp_path: Path) -> None:
    file = tmp_path / "edaphon.toml"
    file.write_text(STATION.format(folder=tmp_path / "storage") + json_node("local", "plot/n1"))
    done = edaphon(broken, "simulate", str(file), "--folder", str(tmp_path / "plot"))
    assert done.returncode == 1
    assert "expected mosquitto to go on, it ended with exit code 127" in done.stderr
    assert NO_LIBRARY in done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_shows_the_last_words_of_a_broker_that_ends_and_goes_on(broken: Path) -> None:
    done = edaphon(broken, "demo", "--seconds", "2", "--headless")
    assert done.returncode == 0, done.stderr
    assert NO_LIBRARY in done.stdout
    assert "without a broker" in done.stdout
    assert "all records accounted for" in done.stdout


def test_a_demo_whose_page_ends_shows_the_last_words_of_the_page(tmp_path: Path) -> None:
    from edaphon.commands import demo

    page = demo._page(tmp_path, tmp_path / "no_such.toml", programs.free_port())
    with pytest.raises(ProgramEnded, match=r"(?s)edaphon web .*no_such\.toml"), page:
        pass


def shell(folder: Path, script: str) -> Running:
    return launch(["/bin/sh", "-c", script], folder / "log", name="a program")


def test_only_the_words_of_this_start_are_shown(tmp_path: Path) -> None:
    shell(tmp_path, "echo first; exit 0").process.wait()
    second = shell(tmp_path, "echo second; exit 3")
    second.process.wait()
    with pytest.raises(ProgramEnded, match=r"exit code 3\. Its last lines:\n  second$"):
        second.check()


def test_a_program_that_does_not_answer_in_time_differs_from_one_that_ended(
    tmp_path: Path,
) -> None:
    silent = shell(tmp_path, "echo waiting; exec sleep 30")
    try:
        with pytest.raises(ProgramEnded, match=r"answer within 0\.3 s.*\n  waiting"):
            silent.wait_ready(lambda: False, 0.3)
    finally:
        silent.end()
    assert silent.process.returncode == -signal.SIGTERM


def test_a_program_that_ignores_its_end_is_killed(tmp_path: Path) -> None:
    deaf = shell(tmp_path, "trap '' TERM; echo ready; while :; do sleep 1; done")
    deaf.wait_ready(lambda: "ready" in deaf.last_lines())
    deaf.end(within_s=0.2)
    assert deaf.process.returncode == -signal.SIGKILL


def test_another_server_on_the_port_does_not_hide_a_program_that_ended(tmp_path: Path) -> None:
    ended = shell(tmp_path, "echo port in use; exit 1")
    ended.process.wait()
    with pytest.raises(ProgramEnded, match="port in use"):
        ended.wait_ready(lambda: True)


def test_the_watch_ends_with_the_first_program_that_ends(tmp_path: Path) -> None:
    stop = threading.Event()
    short = shell(tmp_path, "sleep 0.3; echo gone; exit 1")
    with pytest.raises(ProgramEnded, match="gone"):
        watch(stop, [short], 20)


def test_the_watch_ends_in_time_and_quietly_when_everything_is_to_stop(
    tmp_path: Path,
) -> None:
    begun = time.monotonic()
    watch(threading.Event(), [], 0.3)
    assert 0.3 <= time.monotonic() - begun < 2
    stop, ended = threading.Event(), shell(tmp_path, "exit 1")
    ended.process.wait()
    threading.Timer(0.4, stop.set).start()
    watch(stop, [ended], 20)


def test_a_broker_is_ready_inside_and_gone_after(tmp_path: Path) -> None:
    from tests.programs import require

    with broker(require("mosquitto", "mosquitto"), tmp_path) as (port, _):
        assert listens(port)
    assert not listens(port)
