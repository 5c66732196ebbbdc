"""One HTTP request for each message: to ntfy, Telegram, Slack, Teams, Healthchecks, or any other.

References: RFC 9110, section 15. How the services are asked is in `templates.toml`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

import orjson
from pydantic import Field, TypeAdapter, field_validator, model_validator

from edaphon.alerts.model import Message, Occasion, Receiver, SendLater, SendRefused
from edaphon.alerts.receivers import (
    FIELDS,
    WHOLE_S,
    Context,
    ReceiverKind,
    Remark,
    Value,
    fields_of,
    secret_text,
)
from edaphon.config.rules import Parts
from edaphon.network.requests import Answer, Limits, Unreachable, Wire, is_loopback, wait_s
from edaphon.toml_input.lines import data_of, did_you_mean
from edaphon.toml_input.values import (
    AbsolutePath,
    Secret,
    SecretOrText,
    Table,
    http_place,
    secret_host,
    wrong,
)
from edaphon_drivers.text_values import number_in

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"


class Template(Table):
    """How one service is asked. `needs` are keys of the table that it can't do without.

    The text is cut at `most_characters`, as the service would refuse or hide the rest. `signals`
    end the path, by occasion.
    """

    url: str = ""
    path: str = ""
    body: str = "{text}"
    content_type: str = JSON
    needs: tuple[str, ...] = ("url",)
    most_characters: int = 20_000
    signals: Mapping[Occasion, str] = {}


TEMPLATES = TypeAdapter(Mapping[str, Template]).validate_python(
    {"": {}} | data_of("edaphon.alerts.receivers", "templates")
)
MOST_WAIT_S = 3600.0
BUSY = {408, 425, 429}
WORDS = 200
TEXTS = ("title", "text", "short")
FORM = "application/x-www-form-urlencoded"
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_OWN_SECRET = {"slack", "teams"}  # the address alone lets anybody write there
_FIELD = re.compile(r"\{([a-z_]+)\}")
# A string that never ends is taken to the end: it is looked for once, not from each of its quotes.
_JSON_PART = re.compile(
    r'(?P<string>"(?:\\.|[^"\\])*(?:"|\\?\Z))|\{(?P<field>[a-z_]+)\}', re.DOTALL
)


class WebhookSettings(Table):
    """One request to a web server for each message."""

    kind: Literal["webhook"] = "webhook"
    template: Literal["", "ntfy", "telegram", "slack", "teams", "healthchecks"] = ""
    url: SecretOrText | None = None
    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: Mapping[str, SecretOrText] = {}
    content_type: str = ""
    body: str | None = Field(
        default=None,
        description=f"what is sent, with fields: {', '.join(f'{{{name}}}' for name in FIELDS)}",
        examples=["{site}: {title}"],
    )
    topic: SecretOrText | None = None
    chat: str = ""
    token: Secret | None = None
    ca_file: AbsolutePath | None = None

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: Any) -> Any:
        return http_place(url) if isinstance(url, str) else url

    @field_validator("headers")
    @classmethod
    def _header_lines(cls, headers: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name):
                raise wrong(f"names of HTTP headers, not {name!r}")
            if isinstance(value, str) and not _fits_header(value):
                raise wrong(f"a header {name} of one line of Latin-1 characters")
            if name.lower() in {"authorization", "cookie"} and isinstance(value, str):
                raise wrong(f'a secret for {name}: {{ env = "NAME" }} or {{ file = "/PATH" }}')
        return headers

    @model_validator(mode="after")
    def _complete(self) -> Self:
        template = TEMPLATES[self.template]
        named = f"template {self.template}" if self.template else "a webhook"
        lacking = [key for key in template.needs if not getattr(self, key)]
        if lacking:
            raise wrong(f"{' and '.join(lacking)} for {named}")
        if self.template in _OWN_SECRET and isinstance(self.url, str):
            raise wrong(
                f'url of {self.template} as a secret, {{ env = "NAME" }} or {{ file = "/PATH" }}: '
                "whoever knows it may write there"
            )
        if self.body is None and not self.template and self.method != "GET":
            raise wrong('a body, such as "{site}: {title}", or a template')
        self._check_fields(template)
        return self

    def _check_fields(self, template: Template) -> None:
        url = self.url if isinstance(self.url, str) else ""
        for key, text in (("url", url), ("body", self.body or "")):
            if unknown := unknown_fields(text, FIELDS):
                near = did_you_mean(unknown[0], FIELDS)
                raise wrong(f"no field {{{unknown[0]}}} in {key}; {near}")
        if self.body and self.content(template) == JSON:
            sample: dict[str, Value] = dict.fromkeys(FIELDS, "x") | {"number": 1, "priority": 1}
            try:
                json.loads(filled_json(self.body, sample))
            except ValueError as error:
                raise wrong(f"a body that is JSON ({error}), or another content_type") from None

    @property
    def reaches(self) -> Iterator[tuple[str, Secret | str]]:
        """What is connected to, by its key."""
        yield "url", self.url or TEMPLATES[self.template].url

    def content(self, template: Template) -> str:
        """The media type of the body."""
        if self.content_type:
            return self.content_type
        if self.body is None:
            return template.content_type
        return (
            JSON if self.body.lstrip()[:1] in {"{", "["} and not _only_known(self.body) else PLAIN
        )


def _only_known(text: str) -> bool:
    """Whether a text that begins with { does so with a field."""
    start = text.lstrip()
    return any(start.startswith(f"{{{name}}}") for name in FIELDS)


def _fits_header(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return text.isprintable()


def config_errors(settings: WebhookSettings, parts: Parts) -> Iterator[Remark]:
    """About an address that is a secret, which could not be checked without reading it."""
    url = settings.url
    if not isinstance(url, Secret) or url.problem():
        return
    try:
        http_place(url.reveal().strip())
    except ValueError:
        yield "url", "the secret is no address", "https://… on one line of that file or variable"


def doubts(settings: WebhookSettings) -> Iterator[Remark]:
    """About a secret that goes over a network as it is."""
    url = settings.url or TEMPLATES[settings.template].url
    parts = urlsplit(url if isinstance(url, str) else "")
    host = secret_host(url) if isinstance(url, Secret) else parts.hostname or ""
    others = (settings.token, settings.topic, *settings.headers.values())
    secret = any(isinstance(value, Secret) for value in (url, *others))
    if secret and host and parts.scheme in {"http", ""} and not is_loopback(host):
        yield "url", f"secrets go unencrypted to {host}", "an address of https"


class Webhook(Receiver):
    """See Receiver; each message has a connection of its own, for they are rare."""

    def __init__(self, settings: WebhookSettings, context: Context) -> None:
        self._settings, self._context = settings, context
        self._template = TEMPLATES[settings.template]

    def send(self, message: Message) -> None:
        secrets = self._secrets()
        url, body = self._url(message, secrets), self._body(message, secrets)
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        hidden = [text for text in (*secrets.values(), target) if len(text) > 1]
        wire = Wire(place, "", self._settings.ca_file, hidden, Limits(WHOLE_S))
        answer: Answer | None = None
        why = ""
        try:
            answer = wire.request(self._settings.method, target, body, self._headers(secrets))
        except Unreachable as error:
            why = error.why
        finally:
            wire.close()
        if answer is None:
            raise SendLater(why)
        self._judge(answer, place, parts.scheme)

    def _secrets(self) -> dict[str, str]:
        own = self._settings
        named: dict[str, Secret | str | None] = {
            "url": own.url if isinstance(own.url, Secret) else None,
            "topic": own.topic,
            "token": own.token,
        }
        named |= {f"header {k}": v for k, v in own.headers.items() if isinstance(v, Secret)}
        return {key: secret_text(value, key).strip() for key, value in named.items() if value}

    def _fields(self, message: Message, secrets: Mapping[str, str]) -> dict[str, Value]:
        fields = fields_of(message, self._context, self._template.most_characters)
        written = _WRITTEN.get(self._settings.template, str)
        texts = {name: written(str(fields[name])) for name in TEXTS}
        own = {"topic": secrets.get("topic", ""), "token": secrets.get("token", "")}
        return {**fields, **texts, **own, "chat": self._settings.chat}

    def _url(self, message: Message, secrets: Mapping[str, str]) -> str:
        own = self._settings
        address = secrets.get("url") or (own.url if isinstance(own.url, str) else "")
        fields = fields_of(message, self._context, self._template.most_characters)
        base = filled(address or self._template.url, fields, encoded)
        try:
            http_place(base)
        except ValueError:
            base = ""
        if not base:
            raise SendRefused("the address of the webhook is none, or has a user in it: see `url`")
        signal = self._template.signals.get(message.occasion, "")
        path = filled(self._template.path, {"token": secrets.get("token", "")}, _in_path)
        return base.rstrip("/") + path + signal if path or signal else base

    def _body(self, message: Message, secrets: Mapping[str, str]) -> bytes:
        own = self._settings
        if own.method == "GET":
            return b""
        text = self._template.body if own.body is None else own.body
        fields = self._fields(message, secrets)
        kind = own.content(self._template).partition(";")[0].strip().lower()
        if kind == JSON or kind.endswith("+json"):
            return filled_json(text, fields).encode()
        return filled(text, fields, encoded if kind == FORM else str).encode()

    def _headers(self, secrets: Mapping[str, str]) -> dict[str, str]:
        own = self._settings
        headers = {"User-Agent": "edaphon", "Connection": "close"}
        if own.method != "GET":
            headers["Content-Type"] = own.content(self._template)
        if own.token is not None and not self._template.path:
            headers["Authorization"] = f"Bearer {secrets['token']}"
        for name, value in own.headers.items():
            headers[name] = value if isinstance(value, str) else secrets[f"header {name}"]
        bad = [name for name, value in headers.items() if not _fits_header(value)]
        if bad:
            raise SendRefused(f"the secret of {bad[0]} holds characters that no header can")
        return headers

    def _judge(self, answer: Answer, place: str, scheme: str) -> None:
        status, words = answer.status, answer.words(WORDS)
        if 200 <= status < 300:
            if judge := _JUDGES.get(self._settings.template):
                judge(answer)
        elif status in BUSY or status >= 500:
            again_s = _asked_s(answer)
            raise SendLater(f"{place} is busy or fails ({status}): {words}", again_s)
        elif 300 <= status < 400 and scheme == "http":
            raise SendLater(f"{place} redirects ({status}): the log-in page of a network?")
        elif 300 <= status < 400:
            raise SendRefused(f"{place} redirects ({status}); put the new address into url")
        else:
            raise SendRefused(f"{place} refuses the message ({status}): {words}")


def _in_path(text: str) -> str:
    """A bot's token has a colon, which a path may hold (RFC 3986, section 3.3)."""
    return encoded(text).replace("%3A", ":")


def _asked_s(answer: Answer) -> float | None:
    """What Retry-After asks for, or Telegram's `parameters.retry_after`; at most an hour."""
    if (found := wait_s(answer, MOST_WAIT_S)) is not None:
        return found
    try:
        asked = number_in(orjson.loads(answer.body)["parameters"]["retry_after"])
    except (ValueError, LookupError, TypeError):
        return None
    return None if asked is None else min(max(float(asked), 0.0), MOST_WAIT_S)


def _other(service: str) -> SendLater:
    return SendLater(
        f"the answer is not {service}'s: a proxy or the log-in page of a network answers in its "
        "place, or url names another server"
    )


def _table(answer: Answer) -> Mapping[str, object]:
    with suppress(ValueError):
        found = orjson.loads(answer.body)
        if isinstance(found, dict):
            return found
    return {}


def _ntfy(answer: Answer) -> None:
    if not _table(answer).get("id"):
        raise _other("ntfy")


def _telegram(answer: Answer) -> None:
    found = _table(answer)
    if found.get("ok") is False:
        words = answer.secrets.excerpt(str(found.get("description", "")), 200)
        raise SendRefused(f"Telegram refuses it: {words}")
    if found.get("ok") is not True:
        raise _other("Telegram")


def _slack(answer: Answer) -> None:
    if answer.body.strip() != "ok":
        raise _other("Slack")


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _paragraphs(text: str) -> str:
    return "\n\n".join(text.splitlines())


def _teams(answer: Answer) -> None:
    if "html" in answer.headers.get("content-type", "").lower():
        raise _other("Teams")


def _healthchecks(answer: Answer) -> None:
    words = answer.body.strip()
    if words == "OK (not found)":
        raise SendRefused("Healthchecks knows no check of this address: OK (not found)")
    if words.startswith("OK ("):
        raise SendLater(f"Healthchecks did not take it: {answer.words(100)}")
    if words != "OK":
        raise _other("Healthchecks")


# Returns when a 200 means that the service took it.
_JUDGES: Mapping[str, Callable[[Answer], None]] = {
    "ntfy": _ntfy,
    "telegram": _telegram,
    "slack": _slack,
    "teams": _teams,
    "healthchecks": _healthchecks,
}
_WRITTEN: Mapping[str, Callable[[str], str]] = {"slack": _entities, "teams": _paragraphs}


def unknown_fields(text: str, known: Mapping[str, object] | tuple[str, ...]) -> list[str]:
    return [name for name in dict.fromkeys(_FIELD.findall(text)) if name not in known]


def filled(text: str, fields: Mapping[str, Value], encode: Callable[[str], str] = str) -> str:
    """The text with its fields; KeyError for one that is unknown."""
    return _FIELD.sub(lambda found: encode(str(fields[found[1]])), text)


def encoded(text: str) -> str:
    """For an address or a form, RFC 3986."""
    return quote(text, safe="")


def filled_json(text: str, fields: Mapping[str, Value]) -> str:
    """A JSON text with its fields; KeyError for one that is unknown."""

    def part(found: re.Match[str]) -> str:
        if (string := found["string"]) is not None:
            return filled(string, fields, _inside)
        return json.dumps(fields[found["field"]], ensure_ascii=False)

    return _JSON_PART.sub(part, text)


def _inside(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


KIND = ReceiverKind(WebhookSettings, Webhook, config_errors=config_errors, doubts=doubts)
