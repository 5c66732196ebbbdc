"""The real server: hosts, methods, headers, files, and names that attack."""

import asyncio
import gzip
import html
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from tests.daemon.web.hostile import PAYLOADS, HostileRecorder
from tests.daemon.web.plot import answer, incident, status
from tests.daemon.web.served import sample_view, served
from tests.programs import ROOT, free_port, listens, wait_until

from edaphon.web import ControlView, make_app


@pytest.fixture(scope="module")
def port():
    with served(sample_view()) as port:
        yield port


def ask(port, method="GET", path="/", host="localhost", **more):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host, **more})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def first_line(port, request):
    """The status line of the answer to raw bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(4096).split(b"\r\n")[0]


def test_the_page_is_served_with_strict_headers_and_no_cookie(port):
    code, headers, body = ask(port)
    assert code == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'self'; object-src 'none'")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Set-Cookie"] is None
    assert headers["Server"] is None
    assert "Waldhof, spruce" in body.decode()


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8040", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8040"],
)
def test_loopback_names_are_answered(port, host):
    assert ask(port, host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "localhost:80:80",
        "localhost:x",
        "user@localhost",
        "127.0.0.1.",
        "::1",
        "10.0.0.7",
        "",
        "[]",
    ],
)
def test_other_hosts_are_misdirected(port, host):
    code, headers, body = ask(port, host=host)
    assert code == 421
    assert b"Waldhof" not in body
    assert headers["Content-Security-Policy"] is not None


def test_a_request_without_a_host_or_with_two_gets_no_page(port):
    assert b" 421 " in first_line(port, b"GET / HTTP/1.0\r\n\r\n")
    two = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert re.search(rb" 4\d\d ", first_line(port, two))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/page.css", "/nowhere"])
def test_nothing_but_reading_is_allowed(port, method, path):
    code, headers, _ = ask(port, method, path)
    assert code == 405
    assert headers["Allow"] == "GET, HEAD"


def test_the_page_travels_compressed_where_the_browser_likes_it(port):
    _, headers, small = ask(port, **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    whole = ask(port)[2]
    assert gzip.decompress(small) == whole
    assert len(small) < len(whole) / 4


def test_head_gives_the_headers_alone(port):
    code, headers, body = ask(port, "HEAD")
    assert (code, body) == (200, b"")
    assert int(headers["Content-Length"]) > 10_000


@pytest.mark.parametrize(
    ("name", "media_type", "most"),
    [
        ("page.css", "text/css", 6500),
        ("page.js", "text/javascript", 1023),
        ("icon.svg", "image/svg+xml", 500),
    ],
)
def test_the_files_of_the_page_are_small_and_served_by_name(port, name, media_type, most):
    code, headers, body = ask(port, path=f"/{name}")
    assert code == 200
    assert headers["Content-Type"].startswith(media_type)
    assert 0 < len(body) <= most


@pytest.mark.parametrize(
    "path",
    ["/page.html", "/../app.py", "/%2e%2e/app.py", "/files/page.css", "/docs", "/openapi.json"],
)
def test_nothing_else_is_served(port, path):
    code, headers, _ = ask(port, path=path)
    assert code == 404
    assert headers["Content-Security-Policy"] is not None


@pytest.mark.parametrize(
    ("host", "code"), [(b"logger.lan:8040", 200), (b"[fd00::7]", 200), (b"other.lan", 421)]
)
def test_the_configured_hosts_are_answered_beside_the_loopback(host, code):
    app = make_app(sample_view(), ["Logger.LAN", "fd00::7"])
    scope = {"type": "http", "method": "GET", "path": "/icon.svg", "headers": [(b"host", host)]}
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == code


def test_a_silent_recorder_still_gives_a_page():
    def nobody(question):
        raise ConnectionRefusedError("no <b>socket</b>")

    with served(ControlView(nobody)) as port:
        code, _, body = ask(port)
    assert code == 200
    assert b"The recorder does not answer since" in body
    assert b"systemctl status edaphon" in body
    assert b"no &lt;b&gt;socket&lt;/b&gt;" in body


def test_a_silent_recorder_is_the_first_thing_on_the_page_before_old_incidents():
    answers = [True]

    def recorder(question):
        if not answers:
            raise ConnectionRefusedError("no socket")
        found = answer(question)
        return {**found, "incidents": [incident()]} if question["verb"] == "status" else found

    with served(ControlView(recorder)) as port:
        before = ask(port)[2]
        answers.clear()
        after = ask(port)[2]
    assert 0 < before.index(b'id="incidents"') < before.index(b"Source sdi12/c has been silent")
    assert 0 < after.index(b"The recorder does not answer") < after.index(b'id="incidents"')
    assert after.count(b"The recorder does not answer") == 1


def test_an_incident_shows_once_how_to_acknowledge_it():
    """The text of the message has the line; the page adds it only where a text lacks it."""
    line = 'edaphon alert ack 17 --why "..."'
    for text in (
        "Plug it in.\n",
        f"Plug it in.\n\nAcknowledge, so that it is not repeated:  {line}\n",
    ):

        def recorder(question, text=text):
            found = answer(question)
            changed = {**found, "incidents": [incident(text=text)]}
            return changed if question["verb"] == "status" else found

        with served(ControlView(recorder)) as port:
            shown = html.unescape(ask(port)[2].decode())
        assert shown.count("edaphon alert ack 17") == 1


def test_the_page_is_a_process_of_its_own_that_ends_when_told():
    port = free_port()
    page = subprocess.Popen([sys.executable, "-m", "tests.daemon.web.plot", str(port)], cwd=ROOT)
    try:
        wait_until(lambda: listens(port), "the page's process")
        assert ask(port)[0] == 200
        page.send_signal(signal.SIGTERM)
        assert page.wait(20) in {0, -signal.SIGTERM}
    finally:
        page.kill()
        page.wait()


class Shape(HTMLParser):
    """Tags, attributes and texts of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attr) for attr in attrs]

    def handle_data(self, data):
        self.texts.append(data)


def shape(body):
    parser = Shape()
    parser.feed(body.decode())
    return parser


@pytest.fixture(scope="module")
def hostile_page():
    """Asks for the page of a recorder whose every name is the given text."""
    recorder = HostileRecorder()
    with served(ControlView(recorder.answer)) as port:

        def page(payload):
            recorder.payload = payload
            return ask(port)

        yield page


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda p: ascii(p[:24]))
def test_a_hostile_name_adds_no_tag_and_no_attribute(payload, hostile_page):
    harmless = shape(hostile_page("harmless")[2])
    code, headers, body = hostile_page(payload)
    found = shape(body)
    assert code == 200
    assert found.tags == harmless.tags
    assert found.tags.count("script") == 1
    assert [a[:2] for a in found.attributes] == [a[:2] for a in harmless.attributes]
    assert not set(body) & {*range(9), *range(14, 32)}
    assert headers["Set-Cookie"] is None


def test_a_hostile_name_is_shown_as_it_is_at_every_place(hostile_page):
    name = "<img src=x onerror=alert(3)>"
    texts = shape(hostile_page(name)[2]).texts
    assert len([t for t in texts if name.lower() in t.lower()]) >= 25


def test_the_corpus_holds_forty_different_texts():
    assert len(set(PAYLOADS)) == 40


def test_the_sample_is_what_a_socket_can_carry():
    assert json.loads(json.dumps(status())) == status()
