"""The programs that other tests stand on start, keep their data over a kill, and are found."""

import http.client
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from tests import programs
from tests.programs import Influx1, Mosquitto, VictoriaMetrics

from edaphon.commands.programs import libraries


def ask(program: programs.Program, method: str, path: str, body: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection(program.host, program.port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_influxdb_keeps_a_point_over_kill_and_start(tmp_path: Path) -> None:
    with Influx1(tmp_path) as server:
        assert ask(server, "POST", "/query?q=" + quote("CREATE DATABASE plot"))[0] == 200
        assert ask(server, "POST", "/write?db=plot", "t,channel=a value=4.5 60")[0] == 204
        port = server.port
        server.kill()
        assert server.start().port == port
        query = urlencode({"db": "plot", "q": "SELECT value FROM t"})
        assert "4.5" in ask(server, "GET", "/query?" + query)[1]


def test_victoria_metrics_accepts_a_line(tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path) as server:
        assert ask(server, "POST", "/write", "t,channel=a value=4.5")[0] == 204


def test_mosquitto_runs_the_shipped_configuration_on_its_own_port(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        text = (broker.folder / "mosquitto.conf").read_text()
        assert "autosave_interval 1" in text
        assert f"listener {broker.port} 127.0.0.1" in text
        assert "1883" not in text
        assert "Error" not in broker.log


@pytest.mark.parametrize("ci", ["true", ""])
def test_a_missing_program_skips_at_home_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("EDAPHON_CACHE", str(tmp_path))
    wanted = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(wanted, match="no-such-program"):
        programs.require("no-such-program", "edaphon-no-such-package")


def test_an_unpacked_program_gets_the_libraries_that_were_unpacked_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDAPHON_CACHE", str(tmp_path))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    library = tmp_path / "server" / "usr" / "lib" / "libtool.so.2"
    program = tmp_path / "server" / "usr" / "bin" / "server"
    for file in (library, program):
        file.parent.mkdir(parents=True)
        file.touch()
    program.chmod(0o755)
    assert programs.find("server", "server") == program
    assert libraries(program) == {"LD_LIBRARY_PATH": str(library.parent)}
    assert libraries(Path("/usr/sbin/mosquitto")) == {}
    assert libraries(Path("/usr/local/sbin/mosquitto")) == {}
