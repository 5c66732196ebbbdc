"""Mail to a real SMTP server (aiosmtpd): STARTTLS, log-in, threads, refusals, servers that hang."""

import asyncio
import email
import email.policy
import itertools
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError
from tests.daemon.alerts.receivers.samples import (
    CANARY,
    CONTEXT,
    T0,
    assert_hidden,
    message,
    receiver,
    secret,
)
from tests.daemon.alerts.receivers.servers import dripping
from tests.programs import output, require

from edaphon.alerts.model import Occasion, SendLater, SendRefused
from edaphon.alerts.receivers import email as receivers_email
from edaphon.commands.programs import free_port

ADDRESSES: dict[str, Any] = {"from": "plots@example.org", "to": ["technician@example.org"]}


class MailBox:
    """The server's side: who may log in, what came, and what it answers."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.to: list[list[str]] = []
        self.refuses: dict[str, str] = {}
        self.data_answer = "250 OK"
        self.log_ins: list[bytes] = []

    def __call__(self, server: Any, session: Any, envelope: Any, how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.log_ins.append(data.login)
        right = data.password == CANARY.encode()
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.refuses.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if self.data_answer.startswith("250"):
            self.raw.append(bytes(envelope.content or b""))
            read = email.message_from_bytes(self.raw[-1], policy=email.policy.SMTP)
            assert isinstance(read, EmailMessage)
            self.mails.append(read)
            self.to.append(list(envelope.rcpt_tos))
        return self.data_answer


@contextmanager
def mail_server(box: MailBox, tls: ssl.SSLContext | None = None, **more: Any) -> Iterator[int]:
    port = free_port()
    known: dict[str, Any] = {"authenticator": box, "auth_require_tls": tls is not None}
    if tls is not None:
        known |= {"tls_context": tls, "require_starttls": True}
    server = Controller(box, "127.0.0.1", port, **{**known, **more})
    server.start()
    try:
        yield port
    finally:
        server.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate of an own authority, ca.pem, and of a server, server.pem."""
    folder = tmp_path_factory.mktemp("authority")
    openssl = require("openssl", "openssl")
    ca, key, request = (str(folder / name) for name in ("ca.pem", "server.key", "server.csr"))
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    names = folder / "names"
    names.write_text("subjectAltName=IP:127.0.0.1\n")
    ca_key = str(folder / "ca.key")
    new = f"req -x509 {curve} -days 2 -subj /CN=plots -keyout {ca_key} -out {ca}"
    output(openssl, *new.split())
    output(openssl, *f"req {curve} -subj /CN=mail -keyout {key} -out {request}".split())
    signed = f"x509 -req -in {request} -CA {ca} -CAkey {ca_key} -CAcreateserial -days 2"
    made = str(folder / "server.crt")
    output(openssl, *signed.split(), "-extfile", str(names), "-out", made)
    (folder / "server.pem").write_text(Path(key).read_text() + Path(made).read_text())
    return folder


def server_side(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem")
    return context


def settings(port: int, authority: Path, folder: Path, **more: Any) -> dict[str, Any]:
    log_in = {"username": "plots", "password": secret(folder)}
    known = {"host": "127.0.0.1", "port": port, "ca_file": str(authority / "ca.pem")}
    return {**known, **log_in, **ADDRESSES, **more}


def plain(port: int, **more: Any) -> Any:
    return receiver("email", host="127.0.0.1", port=port, security="none", **ADDRESSES, **more)


def test_a_mail_goes_out_encrypted_with_log_in_in_utf8(authority: Path, tmp_path: Path) -> None:
    box = MailBox()
    with mail_server(box, server_side(authority)) as port:
        receiver("email", **settings(port, authority, tmp_path)).send(message())
    (mail,) = box.mails
    assert box.log_ins == [b"plots"]
    assert mail["Subject"] == message().title
    assert (mail["From"], mail["To"]) == ("plots@example.org", "technician@example.org")
    assert mail.get_content_charset() == "utf-8"
    assert mail.get_content().splitlines() == message().text.splitlines()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert box.raw[0].isascii()


def test_tls_from_the_start_is_spoken_too(authority: Path, tmp_path: Path) -> None:
    box = MailBox()
    start = {"ssl_context": server_side(authority), "auth_require_tls": False}
    with mail_server(box, None, **start) as port:
        own = settings(port, authority, tmp_path, security="tls")
        receiver("email", **own).send(message())
    assert len(box.mails) == 1


def test_the_mails_of_one_incident_are_one_thread() -> None:
    box = MailBox()
    with mail_server(box) as port:
        mailer = plain(port)
        for occasion in (Occasion.OPENED, Occasion.REPEATED, Occasion.RESOLVED):
            mailer.send(message(occasion))
        mailer.send(message(Occasion.OPENED, 18))
        mailer.send(message(Occasion.WELL, 0))
    first, *others, next_one, well = box.mails
    assert first["In-Reply-To"] is None
    for other in others:
        assert other["In-Reply-To"] == other["References"] == first["Message-ID"]
    assert next_one["In-Reply-To"] is None
    assert well["In-Reply-To"] is None
    assert len({mail["Message-ID"] for mail in box.mails}) == 5


def test_the_identifier_of_a_mail_has_no_blank_whatever_it_is_about() -> None:
    """RFC 5322, 3.6.4: a msg-id is a dot-atom, an @ and a domain."""
    box = MailBox()
    with mail_server(box) as port:
        mailer = plain(port)
        for occasion in Occasion:
            mailer.send(message(occasion, 0))
    ids = [mail["Message-ID"].strip() for mail in box.mails]
    assert len(ids) == len(Occasion)
    assert not [one for one in ids if any(map(str.isspace, one))]


def test_every_identifier_is_a_dot_atom_at_a_domain_whatever_the_names_hold() -> None:
    """RFC 5322, 3.2.3 and 3.6.4: no ":" and no empty atom, which names of this project may hold."""
    atom = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
    box = MailBox()
    with mail_server(box) as port:
        mailer = plain(port, name="EN:1..x", context=replace(CONTEXT, logger="l:1..2."))
        for number, occasion in itertools.product((0, 17), Occasion):
            mailer.send(message(occasion, number))
    for mail in box.mails:
        for header in ("Message-ID", "In-Reply-To", "References"):
            value = (mail[header] or "<a@b>").strip()
            assert re.fullmatch(rf"<{atom}(\.{atom})*@{atom}(\.{atom})*>", value), value


def test_two_receivers_of_one_incident_have_a_thread_each() -> None:
    box = MailBox()
    with mail_server(box) as port:
        for name in ("english", "deutsch"):
            for occasion in (Occasion.OPENED, Occasion.REPEATED, Occasion.RESOLVED):
                plain(port, name=name).send(message(occasion))
    assert len({mail["Message-ID"] for mail in box.mails}) == 6
    for first, *others in (box.mails[:3], box.mails[3:]):
        for other in others:
            assert other["In-Reply-To"] == other["References"] == first["Message-ID"]


def test_two_visits_that_end_at_one_time_are_two_mails() -> None:
    box = MailBox()
    with mail_server(box) as port:
        for plot in ("P1", "P2"):
            plain(port).send(message(Occasion.VISIT_ENDED, 0, title=f"Visit of {plot} ended"))
    assert len({mail["Message-ID"] for mail in box.mails}) == 2


def test_the_same_message_after_a_kill_has_the_same_identifier() -> None:
    box = MailBox()
    with mail_server(box) as port:
        plain(port).send(message(Occasion.CHANGED))
        plain(port).send(message(Occasion.CHANGED))
    assert box.mails[0]["Message-ID"] == box.mails[1]["Message-ID"]


def test_a_wrong_password_is_one_clear_line_without_it(authority: Path, tmp_path: Path) -> None:
    box, wrong = MailBox(), f"x{CANARY}"
    with mail_server(box, server_side(authority)) as port:
        own = settings(port, authority, tmp_path, password=secret(tmp_path, wrong, "wrong"))
        with pytest.raises(SendRefused, match="refuses user or password: 535") as caught:
            receiver("email", **own).send(message())
    assert "\n" not in str(caught.value)
    assert_hidden(caught.value)
    assert box.mails == []


def test_an_unknown_authority_gets_neither_password_nor_mail(
    authority: Path, tmp_path: Path
) -> None:
    box = MailBox()
    own = {"ca_file": None}
    with (
        mail_server(box, server_side(authority)) as port,
        pytest.raises(SendLater, match=r"can't prove who it is \(TLS\)"),
    ):
        receiver("email", **settings(port, authority, tmp_path, **own)).send(message())
    assert (box.log_ins, box.mails) == ([], [])


def test_a_server_without_starttls_gets_neither_password_nor_mail(
    authority: Path, tmp_path: Path
) -> None:
    box = MailBox()
    with mail_server(box) as port, pytest.raises(SendRefused, match="STARTTLS"):
        receiver("email", **settings(port, authority, tmp_path)).send(message())
    assert (box.log_ins, box.mails) == ([], [])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("550 no such user", SendRefused),
        ("552 mailbox full", SendRefused),
        ("450 greylisted, come back", SendLater),
        ("421 closing", SendLater),
    ],
)
def test_what_the_server_says_of_an_address_decides(answer: str, kind: type[Exception]) -> None:
    box = MailBox()
    box.refuses = {"technician@example.org": answer}
    with mail_server(box) as port, pytest.raises(kind, match=answer[:3]):
        plain(port).send(message())


@pytest.mark.parametrize(
    ("answer", "kind"), [("554 spam", SendRefused), ("451 local error", SendLater)]
)
def test_what_the_server_says_of_the_mail_decides(answer: str, kind: type[Exception]) -> None:
    box = MailBox()
    box.data_answer = answer
    with mail_server(box) as port, pytest.raises(kind, match=answer):
        plain(port).send(message())


def test_who_has_it_is_not_sent_it_again_when_others_are_tried_later() -> None:
    box = MailBox()
    box.refuses = {"b@example.org": "450 greylisted"}
    both = {**ADDRESSES, "to": ["a@example.org", "b@example.org"]}
    with mail_server(box) as port:
        mailer = receiver("email", host="127.0.0.1", port=port, security="none", **both)
        with pytest.raises(SendLater, match="b@example.org: 450"):
            mailer.send(message())
        box.refuses = {}
        mailer.send(message(text="written again", time_ns=T0 + 60 * 10**9))
        mailer.send(message())
    assert box.to == [["a@example.org"], ["b@example.org"], ["a@example.org", "b@example.org"]]


def test_a_refusal_of_one_address_is_no_success() -> None:
    box = MailBox()
    box.refuses = {"b@example.org": "550 no such user"}
    both = {**ADDRESSES, "to": ["a@example.org", "b@example.org"]}
    with mail_server(box) as port, pytest.raises(SendRefused, match="b@example.org: 550"):
        receiver("email", host="127.0.0.1", port=port, security="none", **both).send(message())
    assert box.to == [["a@example.org"]]


def test_a_title_can_add_no_header() -> None:
    box = MailBox()
    with mail_server(box) as port:
        plain(port).send(message(title="a\r\nBcc: x@example.org"))
    assert box.mails[0]["Subject"] == "a Bcc: x@example.org"
    assert box.mails[0]["Bcc"] is None


def _greeted(port: int) -> Any:
    return plain(port)


def _from_start(port: int) -> Any:
    return receiver("email", host="127.0.0.1", port=port, security="tls", **ADDRESSES)


@pytest.mark.parametrize(
    ("greeting", "byte", "made"),
    [
        (b"", b"x", _greeted),
        (b"220 mail\r\n", b"2", _greeted),
        (b"220 mail\r\n", b"250-x\r\n", _greeted),
        (b"\x16\x03\x03\x40\x00", b"\x02", _from_start),
    ],
)
def test_a_server_that_drips_does_not_hang_it(
    greeting: bytes, byte: bytes, made: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers_email, "WHOLE_S", 0.4)
    with dripping(greeting, byte, 0.05) as port:
        begin = time.monotonic()
        with pytest.raises(SendLater, match="within 0.4 s"):
            made(port).send(message())
        assert time.monotonic() - begin < 2.0


def test_answers_without_end_are_cut() -> None:
    with (
        dripping(b"220 mail\r\n" + b"250-x\r\n" * 100_000, b"", 0.05) as port,
        pytest.raises(SendLater, match="its answers do not end"),
    ):
        plain(port).send(message())


def test_a_mail_that_was_taken_counts_though_the_server_hangs_afterwards() -> None:
    """The answer to QUIT is not waited for."""

    class Stuck(MailBox):
        async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
            await asyncio.sleep(2)
            return "221 bye"

    box = Stuck()
    with mail_server(box) as port:
        begin = time.monotonic()
        plain(port).send(message())
        assert time.monotonic() - begin < 1.0
    assert len(box.mails) == 1


def test_a_mail_that_was_taken_just_before_the_deadline_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box = MailBox()
    monkeypatch.setattr(receivers_email, "WHOLE_S", 0.8)
    monkeypatch.setattr(receivers_email._Client, "putcmd", put_slowly)
    with mail_server(box) as port:
        plain(port).send(message())
    assert len(box.mails) == 1


def put_slowly(client: smtplib.SMTP, command: str, words: str = "") -> None:
    """After the mail was taken the deadline passes."""
    if command == "quit":
        time.sleep(1.0)
    smtplib.SMTP.putcmd(client, command, words)


def test_a_name_that_is_gone_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", gone)
    with pytest.raises(SendLater, match="mail.example.org:587 can't be reached: Name or service"):
        receiver("email", host="mail.example.org", **ADDRESSES).send(message())


def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(SendLater, match="can't be reached: Connection refused"):
        plain(free_port()).send(message())


def test_a_password_that_smtp_can_not_send_is_refused_without_it(
    authority: Path, tmp_path: Path
) -> None:
    box = MailBox()
    own = {"password": secret(tmp_path, f"{CANARY}ü", "odd")}
    with mail_server(box, server_side(authority)) as port, pytest.raises(SendRefused) as caught:
        receiver("email", **settings(port, authority, tmp_path, **own)).send(message())
    assert_hidden(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"to": ["Technician <t@example.org>"]}, "without a name"),
        ({"to": []}, "at least 1"),
        ({"from": "plots\r\n@example.org"}, "an address such as"),
        ({"username": "plots"}, "username and password together"),
        ({"password": CANARY}, "only its place"),
        ({"security": "ssl"}, "starttls"),
    ],
)
def test_what_is_wrong_in_the_table_is_found_before_anything_is_sent(
    settings: dict[str, Any], words: str
) -> None:
    known = {"host": "mail.example.org", **ADDRESSES}
    with pytest.raises(ValidationError, match=words) as caught:
        receivers_email.EmailSettings.model_validate({**known, **settings})
    assert CANARY not in str(caught.value)


def test_a_password_over_plain_smtp_to_another_host_is_a_doubt() -> None:
    log_in = {"username": "u", "password": {"env": "X"}, **ADDRESSES}
    made = receivers_email.EmailSettings.model_validate
    far = made({"host": "mail.example.org", "security": "none", **log_in})
    near = made({"host": "localhost", "security": "none", **log_in})
    safe = made({"host": "mail.example.org", **log_in})
    assert [key for key, *_ in receivers_email.doubts(far)] == ["security"]
    assert not [*receivers_email.doubts(near), *receivers_email.doubts(safe)]
