"""Two sockets: what the page's process may ask, and who may use which."""

import os
import stat
from pathlib import Path

import pytest
from tests.daemon.commands.test_cal_preview import station_in

import edaphon
from edaphon.acquire.line_tools import VERBS
from edaphon.service.process import running
from edaphon.service.requests import _VERBS, ANSWERS
from edaphon.service.socket import PAGE_VERBS, ControlServer, page_socket, page_verbs_only
from edaphon.storage.client import DaemonRefuses, ask

EVERY = sorted({*_VERBS, *ANSWERS, *VERBS})


@pytest.fixture(scope="module")
def plot(tmp_path_factory):
    station = station_in(tmp_path_factory.mktemp("plot"))
    with running(station.file):
        yield station


def test_every_verb_of_the_daemon_is_tried_below():
    assert set(_VERBS) == {name for name in EVERY if not name.startswith("_")}
    assert {"apply", "evidence", "say", "readdress", "recalibrate", "status"} <= set(EVERY)


@pytest.mark.parametrize("verb", EVERY)
def test_the_pages_socket_answers_the_verbs_that_read_and_refuses_all_others(plot, verb):
    asked = {"verb": verb, "channel": "p-temp", "start_ns": 0, "end_ns": 1}
    if verb == "status":
        assert ask(plot.storage / "page.sock", {"verb": "status"})["site"]
    elif verb == "series":
        assert ask(plot.storage / "page.sock", asked)["time_ns"] == []
    else:
        with pytest.raises(DaemonRefuses, match="expected a verb of the page"):
            ask(plot.storage / "page.sock", asked)


@pytest.mark.parametrize("request_", [[], "status", None, {}, {"verb": ["status"]}, {"verb": None}])
def test_what_is_no_request_never_reaches_the_daemon_by_the_pages_socket(request_):
    with pytest.raises(DaemonRefuses, match="expected a verb of the page"):
        page_verbs_only(lambda _: {"reached": True})(request_)


def test_the_page_needs_no_other_verb():
    text = (Path(edaphon.__file__).parent / "web" / "view.py").read_text("utf-8")
    asked = {words.split('"')[0] for words in text.split('"verb": "')[1:]}
    assert asked == PAGE_VERBS


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_a_socket_is_for_its_owner_and_group_whatever_the_umask(tmp_path, umask):
    old = os.umask(umask)
    try:
        server = ControlServer(tmp_path / "s", dict)
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o660
        assert os.umask(umask) == umask  # as it was, for the threads that make files meanwhile
        server.stop()
    finally:
        os.umask(old)


def test_the_service_has_the_pages_socket_where_the_pages_account_may_go(tmp_path, monkeypatch):
    own = Path("/etc/edaphon/edaphon.toml")
    assert page_socket(tmp_path / "edaphon.toml", tmp_path) == tmp_path / "page.sock"
    monkeypatch.setattr("edaphon.service.socket.PAGE_FOLDER", tmp_path / "run")
    assert page_socket(own, tmp_path) == tmp_path / "page.sock"  # started by hand, without systemd
    (tmp_path / "run").mkdir()
    assert page_socket(own, tmp_path) == tmp_path / "run" / "page.sock"
    copy = tmp_path / "credentials" / "edaphon.toml"
    assert page_socket(copy, tmp_path) == tmp_path / "page.sock"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(copy.parent))
    assert page_socket(copy, tmp_path) == tmp_path / "run" / "page.sock"
