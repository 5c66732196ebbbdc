"""Servers repeat our secrets in every spelling and at every cut: no run of one shows."""

import base64
import html
import json
import logging
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import quote, quote_plus, unquote

import pytest
from tests.daemon.alerts.receivers.samples import CONTEXT, message, receiver, secret
from tests.daemon.alerts.receivers.servers import Asked, FakeServer, fake_server

from edaphon.alerts.heartbeat import Beat, Pulse, Url
from edaphon.alerts.model import SendLater, SendRefused
from edaphon.config import Broker
from edaphon.network.requests import RUN, Secrets, Wire, basic
from edaphon.sinks import influxdb
from edaphon.sinks.sink import Later as SinkLater
from edaphon.sinks.sink import Never
from edaphon_drivers.faults import NoAnswer as Fault

WORD = 'Xk7&Qz"pW+%66v/R2m=Gt<8Lb Nh\\Ys'
Spelling = Callable[[str], str]
SPELLINGS: dict[str, Spelling] = {
    "as it is": str,
    "quoted": lambda text: quote(text, safe=""),
    "quoted in small letters": lambda text: quote(text, safe="").lower(),
    "quoted as a form": quote_plus,
    "quoted twice": lambda text: quote(quote(text, safe=""), safe=""),
    "every letter quoted": lambda text: "".join(f"%{b:02X}" for b in text.encode()),
    "unquoted": unquote,
    "HTML": html.escape,
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "HTML by number": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "JSON": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON by number": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "large letters": str.upper,
    "PLAIN": lambda text: base64.b64encode(f"\0me\0{text}".encode()).decode(),
    "PLAIN of another length": lambda text: base64.b64encode(f"\0you\0{text}".encode()).decode(),
    "LOGIN": lambda text: base64.b64encode(text.encode()).decode(),
    "Basic": lambda text: basic("plots", text),
    "URL-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "its middle": lambda text: text[4:-4],
    "its end": lambda text: text[-9:],
    "broken into lines": lambda text: text.replace(" ", "\r\n"),
}
AHEAD = {"PLAIN": 8, "PLAIN of another length": 8, "Basic": 16}  # the user's name
CUTS = range(160, 206)


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("text", [WORD, "kürzlich-Öl-geheim", "plain0Secret1word2"])
def test_no_spelling_of_a_secret_shows_at_any_cut(name: str, text: str) -> None:
    spelled = SPELLINGS[name](text)
    pad = AHEAD.get(name, 0)
    runs = [spelled[at : at + RUN] for at in range(pad, len(spelled) - RUN - 3)]
    hide = Secrets(text)
    for ahead in CUTS:
        found = hide.excerpt(f"{'y' * ahead} {spelled} no", 200)
        assert len(found) <= 200
        assert not [run for run in runs if "%" not in run and "&" not in run and run in found]
    whole = hide.hide(f"bad {spelled} no")
    assert whole.startswith("bad ")
    assert whole.endswith(" no")
    assert len(whole.replace("***", "")) < len("bad   no") + pad + 12


def test_other_words_stay_as_they_are() -> None:
    words = "no such device &amp; 100%25 of \\n it: Größe + 3  blanks %zz &#xffffffff;"
    assert Secrets(WORD, "", "ab").hide(words) == words


def test_a_short_secret_is_hidden_as_a_whole() -> None:
    assert Secrets("1234").hide('AT+CPIN="1234" 123') == 'AT+CPIN="***" 123'


def test_secrets_show_themselves_in_no_representation() -> None:
    assert WORD[:RUN] not in repr(Secrets(WORD))


PARTS = ["SECRETaaaa", "SECRET%62bbb", "SECRETcccc"]
ECHOES: dict[str, Callable[[Asked], str]] = {
    "path without query": lambda asked: asked.path.split("?")[0],
    "HTML": lambda asked: html.escape(asked.path),
    "one segment": lambda asked: asked.path.split("/")[1],
    "one query value": lambda asked: asked.path.split("=")[1].split("&")[0],
    "unquoted": lambda asked: unquote(asked.path),
    "last word of a header": lambda asked: asked.headers.get("x-key", "").split(" ")[-1],
    "log-in": lambda asked: asked.headers.get("authorization", ""),
    "all of it": lambda asked: json.dumps([asked.path, asked.headers]),
}


@contextmanager
def echoing(echo: Callable[[Asked], str], status: int, ahead: int = 0) -> Iterator[FakeServer]:
    def answers(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return status, {}, f"{'y' * ahead} {echo(asked)}".encode()

    with fake_server(answers) as server:
        yield server


def assert_clean(text: str) -> None:
    low = text.casefold()
    assert not [
        part for part in ("SECRET", "bbbb", "aaaa", "cccc", "dddd") if part.casefold() in low
    ]


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize("ahead", [0, 187])
def test_a_web_server_that_repeats_a_part_shows_nothing(
    name: str, status: int, ahead: int, tmp_path: Path
) -> None:
    with echoing(ECHOES[name], status, ahead) as server:
        made = receiver(
            "webhook",
            url=secret(tmp_path, f"{server.url}/{PARTS[0]}/{PARTS[1]}?x={PARTS[2]}&y=2", "url"),
            headers={"X-Key": secret(tmp_path, "Key SECRETdddd", "key")},
            token=secret(tmp_path, "SECRETaaaadddd", "token"),
            body="{title}",
        )
        with pytest.raises((SendLater, SendRefused)) as caught:
            made.send(message())
    assert str(status) in str(caught.value)
    assert_clean(f"{caught.value} {caught.value!r} {vars(caught.value)}")


@pytest.mark.parametrize("template", ["telegram", "healthchecks"])
def test_an_answer_of_a_service_that_repeats_a_part_shows_nothing(
    template: str, tmp_path: Path
) -> None:
    says = {
        "telegram": lambda asked: json.dumps({"ok": False, "description": unquote(asked.path)}),
        "healthchecks": lambda asked: f"OK ({asked.path})",
    }

    def answers(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, says[template](asked).encode()

    with fake_server(answers) as server:
        own: dict[str, Any] = {"url": secret(tmp_path, f"{server.url}/SECRETaaaa", "url")}
        if template == "telegram":
            own |= {"token": secret(tmp_path, "123:SECRETbbbb", "token"), "chat": "1"}
        with pytest.raises((SendLater, SendRefused)) as caught:
            receiver("webhook", template=template, **own).send(message())
    assert_clean(str(caught.value))


@pytest.mark.parametrize("name", ["path without query", "HTML", "one segment", "unquoted"])
def test_a_monitor_that_repeats_a_part_shows_nothing(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with echoing(ECHOES[name], 404) as server, caplog.at_level(logging.DEBUG):
        url = f"{server.url}/{PARTS[0]}/{PARTS[1]}?x={PARTS[2]}&y=2"
        pulse = Pulse("heartbeat", lambda: Url(url))
        stop = Event()
        thread = Thread(target=pulse.run, args=(stop,), daemon=True)
        thread.start()
        pulse.offer(Beat(1, "l", "s", {}, 0, 0))
        while not pulse.problem and thread.is_alive():
            stop.wait(0.01)
        stop.set()
        pulse.wake()
        thread.join(5)
    assert "404" in pulse.problem
    assert_clean(pulse.problem + caplog.text)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_database_server_that_repeats_a_part_shows_nothing(
    version: int, status: int, tmp_path: Path
) -> None:
    def echo(asked: Asked) -> str:
        came = asked.headers["authorization"]
        if version == 1:
            came += base64.b64decode(came.split()[1]).decode()
        return f"{came} {came[-9:]} {html.escape(came)} {quote(came)}"

    for ahead in (0, *range(270, 306, 5)):
        with echoing(echo, status, ahead) as server:
            sink = influxdb.open_sink(
                influxdb.InfluxSettings.model_validate(
                    {"url": server.url, "version": version, "database": "d", "bucket": "b"}
                    | {"org": "o", "username": "me" if version == 1 else ""}
                    | {"token": secret(tmp_path, "SECRETaaaa/bbbb&cccc==")}
                ),
                {},
            )
            with pytest.raises((SinkLater, Never)) as caught:
                sink.write_lines(b"m v=1 1\n")
            sink.close()
        words = getattr(caught.value, "words", "")
        assert_clean(f"{caught.value} {caught.value!r} {words}")


def test_a_broken_status_line_is_hidden_before_it_is_cut() -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.wfile.write(b"y" * 189 + b" SECRETaaaabbbb\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        wire = Wire(f"http://127.0.0.1:{server.server_address[1]}", secrets=["SECRETaaaabbbb"])
        with pytest.raises(Exception, match="broke") as caught:
            wire.post("/", {}, b"")
        wire.close()
    assert_clean(str(caught.value))


@contextmanager
def mail_server(at: str, words: str) -> Iterator[int]:
    """Repeats `words` as it refuses a log-in, an address or the mail."""
    refusal = {"AUTH": "535", "RCPT": "550", "LATER": "450", "DATA": "554", "MAIL": "501"}[at]

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 x ESMTP\r\n")
            for line in self.rfile:
                verb = line[:4].upper().decode()
                answer = {"EHLO": "250-x\r\n250 AUTH PLAIN LOGIN", "AUTH": "235 ok"}.get(verb)
                if verb == at or (at == "LATER" and verb == "RCPT"):
                    answer = f"{refusal} {words}"
                self.wfile.write(f"{answer or '250 ok'}\r\n".encode())
                if verb == "QUIT":
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("at", ["AUTH", "RCPT", "LATER", "DATA", "MAIL"])
@pytest.mark.parametrize("name", ["as it is", "PLAIN", "LOGIN", "HTML", "quoted"])
def test_a_mail_server_that_repeats_the_password_shows_nothing(
    at: str, name: str, tmp_path: Path
) -> None:
    own_word = "SECRETaaaa-bbbb&cccc"
    spelled = SPELLINGS[name](own_word)
    for ahead in (0, 150, *range(185, 201, 3)):
        with mail_server(at, f"{'y' * ahead} {spelled}") as port:
            own = {"host": "127.0.0.1", "port": port, "security": "none", "username": "me"}
            own |= {"from": "a@example.org", "to": ["b@example.org"]}
            with pytest.raises((SendLater, SendRefused)) as caught:
                receiver("email", password=secret(tmp_path, own_word), **own).send(message())
        text = f"{caught.value} {caught.value!r} {vars(caught.value)}"
        assert_clean(text)
        pad = AHEAD.get(name, 0)
        runs = [spelled[n : n + RUN] for n in range(pad, len(spelled) - RUN - 3)]
        assert not [run for run in runs if run in text]


@pytest.mark.parametrize("name", ["as it is", "quoted", "HTML", "its middle", "LOGIN"])
def test_no_receiver_shows_what_a_library_or_modem_repeats(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spelled = SPELLINGS[name]

    def lost(own: Any) -> None:
        raise OSError(f"{'y' * 189} {spelled('SECRETaaaa&bbbb')}")

    def refused(*_: object) -> None:
        raise Fault("OK", spelled("12345678"), "modem")

    address = "json://user:SECRETaaaa@example.org/SECRETbbbb?x=SECRETcccc"
    answer = {"did": "failed", "words": f"{'y' * 150} {spelled(address)}"}
    monkeypatch.setattr("edaphon.alerts.receivers.mqtt._Attempt._talk", lost)
    monkeypatch.setattr("edaphon.alerts.receivers.apprise._asked", lambda _: answer)
    monkeypatch.setattr("edaphon.alerts.receivers.sms._play", refused)
    monkeypatch.setattr("edaphon_drivers.links.serial.SerialLink", MagicMock())
    broker: dict[str, Any] = {"host": "127.0.0.1", "username": "u", "topics": ["t"]}
    broker |= {"password": secret(tmp_path, "SECRETaaaa&bbbb", "broker")}
    context = replace(CONTEXT, brokers={"b": Broker.model_validate(broker)})
    made = [
        receiver("mqtt", context, broker="b", topic="t"),
        receiver("apprise", address=secret(tmp_path, address, "address")),
        receiver("sms", port="/dev/x", to=["+491711234567"], pin=secret(tmp_path, "12345678")),
    ]
    for one in made:
        with pytest.raises((SendLater, SendRefused)) as caught:
            one.send(message())
        assert_clean(str(caught.value))
        assert "34567" not in str(caught.value).replace("+491711234567", "")


def test_hexadecimal_digits_of_a_secret_are_hidden_and_others_stay() -> None:
    hide, whole = Secrets(WORD).hide, WORD.encode().hex()
    runs = [WORD[at : at + RUN].encode().hex() for at in range(len(WORD) - RUN + 1)]
    for text in (whole, whole.upper(), f"at {WORD[3:12].encode().hex()}"):
        shown = hide(text)
        assert "***" in shown
        assert not [run for run in runs if run in shown.lower()]
    assert hide("0123456789abcdef 2026-11-30") == "0123456789abcdef 2026-11-30"
