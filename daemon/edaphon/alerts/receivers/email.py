"""Mail over SMTP: encrypted and checked, the mails of one incident as one thread.

References: RFC 5321 (SMTP; section 4.2.1: 4xx may be tried again, 5xx not), RFC 3207 (STARTTLS),
RFC 8314 (TLS from the start), RFC 5322 section 3.6.4 (Message-ID, In-Reply-To, References),
RFC 3834 (Auto-Submitted).
"""

import hashlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as MAIL_POLICY
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edaphon.alerts.model import Message, Occasion, Receiver, SendLater, SendRefused
from edaphon.alerts.receivers import (
    WHOLE_S,
    Context,
    Problem,
    ReceiverKind,
    Remark,
    Taken,
    secret_text,
    sendable,
)
from edaphon.network.requests import (
    Deadline,
    Secrets,
    dial,
    ended_at,
    is_loopback,
    tls_context,
    tls_problem,
)
from edaphon.toml_input.values import AbsolutePath, Secret, Table, wrong

PORTS = {"starttls": 587, "tls": 465, "none": 25}
WORDS = 200
MOST_ANSWER_BYTES = 65_536  # of one conversation
_NO_ATOM = re.compile(r"[^A-Za-z0-9_-]")  # RFC 5322, 3.2.3; dots divide the parts
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise wrong('an address such as "technician@example.org", without a name or brackets')
    return text


Answers = Mapping[str, tuple[int, bytes]]  # by address
Address = Annotated[str, AfterValidator(_address)]


class EmailSettings(Table):
    """A mail over a server that takes it from this station."""

    kind: Literal["email"] = "email"
    host: str = Field(min_length=1, pattern=r"^[A-Za-z0-9.:-]+$")
    port: int | None = Field(default=None, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Secret | None = None
    sender: Address = Field(alias="from")
    to: tuple[Address, ...] = Field(min_length=1)
    ca_file: AbsolutePath | None = None

    @model_validator(mode="after")
    def _log_in(self) -> Self:
        if bool(self.username) != (self.password is not None):
            raise wrong("username and password together, or none of them")
        return self

    @property
    def reaches(self) -> Iterator[tuple[str, str]]:
        """What is connected to, by its key."""
        yield "host", f"{self.host}:{self.port or PORTS[self.security]}"


def doubts(settings: EmailSettings) -> Iterator[Remark]:
    """About a password that goes over a network as it is."""
    if settings.security == "none" and settings.password and not is_loopback(settings.host):
        came = f"the password goes unencrypted to {settings.host}"
        yield "security", came, '"starttls" or "tls", or no password'


class Email(Receiver):
    """See Receiver. Who has taken a mail is not sent it again when the others are tried later."""

    def __init__(self, settings: EmailSettings, context: Context) -> None:
        self._settings, self._context = settings, context
        self._port = settings.port or PORTS[settings.security]
        self._place = f"{settings.host}:{self._port}"
        self._taken = Taken()

    def send(self, message: Message) -> None:
        own = self._settings
        password = secret_text(own.password, "the mail password") if own.password else ""
        written = mail(message, own, self._context)
        self._taken.deliver(message, lambda: self._attempt(written, password, Secrets(password)))

    def _attempt(self, written: EmailMessage, password: str, secrets: Secrets) -> Problem:
        """What is raised is raised outside of the handlers: it carries no error of smtplib."""
        deadline = Deadline(WHOLE_S)
        try:
            with _conversation(self._settings, self._port, deadline) as client:
                if self._settings.username:
                    client.login(self._settings.username, password)
                refused = self._deliver(client, written)
            return self._verdict(refused, secrets)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            if self._taken.by.issuperset(self._settings.to):
                return None
            if deadline.over:
                return SendLater(f"{self._place} did not take the mail within {WHOLE_S:g} s")
            return self._problem(error, secrets)

    def _deliver(self, client: smtplib.SMTP, written: EmailMessage) -> Answers:
        """Who was refused, with the server's answers."""
        waiting = [to for to in self._settings.to if to not in self._taken.by]
        if not waiting:
            return {}
        try:
            refused = client.sendmail(self._settings.sender, waiting, written.as_bytes())
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients
        self._taken.by.update(to for to in waiting if to not in refused)
        return refused

    def _verdict(self, refused: Answers, secrets: Secrets) -> Problem:
        """Later as long as anybody may still get it; then a refusal of some is one."""
        if not refused:
            return None
        words = "; ".join(f"{to}: {_answer(*answer, secrets)}" for to, answer in refused.items())
        if any(code < 500 for code, _ in refused.values()):
            return SendLater(f"{self._place} does not take it for {words}")
        return SendRefused(f"{self._place} refuses it for {words}")

    def _problem(self, error: Exception, secrets: Secrets) -> SendLater | SendRefused:
        words = _words(error, secrets)
        if isinstance(error, ssl.SSLError):
            return SendLater(tls_problem(self._place, words).why)
        if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500:
            return SendRefused(f"{self._place} refuses user or password: {words}")
        if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
            return SendRefused(f"{self._place} does not support this: {words}; see `security`")
        if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500:
            return SendRefused(f"{self._place} refuses the mail: {words}")
        if isinstance(error, UnicodeError):
            why = "user or password hold characters that SMTP can't send"
            return SendRefused(f"{self._place}: {why}")
        if isinstance(error, ConnectionRefusedError | socket.gaierror | TimeoutError):
            return SendLater(f"{self._place} can't be reached: {words}")
        return SendLater(f"the mail server {self._place} did not take it: {words}")


class _Client(smtplib.SMTP):
    """smtplib, which would read answers without end."""

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Answers(self.sock.makefile("rb"))
        return super().getreply()


class _Answers:
    """The lines of a server, at most so many bytes of them."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, MOST_ANSWER_BYTES

    def readline(self, most: int) -> bytes:
        line: bytes = self._file.readline(min(most, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise OSError("its answers do not end")
        return line

    def close(self) -> None:
        self._file.close()


@contextmanager
def _conversation(settings: EmailSettings, port: int, deadline: Deadline) -> Iterator[smtplib.SMTP]:
    """A server that greeted us, encrypted as the settings ask; over at the deadline."""
    context = None if settings.security == "none" else tls_context(settings.ca_file)
    sock = dial(settings.host, port, deadline)
    client = _Client(local_hostname=_own_name(), timeout=WHOLE_S)
    try:
        with ended_at(sock, deadline):
            if context is not None and settings.security == "tls":
                sock = context.wrap_socket(sock, server_hostname=settings.host)
            client.sock = sock
            client._host = settings.host  # type: ignore[attr-defined]  # to check after STARTTLS
            code, words = client.getreply()
            if code != 220:
                raise smtplib.SMTPConnectError(code, words)
            if context is not None and settings.security == "starttls":
                client.ehlo()
                client.starttls(context=context)
            yield client
            with suppress(OSError, smtplib.SMTPException):
                client.putcmd("quit")  # its answer is nothing to wait for
    finally:
        client.close()
        sock.close()


def _own_name() -> str:
    """A name that servers take; asking the network for it could hang."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def mail(message: Message, settings: EmailSettings, context: Context) -> EmailMessage:
    """The mail; sent once more after a kill it has the same Message-ID, so that it shows once."""
    found = EmailMessage(MAIL_POLICY.clone(cte_type="7bit"))
    first = _identifier(settings, context, str(message.number))
    begins = message.number > 0 and message.occasion is Occasion.OPENED
    found["Message-ID"] = first if begins else _identifier(settings, context, *_about(message))
    if message.number > 0 and not begins:
        found["In-Reply-To"] = found["References"] = first
    found["From"], found["To"] = settings.sender, ", ".join(settings.to)
    found["Subject"] = " ".join(sendable(message.title).split())
    found["Date"] = datetime.fromtimestamp(message.time_ns // 10**9, UTC)
    found["Auto-Submitted"] = "auto-generated"
    found.set_content(sendable(message.text), charset="utf-8")
    return found


def _about(message: Message) -> tuple[str, ...]:
    """What differs from other messages; of what is no incident, several may go out at a time."""
    parts = str(message.number), message.occasion.value, str(message.time_ns)
    if message.number > 0:
        return parts
    text = f"{message.title}\n{message.text}".encode("utf-8", "replace")
    return *parts, hashlib.sha256(text).hexdigest()[:12]


def _identifier(settings: EmailSettings, context: Context, *about: str) -> str:
    """A Message-ID of this receiver: two that get the same incident have two threads."""
    parts = "edaphon", context.logger, context.receiver, *about
    atoms = (_NO_ATOM.sub(lambda sign: f"={ord(sign[0]):02X}", part) for part in parts if part)
    return f"<{'.'.join(atoms)}@{settings.sender.rpartition('@')[2]}>"


def _words(error: Exception, secrets: Secrets) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error, secrets)
    return secrets.excerpt(str(getattr(error, "strerror", None) or error), WORDS)


def _answer(code: int, words: bytes | str, secrets: Secrets) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return f"{code} {secrets.excerpt(text, WORDS)}".strip()


KIND = ReceiverKind(EmailSettings, Email, doubts=doubts)
