"""The daemon's socket under requests that no command of ours would send."""

import json
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call_json, until
from tests.daemon.commands.test_cal_preview import station_in
from tests.daemon.series.test_adopting import MINUTE_NS, run
from tests.stories.station import Station

from edaphon.series import Series
from edaphon.service import requests
from edaphon.service.process import running
from edaphon.service.requests import runs_within
from edaphon.service.socket import Connections, ControlServer
from edaphon.storage.client import DaemonRefuses, ask

FAR = [1e300, -1e300, 2**63, 2**64, -(2**63), 2**62 + 1, 1e18, "1", True, None, [], {}]


@pytest.fixture(scope="module")
def plot(tmp_path_factory):
    station = station_in(tmp_path_factory.mktemp("plot"))
    with running(station.file):
        yield station


def path_of(station: Station) -> Path:
    return station.storage / "control.sock"


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(20)
    for _ in range(400):
        with suppress(BlockingIOError):  # as many wait as the system lets wait
            connection.connect(str(path))
            return connection
        time.sleep(0.05)
    raise AssertionError("no connection")


def answered(path: Path, data: bytes) -> dict:
    """The one line that the daemon answers to these bytes."""
    with connected(path) as connection:
        connection.sendall(data)
        with connection.makefile("rb") as answers:
            (line,) = answers.readlines()
    return orjson.loads(line)


@pytest.mark.parametrize("key", ["start_ns", "end_ns"])
@pytest.mark.parametrize("time_ns", FAR)
def test_a_time_of_a_request_that_is_none_is_refused_by_its_name(plot, key, time_ns):
    words = {"verb": "series", "channel": "p-temp", "start_ns": 0, "end_ns": 1, key: time_ns}
    answer = answered(path_of(plot), json.dumps(words).encode() + b"\n")
    assert answer["ok"] is False
    assert "expected" in answer["error"]
    assert key in answer["error"]


@pytest.mark.parametrize(
    "words",
    [
        {"channels": ["p-temp"], "since_ns": 2**64 - 1},
        {"channels": ["p-temp"], "since_ns": 1e300},
        {"channels": ["p-temp"], "since_ns": -(2**63)},
        {"channels": ["nowhere"]},
        {"channels": [7]},
        {"channels": 7},
    ],
)
def test_a_recalibration_that_can_not_be_leaves_nothing_to_do(plot, words):
    with pytest.raises(DaemonRefuses, match="expected"):
        ask(path_of(plot), {"verb": "recalibrate", "begin": True, **words})
    assert ask(path_of(plot), {"verb": "recalibrate"})["pending"] == []
    time.sleep(0.2)  # a turn of the deriver or more
    assert "deriver" not in " ".join(ask(path_of(plot), {"verb": "status"})["trouble"])


def test_a_recalibration_from_the_end_of_time_on_is_done_at_once(plot):
    words = {"verb": "recalibrate", "begin": True, "channels": ["p-temp"], "since_ns": 2**62}
    assert ask(path_of(plot), words)["done"]


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b"1e999\n",
        b"{\n",
        b"\xff\xfe\n",
        b'{"verb": ["status"]}\n',
        b'{"verb": "answer"}\n',
        b'{"verb": "__init__"}\n',
        b'{"verb": "status", "more": 1}\n',
        b'{"verb": "' + b"x" * 100_000 + b'"}\n',
        b'{"verb": "release", "note": ' + b"[" * 1000 + b"]" * 1000 + b"}\n",
        b'{"verb": "apply", "who": "w", "rows": ['
        + b'{"fact":' * 500
        + b"1"
        + b"}" * 500
        + b"]}\n",
        b"[" * 100_000 + b"\n",
        b'{"verb": "evidence", "name": "a", "sha256": "b", "who": "c", "data": "?"}\n',
        b'{"verb": "sink", "do": "resend"}\n',
        b'{"verb": "alert", "do": "ack", "number": 1e999}\n',
        b'{"verb": "hear", "bus": "x", "seconds": 1e300}\n',
        b'{"verb": "say", "bus": "x", "data": "abc"}\n',
    ],
)
def test_what_is_no_request_gets_one_line_that_says_what_was_expected(plot, data):
    answer = answered(path_of(plot), data)
    assert answer["ok"] is False
    assert answer["error"].startswith("expected")
    assert len(answer["error"]) < 600
    assert ask(path_of(plot), {"verb": "status"})["failed_requests"] == 0


def test_a_verb_that_fails_in_the_program_is_answered_and_counted(tmp_path, monkeypatch, caplog):
    station = station_in(tmp_path)
    with running(station.file) as service:
        broken = {"verb": "rebuild"}

        def fails():
            raise OverflowError("too large")

        monkeypatch.setattr(service.series, "heads", fails)
        with pytest.raises(DaemonRefuses, match="error of this program.*too large"):
            ask(path_of(station), broken)
        monkeypatch.undo()
        assert call_json(station, "status", codes=(0, 1))["failed_requests"] == 1


# -- slow and silent peers -----------------------------------------------------------------


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A socket whose one verb gives a large answer, with little patience."""
    monkeypatch.setattr("edaphon.service.socket.REQUEST_WITHIN_S", 1.0)
    monkeypatch.setattr(Connections.__init__, "__defaults__", (8, 1.0))
    path = tmp_path / "control.sock"
    large = "x" * 10_000_000

    def answer(request):
        return {"got": large if request.get("large") else "small"}

    server = ControlServer(path, answer)
    yield path
    server.stop()


def test_two_hundred_silent_connections_keep_nobody_out(served):
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connected(served))
        begun = time.monotonic()
        assert ask(served, {}) == {"got": "small"}
        assert time.monotonic() - begun < 10


def test_peers_that_do_not_take_a_large_answer_keep_nobody_out(served):
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connected(served)).sendall(b'{"large": 1}\n')
        time.sleep(0.2)
        until(lambda: tried(served), 20)


def tried(path: Path) -> bool:
    try:
        return ask(path, {}) == {"got": "small"}
    except DaemonRefuses as busy:
        assert "ask again" in str(busy)  # noqa: PT017
        return False


def test_a_request_of_one_byte_a_moment_ends_with_what_was_expected(served):
    stop = threading.Event()
    with connected(served) as connection:

        def trickle():
            while not stop.wait(0.1):
                try:
                    connection.sendall(b"[")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        with connection.makefile("rb") as answers:
            line = answers.readline()
        stop.set()
        thread.join()
    assert "expected one line of JSON within 1 s" in orjson.loads(line)["error"]


def test_a_request_without_end_is_refused_by_its_size(served):
    with connected(served) as connection:
        try:
            for _ in range(200):
                connection.sendall(b"[" * 65_536)
        except OSError:  # it is closed
            pass
        with connection.makefile("rb") as answers:
            line = answers.readline()
    assert "at most 8000000 bytes" in orjson.loads(line)["error"]


def test_many_large_requests_at_once_share_a_bound(served):
    with ExitStack() as stack:
        opened = [stack.enter_context(connected(served)) for _ in range(4)]
        for connection in opened:
            with suppress(BrokenPipeError):  # refused on the way
                connection.sendall(b"[" * 7_000_000)
        errors = []
        for connection in opened:
            with connection.makefile("rb") as answers:
                errors.append(orjson.loads(answers.readline())["error"])
    assert any("one large request at a time" in error for error in errors)


def test_an_answer_has_a_bounded_number_of_values(tmp_path, monkeypatch):
    series = Series(tmp_path / "series.sqlite")
    series.merge([run(0, 5000, 0)], {"d0": "{}", "d1": "{}"})
    last_ns = 4999 * MINUTE_NS
    assert sum(map(len, runs_within(series, "a", 0, last_ns))) == 4999
    assert sum(map(len, runs_within(series, "a", last_ns, last_ns + 1))) == 1
    monkeypatch.setattr(requests, "MOST_ROWS", 4000)
    with pytest.raises(DaemonRefuses, match="at most 4000 values"):
        runs_within(series, "a", 0, last_ns)
    series.close()
