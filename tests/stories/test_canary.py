"""A secret in each place where one may stand: none of it is found in anything that comes out.

The servers repeat what they were sent in their errors, and hostile files point at what they may
not: links, codecs, evidence and a folder that is followed.
"""

import base64
import hashlib
import logging
import os
import socketserver
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from tests.daemon.alerts.receivers.servers import Asked, FakeServer, fake_server
from tests.daemon.commands.calling import call, call_plain, until
from tests.daemon.web.served import served
from tests.own_sheets import OWN_SHEETS
from tests.simulated_files import SimulatedLogger
from tests.stories.station import Station

from edaphon.journal import read_only
from edaphon.service.process import running
from edaphon.storage.client import ask
from edaphon.web import ControlView

RUN = 6  # characters of a secret in a row that show it
NAMES = (
    "broker_password",
    "broker_password_env",
    "influx2_token",
    "influx1_password",
    "slack_path",
    "webhook_header",
    "webhook_token",
    "mail_password",
    "apprise_address",
    "sim_pin_file",
    "heartbeat_path",
    "private_key",
    "shadow",
    "codec_target",
    "evidence_target",
    "inbox_target",
    "folder_target",
)


def word(name: str) -> str:
    """24 characters that are in no other secret and in no text of ours."""
    digest = hashlib.sha256(f"canary {name}".encode()).digest()
    return "".join("Q7xZk2WvJ9pLm4RtY8cNh5BdGs3FwXq6"[byte % 32] for byte in digest[:24])


SECRETS = {name: word(name) for name in NAMES}


class Places:
    """The folder of the secrets and of the hostile files."""

    def __init__(self, folder: Path) -> None:
        self.secrets, self.data = folder / "secrets", folder / "data"
        for made in (self.secrets, self.data, folder / "others", folder / "facts"):
            made.mkdir()
        self.folder, self.others = folder, folder / "others"

    def secret(self, name: str, text: str = "") -> str:
        """The table of a secret in a file; `{}` in `text` is where it stands."""
        return f'{{ file = "{self.file(name, text)}" }}'

    def file(self, name: str, text: str = "") -> Path:
        path = self.secrets / name
        path.write_text((text or "{}").replace("{}", SECRETS[name]) + "\n")
        path.chmod(0o600)
        return path


def echo(asked: Asked) -> str:
    """All that a request says, in the spellings in which servers and proxies repeat it."""
    came = f"{asked.path} {asked.headers} {asked.body.decode('latin-1')}"
    login = asked.headers.get("authorization", "").partition(" ")[2]
    with suppress(ValueError):
        came += base64.b64decode(login).decode("latin-1")
    return f"refused: {came} {unquote(came)} {quote(came)} {login[-9:]} {came.encode().hex()}"


def failing(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    status = 400 if "/write" in asked.path else 503
    return status, {"X-Repeat": asked.headers.get("authorization", "")}, echo(asked).encode()


@contextmanager
def repeating_broker() -> Iterator[int]:
    """Answers a CONNECT, in which the password stands, with the same bytes."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.request.recv(4096))

    yield from _served(Handler)


@contextmanager
def repeating_mail_server() -> Iterator[int]:
    """Refuses a log-in with its own words."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 x ESMTP\r\n")
            for line in self.rfile:
                answer = {b"EHLO": b"250 AUTH PLAIN LOGIN", b"QUIT": b"221 bye"}.get(line[:4])
                self.wfile.write((answer or b"535 no: " + line.strip()) + b"\r\n")

    yield from _served(Handler)


def _served(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def outward(places: Places, server: FakeServer, broker: int, mail: int) -> Iterator[str]:
    """Brokers, sinks, receivers and the sign of life, each with its own secret."""
    for name, secret in (
        ("home", places.secret("broker_password")),
        ("env", '{ env = "EDAPHON_CANARY" }'),
    ):
        yield (
            f'[broker.{name}]\nhost = "127.0.0.1"\nport = {broker}\nusername = "u"\n'
            f'password = {secret}\ntopics = ["plot/#"]\n'
        )
    influx = f'[[sink]]\nname = "{{}}"\nkind = "influxdb"\nurl = "{server.url}"\n'
    yield influx.format("i2") + (
        f'bucket = "b"\norg = "o"\ntoken = {places.secret("influx2_token")}\n'
    )
    yield influx.format("i1") + (
        'version = 1\ndatabase = "d"\nusername = "me"\n'
        f"token = {places.secret('influx1_password')}\n"
    )
    hook = '[[notify]]\nname = "{}"\nkind = "webhook"\n'
    yield hook.format("slack") + (
        f'template = "slack"\nurl = {places.secret("slack_path", server.url + "/T0/{}/x")}\n'
    )
    yield hook.format("own") + (
        f'url = "{server.url}/own"\nbody = "{{title}}"\n'
        f"token = {places.secret('webhook_token')}\n"
        f"headers = {{ X-Key = {places.secret('webhook_header', 'Key {}')} }}\n"
    )
    yield (
        '[[notify]]\nname = "mail"\nkind = "email"\nhost = "127.0.0.1"\nsecurity = "none"\n'
        f'port = {mail}\nusername = "me"\npassword = {places.secret("mail_password")}\n'
        'from = "a@example.org"\nto = ["b@example.org"]\n'
    )
    yield (
        '[[notify]]\nname = "any"\nkind = "apprise"\n'
        f"address = {places.secret('apprise_address', 'json://u:{}@127.0.0.1:1/x')}\n"
    )
    yield (
        '[[notify]]\nname = "sms"\nkind = "sms"\nport = "/dev/no-modem"\nto = ["+491711234567"]\n'
        f"pin = {places.secret('sim_pin_file')}\n"
    )
    url = places.secret("heartbeat_path", server.url + "/ping/{}?key={}")
    yield f'[alerts]\nheartbeat_url = {url}\nheartbeat_every = "1s"\n'


def hostile(places: Places) -> Iterator[str]:
    """Sources whose files lead to secrets that nobody named as such."""
    key = f"-----BEGIN PRIVATE KEY-----\n{SECRETS['private_key']}\n-----END PRIVATE KEY-----\n"
    (places.secrets / "key.pem").write_text(key)
    yield (
        '[broker.tls]\nhost = "127.0.0.1"\ntls = true\ntopics = ["#"]\nenvelope = "chirpstack-v4"\n'
        f'ca_file = "{places.secrets}/key.pem"\n'
    )
    link = places.data / "link.js"
    link.symlink_to(places.file("codec_target"))
    shadow = places.file("shadow")
    for at, codec in enumerate((shadow, link)):
        yield (
            f'[[source]]\nbroker = "tls"\ndev_eui = "A84041B2C1D5E6F{at}"\ncodec_file = "{codec}"\n'
            '[[source.field]]\nname = "t"\npath = "t"\nquantity = "soil_temperature"\n'
            'unit = "degC"\n'
        )
    (places.others / "a.dat").write_text(f"{SECRETS['folder_target']},1\n" * 4)
    (places.data / "below").symlink_to(places.others)
    (places.data / "a.dat").symlink_to(shadow)
    for at, pattern in enumerate((f"{places.data}/*.dat", f"{places.data}/*/*.dat")):
        yield (
            f'[[source]]\nname = "f{at}"\nfile = "{pattern}"\nmodel = "campbell.toa5"\n'
            'settings = { utc_offset = "+00:00", interval_s = 1800 }\n'
        )
    inbox = places.folder / "facts"
    (inbox / "evil.toml").symlink_to(places.file("inbox_target", "root = {} {}"))
    (inbox / "cal.pdf").symlink_to(places.file("evidence_target"))
    (inbox / "hidden.toml").write_text(
        '[[calibration]]\nid = "k"\nchannel = "t"\ncurve = "linear"\n'
        'parameters = { c0 = 0, c1 = 1 }\nwho = "me"\nhow = "lab"\nfrom = "2026-01-01T00:00:00Z"\n'
        'evidence = { "cal.pdf" = "?" }\n'
    )


def spellings(secret: str) -> Iterator[tuple[str, int]]:
    """How it may be spelled, and how many characters of that show it."""
    yield secret, RUN
    yield secret.encode().hex(), 2 * RUN  # fewer are in any list of digests
    for ahead in range(3):
        coded = base64.b64encode(b"x" * ahead + secret.encode()).decode()
        yield coded[(0, 2, 3)[ahead] : len(coded) - 4], RUN


RUNS = {
    spelled[at : at + run].casefold(): name
    for name, secret in SECRETS.items()
    for spelled, run in spellings(secret)
    for at in range(len(spelled) - run + 1)
}


def shown(data: bytes | str) -> set[str]:
    """The names of the secrets of which a run stands in something that came out."""
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    found = set[str]()
    for one in (text, unquote(text)):
        low = one.casefold()
        parts = (low[at : at + run] for run in (RUN, 2 * RUN) for at in range(len(low)))
        found |= {RUNS[part] for part in parts if part in RUNS}
    return found


def test_the_search_finds_a_secret_however_it_is_spelled() -> None:
    for name, secret in SECRETS.items():
        login = base64.b64encode(f"user:{secret}".encode())
        spelled = (
            secret,
            secret[3:9],
            login,
            quote(secret),
            "".join(f"%{ord(c):02x}" for c in secret),
        )
        for one in spelled:
            assert shown(one) == {name}, one
    assert shown("Nothing of them, in any text of some length; AT+CPIN, 0123456789 abcdef") == set()


def stored(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder that holds anything."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (data := path.read_bytes()).strip(b"\0"):  # not the reserve
            yield str(path.relative_to(folder)), data


def journalled(station: Station) -> Iterator[tuple[str, bytes]]:
    for place, entry in read_only(station.storage / "journal").scan():
        yield f"entry {place}", entry.payload


def followed(places: Places) -> Iterator[str]:
    """A logger's file with a number, so that the sinks have something to refuse."""
    good = places.folder / "good"
    good.mkdir()
    begin = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(days=9)
    fields = [("T_5_Avg", "Deg C", "Avg")]
    logger = SimulatedLogger(good / "cr1000.dat", fields, begin, timedelta(minutes=30))
    for celsius in (4.25, 5.5, 6.75):
        logger.step([celsius])
    os.link(places.secrets / "influx2_token", good / "linked.dat")  # after `outward` wrote it
    yield OWN_SHEETS
    yield (
        f'[[source]]\nname = "cr1000"\nfile = "{good}/*.dat"\nmodel = "plot.cr1000"\n'
        'settings = { utc_offset = "+00:00", interval_s = 1800 }\n'
    )


FACTS = (
    '[[channel]]\nid = "t"\nquantity = "soil_temperature"\nunit = "degC"\nreplicate = 1\n'
    '[[deployment]]\nid = "d"\nchannel = "t"\nsource = "file/cr1000"\n'
    'output = "soil_temperature"\n'
)
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("status", "--json"),
    ("alert", "list", "--json"),
    *(("alert", "test", name) for name in ("slack", "own", "mail", "any", "sms")),
    ("alert", "rehearse", "sink-away"),
    ("sink", "list", "--json"),
    ("files", "list", "--json"),
    ("verify",),
    ("query", "t"),
    ("explain", "t"),
    ("cal", "list"),
    ("cal", "show", "k"),
    ("visit", "list"),
    ("decode", "--source", "tls/a84041b2c1d5e6f0", "--payload", "00"),
    ("decode", "--source", "tls/a84041b2c1d5e6f1", "--payload", "00"),
    ("apply", "--dry-run"),
    ("release", "r1"),
    ("release",),
    ("query", "t", "--release", "r1"),
    ("salvage",),
    ("scan",),
)
ANY_CODE = tuple(range(256))


def printed(station: Station) -> Iterator[tuple[str, str]]:
    """What every command says, and the page."""
    for words in (("check",), ("check", "--json")):
        yield " ".join(words), "".join(call_plain(*words, str(station.file), codes=ANY_CODE))
    secret = str(station.file.parent / "secrets" / "influx1_password")
    imports = (("import", secret), ("import", secret, "--force"))
    for words in (*imports, *COMMANDS):
        yield " ".join(words), "".join(call(station, *words, codes=ANY_CODE))
    view = ControlView(lambda question: ask(station.storage / "control.sock", question))
    with served(view) as port:
        for path in ("/", "/metrics"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                yield path, answer.read().decode()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("EDAPHON_CANARY", SECRETS["broker_password_env"])
    return Places(tmp_path)


def test_no_secret_is_in_anything_that_comes_out(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        fake_server(failing) as server,
        repeating_broker() as broker,
        repeating_mail_server() as mail,
    ):
        tables = [*outward(places, server, broker, mail), *hostile(places), *followed(places)]
        station = Station(places.folder, tables, [FACTS])
        with caplog.at_level(logging.DEBUG), running(station.file) as service:
            sent = {"heartbeat_path", "influx1_password", "influx2_token"}
            until(lambda: echo_of(server) >= sent)
            until(lambda: service.sources.readers["home"].link.state.problem)
            texts = dict(printed(station))
            asked = echo_of(server)
    outputs = {"log": caplog.text, **texts, **dict(stored(station.storage))}
    found = {what: shown(data) for what, data in (*outputs.items(), *journalled(station))}
    assert {what: names for what, names in found.items() if names} == {}
    assert asked >= {"heartbeat_path", "slack_path", "webhook_token", "webhook_header"}
    for words in (("query", "t"), ("query", "t", "--release", "r1")):
        assert "6.75" in texts[" ".join(words)]  # what comes out is not just an error
    assert "slack" in texts["alert test slack"]


def echo_of(server: FakeServer) -> set[str]:
    """The secrets that a server was sent, and so could repeat."""
    return set().union(*(shown(echo(asked)) for asked in server.asked))
