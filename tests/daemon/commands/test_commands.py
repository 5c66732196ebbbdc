"""Commands as a person calls them: what they print, and one line where something is wrong."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer
from tests.daemon.commands.calling import call_plain
from tests.programs import wait_until

from edaphon.commands import COMMANDS, take_in
from edaphon.service.socket import ControlServer
from edaphon.storage.client import DaemonOff, DaemonRefuses, ask


def edaphon(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edaphon", *words], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def test_a_demo_ends_by_itself_and_its_ledgers_close():
    found = json.loads(edaphon("demo", "--seconds", "4", "--headless", "--json"))
    keys = {"taken", "journalled", "derived", "delivered", "set_aside", "gaps"}
    assert keys <= found.keys()
    assert found["taken"] == found["journalled"] > 144
    assert found["delivered"]["files"] == found["current"] > 0


def test_every_option_takes_its_own_default():
    """A default outside of the bounds of its option would refuse the command without it."""
    app = typer.Typer()
    for name in COMMANDS:
        take_in(app, name)
    left, seen = [typer.main.get_command(app)], 0
    while left:
        command = left.pop()
        left += getattr(command, "commands", {}).values()
        for option in command.params:
            least, most = getattr(option, "min", None), getattr(option, "max", None)
            if option.default is not None and (least, most) != (None, None):
                seen += 1
                assert least is None or least <= option.default, (command.name, option.name)
                assert most is None or option.default <= most, (command.name, option.name)
    assert seen, "no option with a default and bounds was found"


def test_a_command_without_a_daemon_says_what_to_type(tmp_path: Path):
    file = tmp_path / "edaphon.toml"
    edaphon("init", str(file), "--storage", str(tmp_path / "storage"))
    assert "edaphon run" in edaphon("status", "--config", str(file), code=1)
    assert "(the configuration has none)" in edaphon("read", "p/a", "--config", str(file), code=2)
    with file.open("a") as config:
        config.write('[bus.p]\nkind = "sdi12"\nport = "/dev/serial/by-id/x"\n[[source]]\n')
        config.write('bus = "p"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "1h"\n')
    assert "edaphon run" in edaphon("read", "p/a", "--config", str(file), code=75)
    assert "edaphon run" in edaphon("query", "x", "--config", str(file), code=1)


@pytest.mark.parametrize("stale", [False, True])
def test_a_service_that_is_off_is_explained_without_error_numbers(tmp_path: Path, stale: bool):
    file = tmp_path / "edaphon.toml"
    edaphon("init", str(file), "--storage", str(tmp_path / "storage"))
    if stale:  # as a kill leaves it: refused, not absent
        (tmp_path / "storage").mkdir(exist_ok=True)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(tmp_path / "storage" / "control.sock"))
    asked = {("status",): 1, ("alert", "list"): 75, ("alert", "ack", "1", "--why", "x"): 75}
    for words, code in asked.items():
        _, shown = call_plain(*words, "--config", str(file), codes=(code,))
        assert shown.startswith("the service is not running (nothing answers at ")
        assert "systemctl start edaphon" in shown
        assert "Errno" not in shown


def test_an_account_that_may_not_ask_is_not_sent_to_start_the_service(monkeypatch, tmp_path: Path):
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    with pytest.raises(DaemonOff, match="this account may not ask the service") as off:
        ask(tmp_path / "s", {"verb": "status"})
    assert "start" not in str(off.value)


def test_a_control_socket_that_the_disk_refuses_is_made_later(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setattr("edaphon.service.socket.TRY_AGAIN_S", 0.05)
    path = tmp_path / "later" / "control.sock"
    server = ControlServer(path, lambda request: {"verb": request["verb"]})
    assert "no socket for other commands" in caplog.text
    path.parent.mkdir()
    wait_until(path.exists, "the socket")
    wait_until(lambda: ask(path, {"verb": "yes"}) == {"verb": "yes"}, "an answer")
    server.stop()


def test_a_control_socket_is_stopped_before_its_thread_has_begun(tmp_path: Path, monkeypatch):
    begun, serve = threading.Event(), ControlServer._serve

    def late(self):
        begun.wait(5)
        serve(self)

    monkeypatch.setattr(ControlServer, "_serve", late)
    server = ControlServer(tmp_path / "control.sock", dict)
    stopping = threading.Thread(target=server.stop, daemon=True)
    stopping.start()
    begun.set()
    stopping.join(10)
    assert not stopping.is_alive()


def test_the_control_socket_answers_refuses_and_is_off(tmp_path: Path):
    def answer(request):
        if request["verb"] == "no":
            raise DaemonRefuses("not today", 7)
        return {"verb": request["verb"]}

    path = tmp_path / "control.sock"
    server = ControlServer(path, answer)
    assert ask(path, {"verb": "yes"}) == {"verb": "yes"}
    with pytest.raises(DaemonRefuses, match="not today"):
        ask(path, {"verb": "no"})
    with pytest.raises(DaemonRefuses, match="error of this program: KeyError"):
        ask(path, {})
    threads = [threading.Thread(target=ask, args=(path, {"verb": "yes"})) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    server.stop()
    with pytest.raises(DaemonOff):
        ask(path, {"verb": "yes"})
